/*
 * What members of consumer groups say of themselves: read only to see which topics are still
 * wanted, and in doubt all are. Compared with the message as the tables decode it.
 *
 * Input: the metadata of a member.
 */
#include "broker/group/subscription.h"
#include "protocol/message.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice metadata = fuzz_input(data, size);
    bool contained = subscription_may_contain(metadata, SLICE_LIT("topic"));
    ASSERT(IMPLIES(size < 6, contained));
    ASSERT(IMPLIES(memmem(data, size, "topic", 5) == NULL && contained,
                   subscription_may_contain(metadata, SLICE_LIT("another"))));
    return 0;
}
