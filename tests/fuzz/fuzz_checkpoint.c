/* Offset checkpoints, leader epochs and partition.metadata: any bytes, within a memory limit. */
#include "base/arena.h"
#include "storage/epochs.h"
#include "storage/text_formats.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice text = slice_make(data, size);
    struct arena arena;
    arena_init(&arena, 64 * size + 65536);
    struct checkpoint_entry *entries = NULL;
    int count = 0;
    if (checkpoint_parse(text, &arena, &entries, &count)) {
        for (int i = 0; i < count; i++) {
            ASSERT(entries[i].partition >= 0 && entries[i].offset >= 0 && entries[i].topic.len > 0);
        }
    }
    arena_release(&arena);
    struct epochs epochs = {0};
    if (epochs_decode(text, &epochs)) {
        struct buffer out;
        buffer_init(&out, SIZE_MAX);
        epochs_encode(&epochs, &out);
        struct epochs again = {0};
        ASSERT(epochs_decode(buffer_slice(&out), &again) && again.count == epochs.count);
        epochs_release(&again);
        buffer_release(&out);
    }
    epochs_release(&epochs);
    struct uuid topic_id;
    return partition_metadata_parse(text, &topic_id) ? 0 : 0;
}
