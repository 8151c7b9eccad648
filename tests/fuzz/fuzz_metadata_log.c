/*
 * The files of the metadata quorum: snapshots (with their CRCs made right), quorum-state, and the
 * names beside them. A refusal says why.
 *
 * Input: u8 what (and which access to the disk fails), then the file; for names: each behind its
 * length.
 */
#include <stdio.h>

#include "broker/quorum/metadata_snapshot.h"
#include "broker/quorum/quorum_state.h"
#include "tests/fuzz/batches.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/machine.h"

#define DIR "m"

static unsigned fault;

static void read_quorum_state(struct slice file) {
    fuzz_disk_put(DIR "/quorum-state", file.data, file.len);
    struct quorum_state state;
    struct errmsg errmsg = {""};
    fuzz_disk_fail(fault);
    if (quorum_state_read(fuzz_machine(), DIR "/quorum-state", &state, &errmsg) != 0) {
        ASSERT(errmsg.text[0] != '\0');
        return;
    }
    fuzz_disk_fail(0);
    ASSERT(state.leader_epoch >= 0);
    ASSERT(quorum_state_write(fuzz_machine(), DIR "/quorum-state", &state) == 0);
    struct quorum_state again;
    ASSERT(quorum_state_read(fuzz_machine(), DIR "/quorum-state", &again, &errmsg) == 0);
    ASSERT(again.leader_epoch == state.leader_epoch && again.voted_id == state.voted_id);
}

static void read_snapshot(const uint8_t *data, size_t size, bool right) {
    uint8_t *copy = fuzz_copy(data, size);
    if (right) {
        fuzz_fix_crcs(copy, size);
    }
    fuzz_disk_put(DIR "/00000000000000000009-0000000001.checkpoint", copy, size);
    static struct arena arena;
    arena.limit = SIZE_MAX;
    struct record_list values;
    record_list_init(&values, &arena);
    struct metadata_control control = METADATA_CONTROL_NONE;
    int64_t timestamp = 0;
    struct errmsg errmsg = {""};
    fuzz_disk_fail(fault);
    int result = snapshot_read(fuzz_machine(), DIR "/00000000000000000009-0000000001.checkpoint",
                               &values, &control, &timestamp, &errmsg);
    ASSERT((result == 0) == (errmsg.text[0] == '\0'));
    if (result == 0) {
        ASSERT(control.header && control.footer);
        static struct buffer out;
        out.max = SIZE_MAX;
        buffer_reset(&out);
        snapshot_build(values.values, values.count, (struct snapshot_id){9, 1}, timestamp,
                       control.voters, &out);
        ASSERT(out.len > 0);
    }
    metadata_control_release(&control);
    arena_reset(&arena);
}

static void recover_names(struct slice in) {
    fuzz_disk_put(DIR "/quorum-state", "", 0);
    for (int i = 0; i < 8 && in.len > 0; i++) {
        struct slice name = fuzz_take(&in, fuzz_take_u8(&in));
        char path[300];
        if (name.len == 0 || memchr(name.data, '/', name.len) != NULL ||
            memchr(name.data, '\0', name.len) != NULL) {
            continue;
        }
        snprintf(path, sizeof(path), DIR "/%.*s", SLICE_ARG(name));
        fuzz_disk_put(path, "x", 1);
    }
    struct snapshot_list list;
    struct errmsg errmsg = {""};
    fuzz_disk_fail(fault);
    int result = snapshot_recover(fuzz_machine(), DIR, &list, &errmsg);
    ASSERT((result == 0) == (errmsg.text[0] == '\0') && IMPLIES(fault == 0, result == 0));
    if (result == 0 && list.found) {
        ASSERT(list.latest.end_offset >= 0 && list.latest.epoch >= 0);
        result = snapshot_remove_below(fuzz_machine(), DIR, list.latest.end_offset);
        ASSERT(IMPLIES(fault == 0, result == 0));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    fault = data[0] / 4;
    switch (data[0] % 4) {
    case 0:
        read_quorum_state(fuzz_input(data + 1, size - 1));
        break;
    case 1:
        recover_names(fuzz_input(data + 1, size - 1));
        break;
    default:
        read_snapshot(data + 1, size - 1, data[0] % 4 == 2);
        break;
    }
    fuzz_disk_reset();
    return 0;
}
