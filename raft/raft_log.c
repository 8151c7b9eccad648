#include "raft/raft_log.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static void add_epoch(struct raft_log *log, int32_t epoch, int64_t offset) {
    if (log->epoch_count == log->epoch_cap) {
        log->epoch_cap = log->epoch_cap == 0 ? 8 : log->epoch_cap * 2;
        log->epochs = xrealloc(log->epochs, (size_t)log->epoch_cap * sizeof(*log->epochs));
    }
    log->epochs[log->epoch_count++] = (struct raft_epoch_start){epoch, offset};
}

static void add_voters(struct raft_log *log, int64_t offset, const struct raft_voters *voters) {
    if (log->voters_count == log->voters_cap) {
        log->voters_cap = log->voters_cap == 0 ? 4 : log->voters_cap * 2;
        log->voters = xrealloc(log->voters, (size_t)log->voters_cap * sizeof(*log->voters));
    }
    log->voters[log->voters_count++] = (struct raft_voters_at){offset, *voters};
}

void raft_log_init(struct raft_log *log, const struct raft_stored *stored) {
    memset(log, 0, sizeof(*log));
    ASSERT(stored->end_offset >= stored->start.offset);
    log->start = stored->start;
    log->end_offset = stored->end_offset;
    log->synced_offset = stored->end_offset;
    log->high_watermark = stored->start.offset;
    for (int i = 0; i < stored->epoch_count; i++) {
        add_epoch(log, stored->epochs[i].epoch, stored->epochs[i].offset);
    }
    add_voters(log, -1, &stored->voters);
    for (int i = 0; i < stored->voter_record_count; i++) {
        add_voters(log, stored->voter_records[i].offset, &stored->voter_records[i].voters);
    }
}

void raft_log_release(struct raft_log *log) {
    free(log->epochs);
    free(log->voters);
}

struct raft_position raft_log_last(const struct raft_log *log) {
    int32_t epoch =
        log->epoch_count == 0 ? log->start.epoch : log->epochs[log->epoch_count - 1].epoch;
    return (struct raft_position){.offset = log->end_offset, .epoch = epoch};
}

void raft_log_append(struct raft_log *log, int32_t epoch, int64_t count,
                     const struct raft_voters *voters) {
    ASSERT(count > 0 && epoch >= raft_log_last(log).epoch);
    if (log->epoch_count == 0 || log->epochs[log->epoch_count - 1].epoch < epoch) {
        add_epoch(log, epoch, log->end_offset);
    }
    if (voters != NULL) {
        add_voters(log, log->end_offset, voters);
    }
    log->end_offset += count;
}

void raft_log_truncate(struct raft_log *log, int64_t offset) {
    ASSERT(offset >= log->start.offset && offset <= log->end_offset);
    while (log->epoch_count > 0 && log->epochs[log->epoch_count - 1].offset >= offset) {
        log->epoch_count--;
    }
    while (log->voters_count > 1 && log->voters[log->voters_count - 1].offset >= offset) {
        log->voters_count--;
    }
    log->end_offset = offset;
    log->synced_offset = log->synced_offset < offset ? log->synced_offset : offset;
    log->generation++;
}

void raft_log_reset(struct raft_log *log, struct raft_position start,
                    const struct raft_voters *voters) {
    log->start = start;
    log->end_offset = start.offset;
    log->synced_offset = start.offset;
    log->high_watermark = start.offset;
    log->epoch_count = 0;
    log->voters_count = 0;
    log->generation++;
    add_voters(log, -1, voters);
}

void raft_log_cut_start(struct raft_log *log, struct raft_position start) {
    ASSERT(start.offset >= log->start.offset && start.offset <= log->high_watermark);
    log->start = start;
    int drop = 0; /* epochs that end at or before the new start */
    while (drop < log->epoch_count &&
           (drop + 1 < log->epoch_count ? log->epochs[drop + 1].offset : log->end_offset) <=
               start.offset) {
        drop++;
    }
    log->epoch_count -= drop;
    memmove(log->epochs, log->epochs + drop, (size_t)log->epoch_count * sizeof(*log->epochs));
    if (log->epoch_count > 0 && log->epochs[0].offset < start.offset) {
        log->epochs[0].offset = start.offset;
    }
    drop = 0; /* voter sets that the snapshot holds, but the newest of them */
    while (drop + 1 < log->voters_count && log->voters[drop + 1].offset < start.offset) {
        drop++;
    }
    log->voters_count -= drop;
    memmove(log->voters, log->voters + drop, (size_t)log->voters_count * sizeof(*log->voters));
    log->voters[0].offset = -1;
}

struct raft_position raft_log_end_of_epoch(const struct raft_log *log, int32_t epoch) {
    int64_t end = log->end_offset;
    for (int i = log->epoch_count - 1; i >= 0; i--) {
        if (log->epochs[i].epoch <= epoch) {
            return (struct raft_position){.offset = end, .epoch = log->epochs[i].epoch};
        }
        end = log->epochs[i].offset;
    }
    return log->start;
}

const struct raft_voters *raft_log_voters(const struct raft_log *log) {
    return &log->voters[log->voters_count - 1].voters;
}

const struct raft_voters *raft_log_voters_before(const struct raft_log *log) {
    int newest = log->voters_count - 1;
    return newest > 0 && log->voters[newest].offset >= log->high_watermark
               ? &log->voters[newest - 1].voters
               : NULL;
}
