#include <criterion/criterion.h>
#include <stdint.h>

#include "base/arena.h"

Test(arena, memory_is_zeroed_and_aligned) {
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    for (size_t size = 0; size < 3000; size += 7) {
        uint8_t *data = arena_alloc(&arena, size);
        cr_assert_not_null(data);
        cr_assert_eq((uintptr_t)data % 16, 0);
        for (size_t i = 0; i < size; i++) {
            cr_assert_eq(data[i], 0);
        }
        memset(data, 0xff, size); /* a reset must not hand this out again */
        if (size % 350 == 0) {
            arena_reset(&arena);
        }
    }
    arena_release(&arena);
}

Test(arena, allocations_do_not_overlap) {
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    uint8_t *blocks[200];
    for (size_t i = 0; i < 200; i++) {
        blocks[i] = arena_alloc(&arena, 1 + i * 40);
        memset(blocks[i], (int)i, 1 + i * 40);
    }
    for (size_t i = 0; i < 200; i++) {
        for (size_t k = 0; k < 1 + i * 40; k++) {
            cr_assert_eq(blocks[i][k], i);
        }
    }
    arena_release(&arena);
}

Test(arena, the_limit_refuses_and_nothing_else_does) {
    struct arena arena;
    arena_init(&arena, 64);
    cr_assert_not_null(arena_alloc(&arena, 48));
    cr_assert_null(arena_alloc(&arena, 17));
    cr_assert_not_null(arena_alloc(&arena, 16));
    cr_assert_null(arena_alloc(&arena, 1));
    cr_assert_eq(arena.used, 64);
    arena_reset(&arena);
    cr_assert_not_null(arena_alloc(&arena, 64));
    arena_release(&arena);
    cr_assert_not_null(arena_alloc(&arena, 64));
    arena_release(&arena);
}

Test(arena, the_limit_covers_the_lost_ends_of_chunks) {
    struct arena arena;
    arena_init(&arena, 5000);
    cr_assert_not_null(arena_alloc(&arena, 4000)); /* of a chunk of 4096 */
    cr_assert_null(arena_alloc(&arena, 1000));
    cr_assert_not_null(arena_alloc(&arena, 800));
    cr_assert_eq(arena.used, 4096 + 800);
    arena_release(&arena);
}

Test(arena, a_chunk_kept_by_a_reset_costs_the_next_use_nothing) {
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    cr_assert_not_null(arena_alloc(&arena, 100000));
    arena_reset(&arena);
    arena.limit = 65536 + 200000;
    cr_assert_not_null(arena_alloc(&arena, 1000));
    cr_assert_not_null(arena_alloc(&arena, 200000));
    cr_assert_eq(arena.used, 1008 + 200000);
    arena_release(&arena);
}

Test(arena, sizes_that_overflow_are_refused) {
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    cr_assert_null(arena_array(&arena, SIZE_MAX / 8 + 1, 8));
    cr_assert_null(arena_alloc(&arena, SIZE_MAX));
    cr_assert_null(arena_alloc(&arena, SIZE_MAX - 16));
    cr_assert_eq(arena.used, 0);
    arena_release(&arena);
}

Test(arena, copies_end_in_a_nul_and_null_stays_null) {
    struct arena arena;
    arena_init(&arena, 32);
    struct slice copy = arena_dup(&arena, SLICE_LIT("hello"));
    cr_assert_eq(copy.len, 5);
    cr_assert_str_eq((const char *)copy.data, "hello");
    cr_assert(slice_is_null(arena_dup(&arena, SLICE_NULL)));
    cr_assert_not(slice_is_null(arena_dup(&arena, SLICE_LIT(""))));
    cr_assert(slice_is_null(arena_dup(&arena, SLICE_LIT("beyond the limit"))));
    arena_release(&arena);
}

Test(arena, formatted_text_has_any_length) {
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    char *text = arena_printf(&arena, "%5000d|%s", 7, "x");
    cr_assert_eq(strlen(text), 5002);
    cr_assert_str_eq(text + 4999, "7|x");
    arena_release(&arena);
    arena_release(&arena);
}
