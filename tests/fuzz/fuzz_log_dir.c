/*
 * A log's directory as interrupted work may have left it, and worse: any names, any contents. Also
 * what stands in the directory above: names of partitions' directories.
 *
 * Input: u8 how it is loaded, u8 which access to the disk fails, u8 marks, then for each
 * file: u8 kind of
 * name, u8 number, u8 length, contents (or the name, of a file or of a directory in the log dir). A
 * segment or swap with an odd number holds good batches.
 */
#include <errno.h>
#include <inttypes.h>

#include "protocol/records.h"
#include "storage/log_dir.h"
#include "tests/fuzz/fuzz_log_world.h"

#define FILES_MAX 12

static const char *const suffixes[] = {
    ".log",        ".index",         ".timeindex",    ".txnindex",      ".snapshot",
    ".log.swap",   ".index.swap",    ".log.cleaned",  ".log.deleted",   ".timeindex.swap",
    ".checkpoint", ".index.cleaned", ".snapshot.tmp", ".index.deleted",
};

static const char *const others[] = {"leader-epoch-checkpoint", "partition.metadata",
                                     "leader-epoch-checkpoint.tmp", "lost+found"};

/* Five batches of two records from `base` on. */
static void put_batches(const char *path, int64_t base) {
    static struct buffer out;
    out.max = 1 << 20;
    buffer_reset(&out);
    for (int i = 0; i < 5; i++) {
        struct batch_options options = BATCH_OPTIONS_DEFAULT;
        options.base_offset = base + 2 * i;
        struct batch_builder builder;
        batch_builder_init(&builder, &options, 1 << 16);
        batch_builder_add(&builder, 1000 + i, SLICE_NULL, SLICE_LIT("a"), NULL, 0);
        batch_builder_add(&builder, 1000 + i, SLICE_LIT("b"), SLICE_NULL, NULL, 0);
        ASSERT(batch_builder_finish(&builder, &out));
        batch_builder_release(&builder);
    }
    fuzz_disk_put(path, out.data, out.len);
}

/* Names of files come from directories: no slash, no NUL. */
static bool literal_name(struct slice bytes, char *out, size_t size) {
    if (bytes.len == 0 || bytes.len >= size || memchr(bytes.data, '/', bytes.len) != NULL ||
        memchr(bytes.data, '\0', bytes.len) != NULL || bytes.data[0] == '.') {
        return false;
    }
    memcpy(out, bytes.data, bytes.len);
    out[bytes.len] = '\0';
    return true;
}

/* A directory of a log dir, with a topic id or something that is none. */
static void put_directory(const char *name, uint8_t number) {
    char path[400];
    snprintf(path, sizeof(path), "d/%s/partition.metadata", name);
    const char *text = number % 2 == 1 ? "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ\n" : "";
    fuzz_disk_put(path, text, strlen(text));
}

/* What is told of the directories, and what becomes of them. */
static void list_log_dir(void) {
    struct machine *machine = fuzz_machine();
    static struct arena arena;
    arena.limit = SIZE_MAX;
    struct log_dir_entry *entries = NULL;
    int count = 0;
    struct errmsg errmsg = {""};
    int failed = log_dir_list(machine, "d", &arena, &entries, &count, &errmsg);
    ASSERT(IMPLIES(failed != 0, errmsg.text[0] != '\0'));
    for (int i = 0; i < count; i++) {
        const struct log_dir_entry *entry = &entries[i];
        ASSERT(IMPLIES(entry->kind == LOG_DIR_PARTITION,
                       topic_name_valid(entry->topic) && entry->partition >= 0));
        char *aside = NULL;
        if (log_dir_set_aside(machine, "d", entry->name, "-delete", &aside) == 0) {
            int result = log_dir_remove_tree(machine, aside);
            ASSERT(result == 0 || result == -EIO);
        }
        free(aside);
    }
    arena_reset(&arena);
}

static void put_file(struct slice *in) {
    uint8_t kind = fuzz_take_u8(in);
    uint8_t number = fuzz_take_u8(in);
    struct slice content = fuzz_take(in, fuzz_take_u8(in));
    char name[300];
    char path[400];
    if (kind >= 254) {
        if (!literal_name(content, name, 256)) {
            return;
        }
        if (kind == 254) {
            put_directory(name, number);
            return;
        }
    } else if (kind >= 240) {
        snprintf(name, sizeof(name), "%s", others[kind % ARRAY_LEN(others)]);
    } else {
        snprintf(name, sizeof(name), "%020" PRIu64 "%s", (uint64_t)(number & 0xfe) * 5,
                 suffixes[kind % ARRAY_LEN(suffixes)]);
    }
    snprintf(path, sizeof(path), FUZZ_LOG_DIR "/%s", name);
    if (kind < 240 && number % 2 == 1 && strstr(name, ".log") != NULL) {
        put_batches(path, (number & 0xfe) * 5);
    } else {
        fuzz_disk_put(path, content.data, content.len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice in = slice_make(data, size);
    uint8_t how = fuzz_take_u8(&in);
    uint8_t fault = fuzz_take_u8(&in);
    uint8_t marks = fuzz_take_u8(&in);
    if ((how & 8) != 0) {
        fuzz_disk_put("d/.lock", "", 0);
    }
    for (int i = 0; i < FILES_MAX && in.len > 0; i++) {
        put_file(&in);
    }
    fuzz_disk_fail((how & 16) != 0 ? fault : 0);
    list_log_dir();
    fuzz_load((how & 1) != 0, (how & 2) != 0, 1001, marks);
    if ((how & 4) != 0) {
        fuzz_load((how & 1) == 0, false, 0, marks);
    }
    fuzz_disk_reset();
    return 0;
}
