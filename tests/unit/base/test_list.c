#include <criterion/criterion.h>
Test(list, placeholder_to_be_written) { }
