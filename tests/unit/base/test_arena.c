#include <criterion/criterion.h>
Test(arena, placeholder_to_be_written) { }
