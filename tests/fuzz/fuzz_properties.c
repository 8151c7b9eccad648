/*
 * server.properties as text, and values of all keys: any text is entries or an error that says why;
 * each value is checked against the rule of its key in every table.
 */
#include "broker/config/config.h"
#include "broker/config/config_value.h"
#include "broker/config/properties.h"
#include "broker/metadata/image.h"
#include "tests/fuzz/fuzz.h"

static void check_value(int8_t resource_type, struct slice name, struct slice value) {
    const struct config_key_table *table = config_key_table(resource_type);
    int found = table == NULL ? -1 : config_key_find(table, name);
    if (found >= 0 && !slice_is_null(value)) {
        union config_number number;
        bool valid = config_value_check(&table->keys[found], value, &number);
        char allowed[256];
        config_value_describe(&table->keys[found], allowed, sizeof(allowed));
        ASSERT(valid || allowed[0] != '\0');
    }
    struct errmsg errmsg = {""};
    enum kafka_error error = config_validate(resource_type, name, value, &errmsg);
    ASSERT((error == ERROR_NONE) == (errmsg.text[0] == '\0'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct arena arena;
    arena.limit = SIZE_MAX;
    struct properties properties;
    properties_init(&properties, fuzz_input(data, size));
    struct slice key, value;
    struct errmsg errmsg = {""};
    int result;
    while ((result = properties_next(&properties, &arena, &key, &value, &errmsg)) == 1) {
        ASSERT(key.len <= 2 * size && value.len <= 2 * size);
        check_value(CONFIG_RESOURCE_BROKER, key, value);
        check_value(CONFIG_RESOURCE_TOPIC, key, value);
        check_value(CONFIG_RESOURCE_GROUP, key, value);
        check_value(CONFIG_RESOURCE_CLIENT_METRICS, key, value);
        check_value(CONFIG_RESOURCE_BROKER_LOGGER, key, value);
        check_value(CONFIG_RESOURCE_TOPIC, key, value.len == 0 ? SLICE_NULL : value);
        struct slice rest = value;
        struct slice entry;
        while (config_list_next(&rest, &entry)) {
            ASSERT(entry.len <= value.len);
        }
    }
    ASSERT((result == 0) == (errmsg.text[0] == '\0'));
    arena_reset(&arena);
    return 0;
}
