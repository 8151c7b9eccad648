#include <criterion/criterion.h>
Test(uuid, placeholder_to_be_written) { }
