/*
 * The text checkpoints of a log dir (version, count, then "topic partition offset" a line) and the
 * marker of a clean shutdown.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "runtime/file.h"
#include "runtime/log.h"
#include "storage/log_dir.h"
#include "storage/paths.h"
#include "storage/text_formats.h"
#include "storage/text_lines.h"

#define CHECKPOINT_MAX     (64 << 20)
#define CLEAN_SHUTDOWN     ".kafka_cleanshutdown"
#define CLEAN_SHUTDOWN_MAX 4096

bool checkpoint_parse(struct slice text, struct arena *arena, struct checkpoint_entry **out,
                      int *count) {
    *out = NULL;
    *count = 0;
    int64_t expected = 0;
    if (text.len == 0) {
        return true;
    }
    /* An entry takes at least "t 0 0\n": the count is checked before it sizes anything. */
    if (!text_checkpoint_header(&text, &expected) || (uint64_t)expected > text.len / 6 + 1) {
        return false;
    }
    struct checkpoint_entry *entries = arena_array(arena, (size_t)expected + 1, sizeof(*entries));
    struct slice line;
    int found = 0;
    while (entries != NULL && text_next_line(&text, &line)) {
        struct slice topic;
        int64_t partition = 0;
        int64_t offset = 0;
        if (text_at_end(line)) {
            continue;
        }
        if (found == expected || !text_next_word(&line, &topic) ||
            !text_next_number(&line, 0, INT32_MAX, &partition) ||
            !text_next_number(&line, 0, INT64_MAX, &offset) || !text_at_end(line)) {
            return false;
        }
        entries[found++] = (struct checkpoint_entry){
            .topic = arena_dup(arena, topic), .partition = (int32_t)partition, .offset = offset};
    }
    if (entries == NULL || found != expected) {
        return false;
    }
    *out = entries;
    *count = found;
    return true;
}

int checkpoint_read(struct machine *machine, const char *dir, const char *name, struct arena *arena,
                    struct checkpoint_entry **out, int *count, int64_t *written_ms) {
    struct path path;
    path_join(&path, dir, name);
    *out = NULL;
    *count = 0;
    uint8_t *bytes = NULL;
    size_t len = 0;
    *written_ms = 0;
    int result = file_read_all(machine, path.text, CHECKPOINT_MAX, &bytes, &len);
    if (result == 0) {
        result = path_mtime_ms(machine, path.text, written_ms);
    }
    if (result != 0) {
        free(bytes);
        return result == -ENOENT ? 0 : result;
    }
    if (!checkpoint_parse(slice_make(bytes, len), arena, out, count)) {
        LOG_WARN(machine, "storage", "checkpoint not understood",
                 "file=%s action=\"taken as empty\"", path.text);
    }
    free(bytes);
    return 0;
}

int checkpoint_write(struct machine *machine, const char *dir, const char *name,
                     const struct checkpoint_entry *entries, int count) {
    struct path path;
    path_join(&path, dir, name);
    struct buffer text;
    buffer_init(&text, CHECKPOINT_MAX);
    buffer_printf(&text, "0\n%d\n", count);
    for (int i = 0; i < count; i++) {
        buffer_append_slice(&text, entries[i].topic);
        buffer_printf(&text, " %" PRId32 " %" PRId64 "\n", entries[i].partition, entries[i].offset);
    }
    int result = text.failed ? -EFBIG : file_replace(machine, path.text, buffer_slice(&text));
    buffer_release(&text);
    return result;
}

/* ---- Clean shutdown -------------------------------------------------------------------------- */

/* The number behind "brokerEpoch": in {"version":0,"brokerEpoch":5}; -1 when it does not say. */
static int64_t find_broker_epoch(struct slice json) {
    struct slice key = SLICE_LIT("\"brokerEpoch\"");
    const uint8_t *at = json.len == 0 ? NULL : memmem(json.data, json.len, key.data, key.len);
    if (at == NULL) {
        return -1;
    }
    const uint8_t *end = json.data + json.len;
    at += key.len;
    while (at < end && (*at == ' ' || *at == ':')) {
        at++;
    }
    const uint8_t *begin = at;
    while (at < end && *at >= '0' && *at <= '9') {
        at++;
    }
    int64_t epoch = -1;
    return slice_parse_i64(slice_make(begin, (size_t)(at - begin)), &epoch) ? epoch : -1;
}

int clean_shutdown_read(struct machine *machine, const char *dir, bool *clean,
                        int64_t *broker_epoch) {
    struct path path;
    uint8_t *bytes = NULL;
    size_t len = 0;
    *clean = false;
    *broker_epoch = -1;
    int result = file_read_all(machine, path_join(&path, dir, CLEAN_SHUTDOWN), CLEAN_SHUTDOWN_MAX,
                               &bytes, &len);
    if (result != 0) {
        return result == -ENOENT ? 0 : result;
    }
    *clean = true;
    *broker_epoch = find_broker_epoch(slice_make(bytes, len));
    free(bytes);
    return 0;
}

int clean_shutdown_write(struct machine *machine, const char *dir, int64_t broker_epoch) {
    struct path path;
    struct buffer text;
    buffer_init(&text, CLEAN_SHUTDOWN_MAX);
    buffer_printf(&text, "{\"version\":0,\"brokerEpoch\":%" PRId64 "}", broker_epoch);
    int result = file_replace(machine, path_join(&path, dir, CLEAN_SHUTDOWN), buffer_slice(&text));
    buffer_release(&text);
    return result;
}

int clean_shutdown_remove(struct machine *machine, const char *dir) {
    struct path path;
    int result = path_unlink(machine, path_join(&path, dir, CLEAN_SHUTDOWN));
    if (result != 0) {
        return result == -ENOENT ? 0 : result;
    }
    /* It must not come back when the power goes after the first append. */
    return directory_sync(machine, dir);
}
