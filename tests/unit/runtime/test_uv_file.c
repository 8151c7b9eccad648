/* Files and directories of the real machine, in a directory of their own under /tmp. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "runtime/file.h"

static char root[] = "/tmp/barnabas-file-XXXXXX";

static void setup(void) {
    cr_assert_not_null(mkdtemp(root));
    cr_assert_eq(chdir(root), 0);
}

static void teardown(void) {
    char command[64];
    snprintf(command, sizeof(command), "rm -rf %s", root);
    cr_assert_eq(system(command), 0);
}

TestSuite(uv_file, .init = setup, .fini = teardown);

static struct file *open_new(const char *path) {
    struct file *file = NULL;
    cr_assert_eq(file_open(NULL, path, FILE_WRITE | FILE_CREATE, &file), 0);
    return file;
}

Test(uv_file, parts_are_written_one_behind_the_other_and_read_back) {
    struct file *file = open_new("f");
    /* More parts than one system call takes, some of them empty. */
    struct slice parts[200];
    for (int i = 0; i < 200; i++) {
        parts[i] = i % 3 == 0 ? SLICE_LIT("") : SLICE_LIT("abc");
    }
    cr_assert_eq(file_writev_at(file, parts, 200, 10), 0);
    cr_assert_eq(file_writev_at(file, parts, 0, 0), 0);
    int64_t size = 0;
    cr_assert_eq(file_size(file, &size), 0);
    cr_assert_eq(size, 10 + 133 * 3);
    char data[500];
    cr_assert_eq(file_read_at(file, data, sizeof(data), 10), 133 * 3);
    for (int i = 0; i < 133; i++) {
        cr_assert_arr_eq(data + i * 3, "abc", 3);
    }
    cr_assert_eq(file_read_at(file, data, 10, 0), 10);
    cr_assert_eq(data[9], 0);
    cr_assert_eq(file_read_at(file, data, 10, size), 0);
    cr_assert_eq(file_sync(file), 0);
    cr_assert_eq(file_truncate(file, 5), 0);
    cr_assert_eq(file_size(file, &size), 0);
    cr_assert_eq(size, 5);
    file_unref(file_ref(file));
    file_unref(file);
}

Test(uv_file, errors_are_negative_errno) {
    struct file *file = NULL;
    cr_assert_eq(file_open(NULL, "none", FILE_READ, &file), -ENOENT);
    cr_assert_eq(path_mkdir(NULL, "d"), 0);
    cr_assert_eq(path_mkdir(NULL, "d"), -EEXIST);
    cr_assert_eq(file_open(NULL, "d", FILE_READ, &file), -EISDIR);
    file_unref(open_new("f"));
    cr_assert_eq(file_open(NULL, "f", FILE_WRITE | FILE_CREATE | FILE_EXCLUSIVE, &file), -EEXIST);
    cr_assert_eq(file_open(NULL, "f", FILE_READ, &file), 0);
    cr_assert_eq(file_write_at(file, "x", 1, 0), -EBADF);
    file_unref(file);
    file_unref(NULL);
    cr_assert_eq(path_unlink(NULL, "none"), -ENOENT);
    cr_assert_eq(path_rmdir(NULL, "f"), -ENOTDIR);
    cr_assert_eq(directory_sync(NULL, "none"), -ENOENT);
    char **names = NULL;
    size_t count = 0;
    cr_assert_eq(directory_list(NULL, "f", &names, &count), -ENOTDIR);
}

Test(uv_file, a_directory_is_made_with_its_parents_and_listed_in_order) {
    cr_assert_eq(path_mkdir_parents(NULL, "a/b/c"), 0);
    cr_assert_eq(path_mkdir_parents(NULL, "a/b/c"), 0);
    file_unref(open_new("a/f"));
    cr_assert_eq(path_mkdir_parents(NULL, "a/f/g"), -ENOTDIR);
    cr_assert_eq(path_mkdir_parents(NULL, "a/f"), -ENOTDIR);
    file_unref(open_new("a/B"));
    char **names = NULL;
    size_t count = 0;
    cr_assert_eq(directory_list(NULL, "a", &names, &count), 0);
    cr_assert_eq(count, 3);
    cr_assert_str_eq(names[0], "B");
    cr_assert_str_eq(names[1], "b");
    cr_assert_str_eq(names[2], "f");
    cr_assert_null(names[3]);
    free(names);
    cr_assert_eq(directory_list(NULL, "a/b/c", &names, &count), 0);
    cr_assert_eq(count, 0);
    free(names);
    enum path_kind kind = PATH_OTHER;
    cr_assert_eq(path_kind(NULL, "a/none", &kind), 0);
    cr_assert_eq(kind, PATH_MISSING);
    cr_assert_eq(path_kind(NULL, "a/b", &kind), 0);
    cr_assert_eq(kind, PATH_DIRECTORY);
    cr_assert_eq(path_kind(NULL, "a/f", &kind), 0);
    cr_assert_eq(kind, PATH_FILE);
}

Test(uv_file, a_directory_is_synced_though_no_descriptor_is_left) {
    cr_assert_eq(directory_sync(NULL, "."), 0);
    int next = dup(0);
    struct rlimit limit = {.rlim_cur = (rlim_t)next, .rlim_max = (rlim_t)next};
    close(next);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    struct file *file = NULL;
    cr_assert_eq(file_open(NULL, "f", FILE_WRITE | FILE_CREATE, &file), -EMFILE);
    cr_assert_eq(directory_sync(NULL, "."), 0);
    cr_assert_eq(directory_sync(NULL, "."), 0, "and again");
    cr_assert_eq(directory_sync(NULL, "none"), -ENOENT);
}

Test(uv_file, a_replaced_file_has_the_new_content_and_leaves_no_temporary_one) {
    cr_assert_eq(file_replace(NULL, "f", SLICE_LIT("a long first content")), 0);
    cr_assert_eq(file_replace(NULL, "./f", SLICE_LIT("second")), 0);
    uint8_t *data = NULL;
    size_t len = 0;
    cr_assert_eq(file_read_all(NULL, "f", 6, &data, &len), 0);
    cr_assert_eq(len, 6);
    cr_assert_str_eq((char *)data, "second");
    free(data);
    cr_assert_eq(file_read_all(NULL, "f", 5, &data, &len), -EFBIG);
    cr_assert_eq(file_replace(NULL, "f", SLICE_LIT("")), 0);
    cr_assert_eq(file_read_all(NULL, "f", 5, &data, &len), 0);
    cr_assert_eq(len, 0);
    free(data);
    cr_assert_eq(file_replace(NULL, "none/f", SLICE_LIT("x")), -ENOENT);
    enum path_kind kind = PATH_OTHER;
    cr_assert_eq(path_kind(NULL, "f.tmp", &kind), 0);
    cr_assert_eq(kind, PATH_MISSING);
}

Test(uv_file, a_lock_is_held_until_its_file_is_closed) {
    struct file *first = NULL;
    struct file *second = NULL;
    cr_assert_eq(file_lock(NULL, ".lock", &first), 0);
    cr_assert_eq(file_lock(NULL, ".lock", &second), -EAGAIN);
    file_unref(first);
    cr_assert_eq(file_lock(NULL, ".lock", &second), 0);
    file_unref(second);
}

Test(uv_file, the_disk_has_a_size_and_a_file_an_age) {
    int64_t total = 0;
    int64_t usable = 0;
    cr_assert_eq(disk_usage(NULL, ".", &total, &usable), 0);
    cr_assert_gt(total, 0);
    cr_assert(usable >= 0 && usable <= total);
    struct file *file = open_new("f");
    int64_t mtime_ms = 0;
    cr_assert_eq(file_mtime_ms(file, &mtime_ms), 0);
    cr_assert_gt(mtime_ms, 1700000000000);
    file_unref(file);
}
