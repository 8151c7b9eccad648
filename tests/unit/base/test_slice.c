#include <criterion/criterion.h>
Test(slice, placeholder_to_be_written) { }
