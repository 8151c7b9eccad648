/*
 * What another controller answers to a fetch of the metadata log: batches (with their CRCs made
 * right, or as they are), before consensus sees them. What is taken can be read again, and voters
 * are written as they were read.
 *
 * Input: u8 whether CRCs are made right, then the records.
 */
#include <stdlib.h>

#include "broker/quorum/quorum_internal.h"
#include "tests/fuzz/batches.h"
#include "tests/fuzz/fuzz.h"

static void check_voters(const struct voter_set *voters) {
    struct buffer value;
    buffer_init(&value, SIZE_MAX);
    voter_set_encode(voters, &value);
    struct voter_set *again = voter_set_decode(buffer_slice(&value));
    ASSERT(again != NULL && again->count == voters->count);
    struct raft_voters a;
    struct raft_voters b;
    voter_set_keys(voters, &a);
    voter_set_keys(again, &b);
    ASSERT(memcmp(&a, &b, sizeof(a)) == 0);
    voter_set_free(again);
    buffer_release(&value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    uint8_t *copy = fuzz_copy(data + 1, size - 1);
    if (data[0] % 2 == 0) {
        fuzz_fix_crcs(copy, size - 1);
    }
    struct fetched fetched = {0};
    buffer_init(&fetched.bytes, SIZE_MAX);
    (void)fetched_set(&fetched, 7, slice_make(copy, size - 1), 1);
    size_t before = 0;
    for (int i = 0; i < fetched.count; i++) {
        ASSERT(fetched.ends[i] > before && fetched.ends[i] <= fetched.bytes.len);
        before = fetched.ends[i];
        ASSERT(fetched.batches[i].count > 0 && fetched.batches[i].epoch >= 0);
        ASSERT((fetched.batches[i].voters != NULL) == (fetched.controls[i].voters != NULL));
        if (fetched.controls[i].voters != NULL) {
            check_voters(fetched.controls[i].voters);
        }
    }
    fetched_release(&fetched);
    return 0;
}
