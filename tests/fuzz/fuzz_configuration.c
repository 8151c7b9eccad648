/* server.properties: any text, read as properties; each value checked against every key's rule. */
#include <stdlib.h>

#include "broker/config/config_value.h"
#include "broker/config/properties.h"
#include "broker/metadata/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_value(int8_t resource_type, struct slice name, struct slice value) {
    const struct config_key_table *table = config_key_table(resource_type);
    int found = config_key_find(table, name);
    if (found >= 0) {
        union config_number number;
        (void)config_value_check(&table->keys[found], value, &number);
    }
    struct slice rest = value;
    struct slice entry;
    while (config_list_next(&rest, &entry)) {
        ASSERT(entry.len <= value.len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena arena;
    arena_init(&arena, 64 * size + 65536);
    struct properties properties;
    properties_init(&properties, slice_make(data, size));
    struct slice key, value;
    struct errmsg errmsg;
    while (properties_next(&properties, &arena, &key, &value, &errmsg) == 1) {
        check_value(CONFIG_RESOURCE_BROKER, key, value);
        check_value(CONFIG_RESOURCE_TOPIC, key, value);
    }
    arena_release(&arena);
    return 0;
}
