/*
 * A whole configuration: a file and an override, checked, put together, and taken apart into
 * listeners and topics. A refusal says why.
 *
 * Input: the file; behind a NUL: the override.
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
