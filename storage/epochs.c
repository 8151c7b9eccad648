#include "storage/epochs.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/hmap.h"
#include "base/memory.h"
#include "storage/text_lines.h"

void epochs_release(struct epochs *epochs) {
    free(epochs->entries);
    *epochs = (struct epochs){0};
}

static void add_entry(struct epochs *epochs, int32_t epoch, int64_t start_offset) {
    if (epochs->count == epochs->cap) {
        epochs->cap = epochs->cap == 0 ? 4 : epochs->cap * 2;
        epochs->entries = xrealloc(epochs->entries, (size_t)epochs->cap * sizeof(*epochs->entries));
    }
    epochs->entries[epochs->count++] =
        (struct epoch_entry){.epoch = epoch, .start_offset = start_offset};
}

void epochs_assign(struct epochs *epochs, int32_t epoch, int64_t start_offset) {
    if (epoch < 0 || epoch <= epochs_latest(epochs)) {
        return;
    }
    while (epochs->count > 0 && epochs->entries[epochs->count - 1].start_offset >= start_offset) {
        epochs->count--;
    }
    add_entry(epochs, epoch, start_offset);
    epochs->dirty = true;
}

void epochs_cut_end(struct epochs *epochs, int64_t end_offset) {
    while (epochs->count > 0 && epochs->entries[epochs->count - 1].start_offset >= end_offset) {
        epochs->count--;
        epochs->dirty = true;
    }
}

void epochs_cut_start(struct epochs *epochs, int64_t start_offset) {
    int drop = 0; /* entries that end at or before start_offset */
    while (drop + 1 < epochs->count && epochs->entries[drop + 1].start_offset <= start_offset) {
        drop++;
    }
    if (drop > 0) {
        epochs->count -= drop;
        memmove(epochs->entries, epochs->entries + drop,
                (size_t)epochs->count * sizeof(*epochs->entries));
        epochs->dirty = true;
    }
    if (epochs->count > 0 && epochs->entries[0].start_offset < start_offset) {
        epochs->entries[0].start_offset = start_offset;
        epochs->dirty = true;
    }
}

int32_t epochs_latest(const struct epochs *epochs) {
    return epochs->count == 0 ? -1 : epochs->entries[epochs->count - 1].epoch;
}

int32_t epochs_of_offset(const struct epochs *epochs, int64_t offset) {
    for (int i = epochs->count - 1; i >= 0; i--) {
        if (epochs->entries[i].start_offset <= offset) {
            return epochs->entries[i].epoch;
        }
    }
    return -1;
}

void epochs_end_of(const struct epochs *epochs, int32_t epoch, int64_t log_end, int32_t *found,
                   int64_t *end_offset) {
    *found = -1;
    *end_offset = -1;
    int32_t latest = epochs_latest(epochs);
    if (epochs->count == 0 || epoch == -1 || epoch > latest) {
        return;
    }
    if (epoch == latest) {
        *found = epoch;
        *end_offset = log_end;
        return;
    }
    if (epoch < epochs->entries[0].epoch) {
        *found = epoch;
        *end_offset = epochs->entries[0].start_offset;
        return;
    }
    int i = 0;
    while (epochs->entries[i + 1].epoch <= epoch) {
        i++;
    }
    *found = epochs->entries[i].epoch;
    *end_offset = epochs->entries[i + 1].start_offset;
}

void epochs_encode(const struct epochs *epochs, int64_t log_end, struct buffer *out) {
    int count = epochs->count;
    while (count > 0 && epochs->entries[count - 1].start_offset >= log_end) {
        count--;
    }
    buffer_printf(out, "0\n%d\n", count);
    for (int i = 0; i < count; i++) {
        buffer_printf(out, "%" PRId32 " %" PRId64 "\n", epochs->entries[i].epoch,
                      epochs->entries[i].start_offset);
    }
}

bool epochs_decode(struct slice text, struct epochs *epochs) {
    epochs_release(epochs);
    uint64_t hash = hash_bytes(text);
    if (text.len == 0) {
        return true;
    }
    int64_t count = 0;
    if (!text_checkpoint_header(&text, &count)) {
        return false;
    }
    struct slice line;
    int64_t last_epoch = -1;
    int64_t last_offset = -1;
    while (text_next_line(&text, &line)) {
        if (text_at_end(line)) {
            continue;
        }
        int64_t epoch = 0;
        int64_t offset = 0;
        if (!text_next_number(&line, last_epoch + 1, INT32_MAX, &epoch) ||
            !text_next_number(&line, last_offset + 1, INT64_MAX, &offset) || !text_at_end(line)) {
            epochs_release(epochs);
            return false;
        }
        add_entry(epochs, (int32_t)epoch, offset);
        last_epoch = epoch;
        last_offset = offset;
    }
    if (epochs->count != count) {
        epochs_release(epochs);
        return false;
    }
    epochs->stored_hash = hash;
    return true;
}

static uint64_t text_hash(const struct epochs *epochs, int64_t log_end) {
    struct buffer text;
    buffer_init(&text, SIZE_MAX);
    epochs_encode(epochs, log_end, &text);
    uint64_t hash = hash_bytes(buffer_slice(&text));
    buffer_release(&text);
    return hash;
}

void epochs_no_checkpoint(struct epochs *epochs) {
    epochs->stored_hash = text_hash(epochs, 0);
}

void epochs_taken(struct epochs *epochs, int64_t log_end) {
    epochs->stored_hash = text_hash(epochs, log_end);
    epochs->dirty = epochs->count > 0 && epochs->entries[epochs->count - 1].start_offset >= log_end;
}

bool epochs_unsaved(const struct epochs *epochs, int64_t log_end) {
    return epochs->dirty && text_hash(epochs, log_end) != epochs->stored_hash;
}
