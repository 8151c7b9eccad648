#include <criterion/criterion.h>
Test(buffer, placeholder_to_be_written) { }
