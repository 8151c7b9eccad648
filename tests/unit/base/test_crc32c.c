#include <criterion/criterion.h>

#include "base/crc32c.h"

Test(crc32c, known_values) {
    uint8_t zeros[32] = {0};
    uint8_t ones[32];
    memset(ones, 0xff, sizeof(ones));
    cr_assert_eq(crc32c("123456789", 9), 0xe3069283);
    cr_assert_eq(crc32c("", 0), 0);
    cr_assert_eq(crc32c(zeros, 32), 0x8a9136aa); /* RFC 3720, B.4 */
    cr_assert_eq(crc32c(ones, 32), 0x62a8ab43);
}

/* The polynomial, bit by bit. */
static uint32_t slow_crc32c(const uint8_t *data, size_t len) {
    uint32_t crc = ~0u;
    for (size_t i = 0; i < len; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ (0x82f63b78u & (0u - (crc & 1)));
        }
    }
    return ~crc;
}

Test(crc32c, every_length_and_alignment_agrees_with_the_definition) {
    uint8_t data[600];
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)(i * 131 + 7);
    }
    for (size_t at = 0; at < 16; at++) {
        for (size_t len = 0; at + len <= sizeof(data); len += 1 + len / 16) {
            cr_assert_eq(crc32c(data + at, len), slow_crc32c(data + at, len));
        }
    }
}

Test(crc32c, extending_is_the_same_as_one_pass) {
    const char *text = "The quick brown fox jumps over the lazy dog";
    size_t len = strlen(text);
    for (size_t cut = 0; cut <= len; cut++) {
        uint32_t head = crc32c(text, cut);
        cr_assert_eq(crc32c_extend(head, text + cut, len - cut), crc32c(text, len));
    }
}
