#include <criterion/criterion.h>

#include "base/buffer.h"

Test(buffer, integers_are_big_endian) {
    struct buffer buffer;
    buffer_init(&buffer, SIZE_MAX);
    buffer_put_u8(&buffer, 0x01);
    buffer_put_be16(&buffer, 0x0203);
    buffer_put_be32(&buffer, 0x04050607);
    buffer_put_be64(&buffer, UINT64_C(0x08090a0b0c0d0e0f));
    cr_assert_eq(buffer.len, 15);
    for (size_t i = 0; i < 15; i++) {
        cr_assert_eq(buffer.data[i], i + 1);
    }
    cr_assert_eq(load_be16(buffer.data + 1), 0x0203);
    cr_assert_eq(load_be32(buffer.data + 3), 0x04050607);
    cr_assert_eq(load_be64(buffer.data + 7), UINT64_C(0x08090a0b0c0d0e0f));
    buffer_release(&buffer);
}

Test(buffer, contents_survive_growth) {
    struct buffer buffer;
    buffer_init(&buffer, SIZE_MAX);
    for (uint32_t i = 0; i < 10000; i++) {
        buffer_put_be32(&buffer, i);
    }
    for (uint32_t i = 0; i < 10000; i++) {
        cr_assert_eq(load_be32(buffer.data + 4 * i), i);
    }
    buffer_release(&buffer);
}

Test(buffer, the_maximum_is_exact_and_failure_is_sticky) {
    struct buffer buffer;
    buffer_init(&buffer, 10);
    buffer_append(&buffer, "0123456789", 10);
    cr_assert_not(buffer.failed);
    buffer_put_u8(&buffer, 'x');
    cr_assert(buffer.failed);
    cr_assert_eq(buffer.len, 10);
    buffer_reset(&buffer);
    cr_assert_not(buffer.failed);
    buffer_append(&buffer, "0123456789x", 11);
    cr_assert(buffer.failed);
    buffer_put_u8(&buffer, 'x'); /* would fit, but something is missing before it */
    cr_assert_eq(buffer.len, 0);
    cr_assert_null(buffer_extend(&buffer, 1));
    buffer_release(&buffer);
}

Test(buffer, a_length_that_would_overflow_is_refused) {
    struct buffer buffer;
    buffer_init(&buffer, 100);
    buffer_put_u8(&buffer, 1);
    cr_assert_null(buffer_extend(&buffer, SIZE_MAX));
    cr_assert(buffer.failed);
    buffer_release(&buffer);
}

Test(buffer, an_empty_buffer_is_an_empty_slice_not_null) {
    struct buffer buffer;
    buffer_init(&buffer, 0);
    buffer_append(&buffer, NULL, 0);
    buffer_append_slice(&buffer, SLICE_NULL);
    cr_assert_not(buffer.failed);
    cr_assert_not(slice_is_null(buffer_slice(&buffer)));
    cr_assert_eq(buffer_slice(&buffer).len, 0);
    buffer_release(&buffer);
    buffer_release(&buffer);
}

Test(buffer, formatted_text_is_appended_without_its_nul) {
    struct buffer buffer;
    buffer_init(&buffer, SIZE_MAX);
    buffer_append_str(&buffer, "a");
    buffer_printf(&buffer, "%d-%s", 42, "b");
    cr_assert(slice_equal_str(buffer_slice(&buffer), "a42-b"));
    buffer_release(&buffer);
}
