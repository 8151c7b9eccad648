/*
 * What a fetch brought: checked to be whole before consensus sees it. A peer may send anything;
 * what is damaged, or cannot be read as metadata records, is not taken, nor is anything behind it.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/memory.h"
#include "broker/quorum/quorum_internal.h"

void fetched_clear(struct fetched *fetched) {
    for (int i = 0; i < fetched->count; i++) {
        metadata_control_release(&fetched->controls[i]);
    }
    fetched->count = 0;
    fetched->id = 0;
    buffer_reset(&fetched->bytes);
}

void fetched_release(struct fetched *fetched) {
    fetched_clear(fetched);
    buffer_release(&fetched->bytes);
    free(fetched->batches);
    free(fetched->ends);
    free(fetched->controls);
    free(fetched->keys);
}

static void grow(struct fetched *fetched) {
    if (fetched->count < fetched->cap) {
        return;
    }
    fetched->cap = fetched->cap == 0 ? 16 : fetched->cap * 2;
    size_t cap = (size_t)fetched->cap;
    fetched->batches = xrealloc(fetched->batches, cap * sizeof(*fetched->batches));
    fetched->ends = xrealloc(fetched->ends, cap * sizeof(*fetched->ends));
    fetched->controls = xrealloc(fetched->controls, cap * sizeof(*fetched->controls));
    fetched->keys = xrealloc(fetched->keys, cap * sizeof(*fetched->keys));
}

static bool values_readable(struct slice bytes, const struct batch *batch) {
    struct arena arena;
    struct record_list values;
    arena_init(&arena, SIZE_MAX);
    record_list_init(&values, &arena);
    bool ok = metadata_values_read(bytes, batch, &values);
    arena_release(&arena);
    return ok;
}

/* Whether the records are whole; notes what control records say. */
static bool check(struct slice bytes, const struct batch *batch, int16_t kraft_max,
                  struct metadata_control *control) {
    *control = METADATA_CONTROL_NONE;
    if (batch->partition_leader_epoch < 0 || batch->record_count <= 0 ||
        batch->record_count - 1 != batch->last_offset_delta) {
        return false;
    }
    if ((batch->attributes & BATCH_ATTR_CONTROL) == 0) {
        return values_readable(bytes, batch);
    }
    bool ok = metadata_control_read(bytes, batch, control) &&
              !(control->has_kraft_version &&
                (control->kraft_version < 0 || control->kraft_version > kraft_max));
    if (!ok) {
        metadata_control_release(control);
    }
    return ok;
}

static bool take_batches(struct fetched *fetched, int16_t kraft_max) {
    struct slice in = buffer_slice(&fetched->bytes);
    struct batch batch;
    while (in.len > 0) {
        enum batch_parse parsed = batch_parse(in, &batch);
        if (parsed == BATCH_INCOMPLETE || (parsed == BATCH_OK && batch_size(&batch) > in.len)) {
            return true; /* cut off where the answer was full */
        }
        struct slice bytes;
        if (parsed != BATCH_OK || metadata_batch_next(&in, &batch, &bytes) != 1) {
            return false;
        }
        grow(fetched);
        struct metadata_control *control = &fetched->controls[fetched->count];
        if (!check(bytes, &batch, kraft_max, control)) {
            return false;
        }
        fetched->batches[fetched->count] = (struct raft_batch){
            .base_offset = batch.base_offset,
            .count = batch.record_count,
            .epoch = batch.partition_leader_epoch,
        };
        fetched->ends[fetched->count] = fetched->bytes.len - in.len;
        fetched->count++;
    }
    return true;
}

bool fetched_set(struct fetched *fetched, uint64_t id, struct slice records, int16_t kraft_max) {
    fetched_clear(fetched);
    fetched->id = id;
    buffer_append_slice(&fetched->bytes, records);
    bool whole = take_batches(fetched, kraft_max);
    for (int i = 0; i < fetched->count; i++) {
        if (fetched->controls[i].voters != NULL) {
            voter_set_keys(fetched->controls[i].voters, &fetched->keys[i]);
            fetched->batches[i].voters = &fetched->keys[i];
        }
    }
    return whole;
}
