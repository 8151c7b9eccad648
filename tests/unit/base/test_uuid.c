#include <criterion/criterion.h>

#include "base/assert.h"
#include "base/uuid.h"

/* As Kafka's Uuid class prints them. */
static const struct {
    uint64_t high;
    uint64_t low;
    const char *text;
} vectors[] = {
    {UINT64_C(0x0000000000000000), UINT64_C(0x0000000000000000), "AAAAAAAAAAAAAAAAAAAAAA"},
    {UINT64_C(0x0000000000000000), UINT64_C(0x0000000000000001), "AAAAAAAAAAAAAAAAAAAAAQ"},
    {UINT64_C(0x0000000000000000), UINT64_C(0x0000000000000063), "AAAAAAAAAAAAAAAAAAAAYw"},
    {UINT64_C(0x0000000000000000), UINT64_C(0x0000000000000064), "AAAAAAAAAAAAAAAAAAAAZA"},
    {UINT64_C(0x0000000000000001), UINT64_C(0x0000000000000000), "AAAAAAAAAAEAAAAAAAAAAA"},
    {UINT64_C(0xffffffffffffffff), UINT64_C(0xffffffffffffffff), "_____________________w"},
    {UINT64_C(0x0123456789abcdef), UINT64_C(0xfedcba9876543210), "ASNFZ4mrze_-3LqYdlQyEA"},
    {UINT64_C(0x8000000000000000), UINT64_C(0x0000000000000001), "gAAAAAAAAAAAAAAAAAAAAQ"},
    {UINT64_C(0xf800000000000000), UINT64_C(0x0000000000000005), "-AAAAAAAAAAAAAAAAAAABQ"},
};

Test(uuid, text_is_that_of_kafka) {
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        struct uuid id = uuid_from_halves(vectors[i].high, vectors[i].low);
        char text[UUID_TEXT_LEN + 1];
        cr_assert_str_eq(uuid_format(id, text), vectors[i].text);
        struct uuid back;
        cr_assert(uuid_parse(slice_str(vectors[i].text), &back));
        cr_assert(uuid_equal(id, back));
    }
}

Test(uuid, only_exact_texts_are_parsed) {
    struct uuid id;
    cr_assert_not(uuid_parse(SLICE_LIT(""), &id));
    cr_assert_not(uuid_parse(SLICE_LIT("AAAAAAAAAAAAAAAAAAAAA"), &id), "too short");
    cr_assert_not(uuid_parse(SLICE_LIT("AAAAAAAAAAAAAAAAAAAAAAA"), &id), "too long");
    cr_assert_not(uuid_parse(SLICE_LIT("AAAAAAAAAAAAAAAAAAAAA="), &id), "padding");
    cr_assert_not(uuid_parse(SLICE_LIT("AAAAAAAAAAAAAAAAAAAA+A"), &id), "plain base64");
    cr_assert_not(uuid_parse(SLICE_LIT("AAAAAAAAAAAAAAAAAAAA/A"), &id), "plain base64");
    cr_assert_not(uuid_parse(SLICE_LIT("AAAAAAAAAAAAAAAAAAAAAB"), &id), "bits beyond the id");
    cr_assert_not(uuid_parse(slice_make("AAAAAAAAAA\0AAAAAAAAAAA", 22), &id), "a NUL");
    cr_assert_not(uuid_parse(SLICE_NULL, &id));
}

Test(uuid, random_ids_carry_their_version) {
    uint8_t ones[16], zeros[16] = {0};
    memset(ones, 0xff, sizeof(ones));
    struct uuid id = uuid_from_random(ones);
    cr_assert_eq(id.bytes[6], 0x4f);
    cr_assert_eq(id.bytes[8], 0xbf);
    id = uuid_from_random(zeros);
    cr_assert_eq(id.bytes[6], 0x40);
    cr_assert_eq(id.bytes[8], 0x80);
    cr_assert_eq(id.bytes[0], 0);
}

Test(uuid, the_ids_that_kafka_keeps_are_known) {
    cr_assert(uuid_is_zero(UUID_ZERO));
    cr_assert(uuid_is_reserved(UUID_ZERO));
    cr_assert(uuid_is_reserved(uuid_from_halves(0, 99)));
    cr_assert_not(uuid_is_reserved(uuid_from_halves(0, 100)));
    cr_assert_not(uuid_is_reserved(uuid_from_halves(1, 0)));
    struct uuid dash = uuid_from_halves(UINT64_C(0xf8) << 56, 5);
    char text[UUID_TEXT_LEN + 1];
    cr_assert_eq(uuid_format(dash, text)[0], '-');
    cr_assert(uuid_is_reserved(dash));
    cr_assert_eq(uuid_hash(dash), uuid_hash(dash));
    cr_assert_neq(uuid_hash(dash), uuid_hash(UUID_ZERO));
}
