#include <criterion/criterion.h>
Test(hmap, placeholder_to_be_written) { }
