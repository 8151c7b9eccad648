/* Ranges of files in answers. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "runtime/uv/file_pages.h"
#include "tests/unit/runtime/uv_server.h"

TestSuite(uv_ranges, .init = uv_server_setup, .fini = uv_server_teardown, .timeout = 60);

static void ask_range(int fd, uint32_t pos, uint32_t len) {
    uint8_t request[9] = {'f'};
    store_be32(request + 1, pos);
    store_be32(request + 5, len);
    send_frame(fd, request, sizeof(request));
}

static void expect_range(int fd, size_t pos, size_t len) {
    size_t got = 0;
    uint8_t *data = recv_frame(fd, &got);
    cr_assert_eq(got, len + 2);
    cr_assert_eq(data[0], '<');
    cr_assert_eq(data[len + 1], '>');
    for (size_t i = 0; i < len; i++) {
        cr_assert_eq(data[i + 1], file_byte(pos + i));
    }
    free(data);
}

Test(uv_ranges, ranges_of_files_are_sent_between_bytes) {
    serve();
    int fd = dial();
    uint32_t ranges[][2] = {{0, FILE_LEN}, {1, 1},         {5, 0},
                            {7, 300000},   {FILE_LEN, 0},  {FILE_LEN - 1, 1},
                            {0, 262144},   {4096, 524288}, {100, 2000000}};
    for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
        ask_range(fd, ranges[i][0], ranges[i][1]);
    }
    for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
        expect_range(fd, ranges[i][0], ranges[i][1]);
    }
    close(fd);
}

Test(uv_ranges, ranges_that_are_not_cached_are_read_by_a_worker) {
    serve();
    cr_assert_eq(file_sync(server.file), 0);
    file_drop_cache(server.file, 0, FILE_LEN);
    int fd = dial();
    ask_range(fd, 3, FILE_LEN - 3);
    ask_range(fd, 0, 10);
    expect_range(fd, 3, FILE_LEN - 3);
    expect_range(fd, 0, 10);
    close(fd);
}

/* The socket is full in the middle of a range again and again. */
Test(uv_ranges, ranges_are_whole_for_a_receiver_that_takes_little_at_a_time) {
    serve();
    int size = 4096;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
    dial_with(fd);
    uint32_t ranges[][2] = {{1, FILE_LEN - 1}, {5000, 40000}, {0, 32768}, {4095, 1048577}};
    for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
        ask_range(fd, ranges[i][0], ranges[i][1]);
    }
    for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
        expect_range(fd, ranges[i][0], ranges[i][1]);
    }
    close(fd);
}

static void expect_closed_after(uint32_t pos, uint32_t len) {
    int fd = dial();
    ask_range(fd, pos, len);
    uint8_t bytes[4096];
    ssize_t n = 0;
    size_t total = 0;
    do {
        n = recv(fd, bytes, sizeof(bytes), 0);
        total += n > 0 ? (size_t)n : 0;
    } while (n > 0);
    cr_assert_leq(total, 5 + FILE_LEN - (size_t)pos); /* the length, '<', and what there is */
    expect_reason("a range of a file cannot be read");
    close(fd);
}

Test(uv_ranges, a_range_beyond_the_end_of_the_file_closes_the_connection) {
    serve();
    expect_closed_after(FILE_LEN - 10, 11);
}

Test(uv_ranges, a_long_range_beyond_the_end_of_the_file_closes_the_connection) {
    serve();
    expect_closed_after(0, FILE_LEN + 1);
}

Test(uv_ranges, a_range_that_begins_far_beyond_the_end_closes_the_connection) {
    serve();
    expect_closed_after(FILE_LEN, 1000000);
}

Test(uv_ranges, what_was_warmed_is_in_the_page_cache) {
    cr_assert_eq(file_sync(server.file), 0);
    file_drop_cache(server.file, 0, FILE_LEN);
    cr_assert_eq(file_warm(server.file, 5000, 900000), 900000);
    cr_assert_eq(file_cached_len(server.file, 5000, 900000), 900000);
    cr_assert_eq(file_cached_len(server.file, 6001, 1), 1);
    cr_assert_eq(file_warm(server.file, FILE_LEN - 100000, 200000), 100000);
    cr_assert_eq(file_warm(server.file, FILE_LEN + 1, 10), 0);
    cr_assert_eq(file_cached_len(server.file, FILE_LEN + 8192, 10), 0);
}
