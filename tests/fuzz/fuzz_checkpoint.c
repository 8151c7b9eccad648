/* The small text files of a log dir: offset checkpoints, leader epochs, partition.metadata and the
 * marker of a clean shutdown. Any bytes, within a memory limit. */
#include "base/arena.h"
#include "storage/epochs.h"
#include "storage/text_formats.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/machine.h"

static void check_checkpoint(struct slice text) {
    static struct arena arena;
    arena.limit = 64 * text.len + 65536;
    struct checkpoint_entry *entries = NULL;
    int count = 0;
    if (checkpoint_parse(text, &arena, &entries, &count)) {
        for (int i = 0; i < count; i++) {
            ASSERT(entries[i].partition >= 0 && entries[i].offset >= 0 && entries[i].topic.len > 0);
        }
    }
    arena_reset(&arena);
}

/* What was read can be written, read again, and asked. */
static void check_epochs(struct slice text) {
    static struct buffer out;
    struct epochs epochs = {0};
    if (epochs_decode(text, &epochs)) {
        out.max = SIZE_MAX;
        buffer_reset(&out);
        epochs_encode(&epochs, INT64_MAX, &out);
        struct epochs again = {0};
        ASSERT(epochs_decode(buffer_slice(&out), &again) && again.count == epochs.count);
        int32_t latest = epochs_latest(&again);
        for (int i = 0; i < again.count; i++) {
            ASSERT(epochs_of_offset(&again, again.entries[i].start_offset) ==
                   again.entries[i].epoch);
        }
        for (int32_t epoch = latest > 8 ? latest - 8 : 0; epoch < latest; epoch++) {
            int32_t found = -1;
            int64_t end = -1;
            epochs_end_of(&again, epoch, INT64_MAX, &found, &end);
            ASSERT(found <= epoch && IMPLIES(found >= 0, end >= 0));
        }
        epochs_cut_start(&again, 3);
        epochs_cut_end(&again, 100);
        epochs_assign(&again, latest < INT32_MAX ? latest + 1 : latest, 100);
        ASSERT(epochs_latest(&again) >= latest || again.count == 0);
        epochs_release(&again);
    } else {
        ASSERT(epochs.count == 0);
    }
    epochs_release(&epochs);
}

static void check_files(struct slice text) {
    bool clean = false;
    int64_t epoch = 0;
    fuzz_disk_put("d/.kafka_cleanshutdown", text.data, text.len);
    int result = clean_shutdown_read(fuzz_machine(), "d", &clean, &epoch);
    ASSERT(IMPLIES(result == 0, clean && epoch >= -1));
    static struct arena arena;
    arena.limit = SIZE_MAX;
    struct checkpoint_entry *entries = NULL;
    int count = 0;
    fuzz_disk_put("d/" CHECKPOINT_RECOVERY_POINT, text.data, text.len);
    int64_t written_ms = 0;
    result = checkpoint_read(fuzz_machine(), "d", CHECKPOINT_RECOVERY_POINT, &arena, &entries,
                             &count, &written_ms);
    ASSERT(result == 0 && count >= 0);
    arena_reset(&arena);
    fuzz_disk_reset();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice text = fuzz_input(data, size);
    check_checkpoint(text);
    check_epochs(text);
    check_files(text);
    struct uuid topic_id;
    return partition_metadata_parse(text, &topic_id) ? 0 : 0;
}
