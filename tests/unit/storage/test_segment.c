/* Look-ups in index files of every size around what is read at once. */
#include "base/buffer.h"
#include "storage/segment.h"
#include "tests/unit/storage/storage_test.h"

static struct machine *machine;
static char root[] = "/tmp/segment-test-XXXXXX";

static void set_up(void) {
    cr_assert_not_null(mkdtemp(root));
    machine = machine_new(1, 1);
}

static void tear_down(void) {
    machine_free(machine);
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", root);
    cr_assert_eq(system(command), 0);
}

TestSuite(segment, .init = set_up, .fini = tear_down);

/* Entry i has the key 2i + 1 and leads to 10i. */
static struct file *index_of(int64_t count, size_t entry_size) {
    char path[64];
    snprintf(path, sizeof(path), "%s/index", root);
    struct file *file = NULL;
    const unsigned flags = FILE_WRITE | FILE_CREATE | FILE_TRUNCATE;
    cr_assert_eq(file_open(machine, path, flags, &file), 0);
    for (int64_t i = 0; i < count; i++) {
        uint8_t entry[TIME_INDEX_ENTRY];
        uint8_t *value = entry + entry_size - 4;
        if (entry_size == OFFSET_INDEX_ENTRY) {
            store_be32(entry, (uint32_t)(2 * i + 1));
        } else {
            store_be64(entry, (uint64_t)(2 * i + 1));
        }
        store_be32(value, (uint32_t)(10 * i));
        cr_assert_eq(file_write_at(file, entry, entry_size, i * (int64_t)entry_size), 0);
    }
    return file;
}

static const int64_t counts[] = {0,   1,   2,   3,    340,  341,  342,  511,  512,
                                 513, 682, 683, 1023, 1024, 1025, 1536, 1537, 3000};

Test(segment, the_greatest_offset_entry_not_above_is_found_in_an_index_of_any_size) {
    for (size_t c = 0; c < ARRAY_LEN(counts); c++) {
        struct file *file = index_of(counts[c], OFFSET_INDEX_ENTRY);
        for (int64_t key = 0; key < 2 * counts[c] + 3; key++) {
            int64_t pos = -1;
            cr_assert_eq(offset_index_floor(file, counts[c], key, &pos), 0);
            int64_t entries = key == 0 ? 0 : (key - 1) / 2 + 1;
            entries = entries < counts[c] ? entries : counts[c];
            cr_assert_eq(pos, entries == 0 ? 0 : 10 * (entries - 1),
                         "%" PRId64 " of %" PRId64 ": %" PRId64, key, counts[c], pos);
        }
        file_unref(file);
    }
}

Test(segment, the_greatest_time_entry_not_above_is_found_in_an_index_of_any_size) {
    for (size_t c = 0; c < ARRAY_LEN(counts); c++) {
        struct file *file = index_of(counts[c], TIME_INDEX_ENTRY);
        for (int64_t key = 0; key < 2 * counts[c] + 3; key++) {
            int64_t relative = -1;
            int64_t found = -1;
            cr_assert_eq(time_index_floor(file, counts[c], key, &relative, &found), 0);
            int64_t entries = key == 0 ? 0 : (key - 1) / 2 + 1;
            entries = entries < counts[c] ? entries : counts[c];
            cr_assert_eq(found, entries == 0 ? NO_TIMESTAMP : 2 * entries - 1);
            cr_assert_eq(relative, entries == 0 ? 0 : 10 * (entries - 1));
        }
        file_unref(file);
    }
}

Test(segment, an_index_that_is_shorter_than_its_count_is_an_error) {
    struct file *file = index_of(600, OFFSET_INDEX_ENTRY);
    int64_t pos = 0;
    cr_assert_eq(offset_index_floor(file, 601, 2000, &pos), -EIO);
    file_unref(file);
}
