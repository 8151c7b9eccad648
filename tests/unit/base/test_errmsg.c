#include <criterion/criterion.h>
Test(errmsg, placeholder_to_be_written) { }
