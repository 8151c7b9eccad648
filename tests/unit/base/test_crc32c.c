#include <criterion/criterion.h>
Test(crc32c, placeholder_to_be_written) { }
