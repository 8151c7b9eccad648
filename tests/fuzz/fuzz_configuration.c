/*
 * A whole configuration: a file and an override, checked, put together, and taken apart into
 * listeners and topics. A refusal says why.
 *
 * Input: the file; behind a NUL: the override. The mutator adds lines with keys of the table and
 * values that some key takes, and changes single bytes otherwise.
 */
#include "broker/config/config.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/machine.h"

/* Of a file that is missing. */
static void check_refusal(void) {
    static bool checked;
    struct config *config = NULL;
    struct errmsg errmsg = {""};
    ASSERT(checked ||
           (config_load(fuzz_machine(), "server.properties", NULL, 0, &config, &errmsg) < 0 &&
            errmsg.text[0] != '\0'));
    checked = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char defaults[] = "log.dirs=d\nlisteners=PLAINTEXT://:9092\n";
    static struct buffer text;
    const uint8_t *nul = size == 0 ? NULL : (const uint8_t *)memchr(data, '\0', size);
    size_t file_len = nul == NULL ? size : (size_t)(nul - data);
    check_refusal();
    text.max = SIZE_MAX;
    buffer_reset(&text);
    buffer_append_str(&text, defaults);
    buffer_append(&text, data, file_len);
    fuzz_disk_put("server.properties", text.data, text.len);
    char override[256];
    const char *overrides[] = {override};
    int override_count = 0;
    if (nul != NULL && size - file_len - 1 < sizeof(override)) {
        memcpy(override, nul + 1, size - file_len - 1);
        override[size - file_len - 1] = '\0';
        override_count = 1;
    }
    struct config *config = NULL;
    struct errmsg errmsg = {""};
    int result = config_load(fuzz_machine(), "server.properties", overrides, override_count,
                             &config, &errmsg);
    ASSERT((result == 0) == (errmsg.text[0] == '\0'));
    if (result == 0) {
        ASSERT(config_log_dir_count(config) > 0 && config_listener_count(config) > 0);
        for (int i = 0; i < config_topic_count(config); i++) {
            ASSERT(config_topic_at(config, i)->name.len > 0);
        }
        config_log_warnings(config, fuzz_machine());
        config_free(config);
    }
    fuzz_disk_reset();
    return 0;
}

/* Values that one key or another takes, or almost. */
static const char *const values[] = {
    "",
    "true",
    "0",
    "-1",
    "1",
    "2147483648",
    "9223372036854775807",
    "0.5",
    "1e309",
    "nan",
    "broker,controller",
    "controller",
    "CONTROLLER",
    "PLAINTEXT",
    "PLAINTEXT://:9092,CONTROLLER://:9093",
    "PLAINTEXT://:0,OTHER://127.0.0.1:1",
    "PLAINTEXT://[::1]:9092",
    "auto,OTHER://h:1",
    "CONTROLLER:PLAINTEXT,OTHER:PLAINTEXT",
    "1@a:9093,2@b:9093",
    "a:9093,b:9093",
    "a:1:1;retention.ms=1,b:2",
    "d,e",
    "10.0.0.1:5,h:6",
    "lz4",
    "compact,delete",
};

static size_t append(char *line, size_t len, size_t size, const char *text) {
    size_t more = strlen(text) < size - len ? strlen(text) : size - len;
    memcpy(line + len, text, more);
    return len + more;
}

/* A line for a key of the table, or for a listener's. */
static size_t draw_line(char *line, size_t size, uint64_t *random) {
    const struct config_key *key =
        config_key((enum config_id)(fuzz_random(random) % CONFIG_ID_COUNT));
    size_t len = 0;
    if (fuzz_random(random) % 8 == 0) {
        len = append(line, len, size, "listener.name.other.");
    }
    len = append(line, len, size, key->name);
    len = append(line, len, size, "=");
    const char *value = values[fuzz_random(random) % ARRAY_LEN(values)];
    if (fuzz_random(random) % 4 == 0 && key->default_value != NULL) {
        value = key->default_value;
    }
    size_t begin = len;
    len = append(line, len, size, value);
    if (fuzz_random(random) % 4 == 0) {
        len = begin + LLVMFuzzerMutate((uint8_t *)line + begin, len - begin, size - begin);
    }
    return append(line, len, size, "\n");
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed) {
    uint64_t random = seed;
    if (fuzz_random(&random) % 2 == 0) {
        return LLVMFuzzerMutate(data, size, size_max);
    }
    char line[160];
    size_t len = draw_line(line, sizeof(line), &random);
    size_t at = size == 0 ? 0 : fuzz_random(&random) % size;
    while (at > 0 && data[at - 1] != '\n' && data[at - 1] != '\0') {
        at--; /* to the beginning of a line */
    }
    size_t mutated = fuzz_splice(data, size, size_max, at, 0, line, len);
    return mutated != 0 ? mutated : LLVMFuzzerMutate(data, size, size_max);
}
