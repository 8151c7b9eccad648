#include "storage/txn_index.h"

#include <errno.h>

#include "base/buffer.h"
#include "runtime/file.h"
#include "storage/paths.h"

int txn_index_append(struct machine *machine, const char *dir, int64_t base_offset,
                     const struct txn_end *ended) {
    struct path path;
    path_of_offset(&path, dir, base_offset, SUFFIX_TXN_INDEX, "");
    struct file *file = NULL;
    int result = file_open(machine, path.text, FILE_WRITE | FILE_CREATE, &file);
    if (result != 0) {
        return result;
    }
    int64_t size = 0;
    result = file_size(file, &size);
    if (result == 0) {
        uint8_t entry[TXN_INDEX_ENTRY];
        store_be16(entry, 0);
        store_be64(entry + 2, (uint64_t)ended->producer_id);
        store_be64(entry + 10, (uint64_t)ended->first_offset);
        store_be64(entry + 18, (uint64_t)ended->last_offset);
        store_be64(entry + 26, (uint64_t)ended->last_stable_offset);
        result = file_write_at(file, entry, sizeof(entry), size - size % TXN_INDEX_ENTRY);
    }
    file_unref(file);
    return result;
}

int txn_index_open(struct machine *machine, const char *dir, int64_t base_offset,
                   struct file **out) {
    struct path path;
    path_of_offset(&path, dir, base_offset, SUFFIX_TXN_INDEX, "");
    return file_open(machine, path.text, FILE_WRITE, out);
}

int txn_index_read(struct file *file, int64_t i, struct txn_end *out) {
    uint8_t entry[TXN_INDEX_ENTRY];
    int64_t got = file_read_at(file, entry, sizeof(entry), i * TXN_INDEX_ENTRY);
    if (got < (int64_t)sizeof(entry)) {
        return got < 0 ? (int)got : 0;
    }
    *out = (struct txn_end){
        .ended = true,
        .aborted = true,
        .producer_id = (int64_t)load_be64(entry + 2),
        .first_offset = (int64_t)load_be64(entry + 10),
        .last_offset = (int64_t)load_be64(entry + 18),
        .last_stable_offset = (int64_t)load_be64(entry + 26),
    };
    bool sane = load_be16(entry) == 0 && out->producer_id >= 0 && out->first_offset >= 0 &&
                out->last_offset >= out->first_offset;
    return sane ? 1 : -EBADMSG;
}

int txn_index_cut(struct machine *machine, const char *dir, int64_t base_offset,
                  int64_t end_offset) {
    struct file *file = NULL;
    int result = txn_index_open(machine, dir, base_offset, &file);
    if (result != 0) {
        return result == -ENOENT ? 0 : result;
    }
    int64_t kept = 0;
    struct txn_end entry = {0};
    do {
        result = txn_index_read(file, kept, &entry);
        kept++;
    } while (result == 1 && entry.last_offset < end_offset);
    if (result >= 0 || result == -EBADMSG) {
        result = file_truncate(file, (kept - 1) * TXN_INDEX_ENTRY);
    }
    file_unref(file);
    return result;
}
