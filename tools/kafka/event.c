#include "tools/kafka/event.h"

#include <stdio.h>
#include <stdlib.h>

#include "tools/client/client.h"

json_t *kafka_event(const char *name) {
    json_t *event = json_object();
    json_object_set_new(event, "timestamp", json_integer(client_now_ms()));
    json_object_set_new(event, "name", json_string(name));
    return event;
}

json_t *kafka_event_text(struct slice text) {
    if (slice_is_null(text)) {
        return json_null();
    }
    json_t *string = json_stringn((const char *)text.data, text.len);
    if (string == NULL) {
        char *copy = slice_to_cstr(text);
        for (size_t i = 0; i < text.len; i++) {
            copy[i] = (copy[i] & 0x80) != 0 ? '?' : copy[i];
        }
        string = json_stringn(copy, text.len);
        free(copy);
    }
    return string;
}

void kafka_event_print(json_t *event) {
    json_dumpf(event, stdout, JSON_COMPACT);
    putchar('\n');
    fflush(stdout);
    json_decref(event);
}
