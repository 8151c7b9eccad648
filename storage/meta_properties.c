/*
 * meta.properties and .kafka_cleanshutdown: who a log dir belongs to, and how it was left.
 *
 * meta.properties is Java-properties text. Kafka writes version 1; version 0 is of the ZooKeeper
 * era (broker.id) and still readable.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "runtime/file.h"
#include "storage/log_dir.h"
#include "storage/paths.h"

#define FILE_META_PROPERTIES "meta.properties"
#define FILE_CLEAN_SHUTDOWN  ".kafka_cleanshutdown"

/* Far above what Kafka writes; what is larger is some other file. */
#define SMALL_FILE_MAX ((size_t)64 * 1024)

#define CLEAN_SHUTDOWN_PREFIX "{\"version\":0,\"brokerEpoch\":"

/* ---- The text -------------------------------------------------------------------------------- */

static bool is_blank(uint8_t c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\f';
}

static struct slice trim(struct slice s) {
    while (s.len > 0 && is_blank(s.data[0])) {
        s = slice_make(s.data + 1, s.len - 1);
    }
    while (s.len > 0 && is_blank(s.data[s.len - 1])) {
        s.len--;
    }
    return s;
}

/* Cuts the next line off `text`; false at the end. */
static bool next_line(struct slice *text, struct slice *line) {
    if (text->len == 0) {
        return false;
    }
    const uint8_t *end = memchr(text->data, '\n', text->len);
    size_t len = end == NULL ? text->len : (size_t)(end - text->data);
    *line = trim(slice_make(text->data, len));
    size_t used = end == NULL ? len : len + 1;
    *text = slice_make(text->data + used, text->len - used);
    return true;
}

/* Copies a value without its backslashes; false when it does not fit. */
static bool unescape(struct slice value, char *out, size_t size) {
    size_t len = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] == '\\' && i + 1 < value.len) {
            i++;
        }
        if (len + 1 >= size || value.data[i] == '\0') {
            return false;
        }
        out[len++] = (char)value.data[i];
    }
    out[len] = '\0';
    return true;
}

static bool parse_entry(struct meta_properties *out, struct slice key, const char *value,
                        int64_t *version) {
    struct slice text = slice_str(value);
    int64_t number;
    if (slice_equal_str(key, "version")) {
        return slice_parse_i64(text, version);
    }
    if (slice_equal_str(key, "node.id") || slice_equal_str(key, "broker.id")) {
        if (!slice_parse_i64(text, &number) || number < 0 || number > INT32_MAX) {
            return false;
        }
        out->node_id = (int32_t)number;
        return true;
    }
    if (slice_equal_str(key, "cluster.id")) {
        return text.len < sizeof(out->cluster_id) &&
               memcpy(out->cluster_id, value, text.len + 1) != NULL;
    }
    if (slice_equal_str(key, "directory.id")) {
        return uuid_parse(text, &out->directory_id);
    }
    return true; /* keys of other releases carry nothing that is needed here */
}

static int meta_properties_parse(struct slice text, struct meta_properties *out,
                                 struct errmsg *errmsg) {
    *out = (struct meta_properties){.node_id = -1};
    int64_t version = -1;
    struct slice line;
    for (int number = 1; next_line(&text, &line); number++) {
        if (line.len == 0 || line.data[0] == '#' || line.data[0] == '!') {
            continue;
        }
        const uint8_t *separator = memchr(line.data, '=', line.len);
        size_t key_len = separator == NULL ? line.len : (size_t)(separator - line.data);
        struct slice key = trim(slice_make(line.data, key_len));
        struct slice rest =
            trim(separator == NULL ? slice_make("", 0)
                                   : slice_make(separator + 1, line.len - key_len - 1));
        char value[sizeof(out->cluster_id)];
        if (separator == NULL || !unescape(rest, value, sizeof(value)) ||
            !parse_entry(out, key, value, &version)) {
            errmsg_set(errmsg, "line %d of " FILE_META_PROPERTIES " makes no sense: %.*s", number,
                       SLICE_ARG(line));
            return -EINVAL;
        }
    }
    if (version != 0 && version != 1) {
        errmsg_set(errmsg, FILE_META_PROPERTIES " has no version that is known (0 or 1)");
        return -EINVAL;
    }
    return 0;
}

int meta_properties_read(struct machine *machine, const char *dir, struct meta_properties *out,
                         struct errmsg *errmsg) {
    struct path path;
    uint8_t *data;
    size_t len;
    int error = file_read_all(machine, path_join(&path, dir, FILE_META_PROPERTIES), SMALL_FILE_MAX,
                              &data, &len);
    if (error != 0) {
        errmsg_set(errmsg, "%s: %s", path.text, strerror(-error));
        return error;
    }
    error = meta_properties_parse(slice_make(data, len), out, errmsg);
    if (error != 0) {
        errmsg_prefix(errmsg, "%s", dir);
    }
    free(data);
    return error;
}

static void append_escaped(struct buffer *out, const char *value) {
    for (; *value != '\0'; value++) {
        if (strchr(":=#!\\", *value) != NULL) {
            buffer_put_u8(out, '\\');
        }
        buffer_put_u8(out, (uint8_t)*value);
    }
}

int meta_properties_write(struct machine *machine, const char *dir,
                          const struct meta_properties *meta) {
    char directory_id[UUID_TEXT_LEN + 1];
    struct buffer text;
    buffer_init(&text, SMALL_FILE_MAX);
    buffer_append_str(&text, "#\ncluster.id=");
    append_escaped(&text, meta->cluster_id);
    buffer_printf(&text, "\ndirectory.id=%s\nnode.id=%" PRId32 "\nversion=1\n",
                  uuid_format(meta->directory_id, directory_id), meta->node_id);
    struct path path;
    int error =
        file_replace(machine, path_join(&path, dir, FILE_META_PROPERTIES), buffer_slice(&text));
    buffer_release(&text);
    return error;
}

/* ---- Clean shutdown -------------------------------------------------------------------------- */

/* The number behind "brokerEpoch" in the marker's JSON; -1 when there is none. */
static int64_t marker_epoch(struct slice text) {
    static const char key[] = "\"brokerEpoch\":";
    const uint8_t *at = memmem(text.data, text.len, key, sizeof(key) - 1);
    if (at == NULL) {
        return -1;
    }
    struct slice rest =
        slice_make(at + sizeof(key) - 1, text.len - (size_t)(at - text.data) - (sizeof(key) - 1));
    rest = trim(rest);
    size_t digits = 0;
    while (digits < rest.len &&
           (rest.data[digits] == '-' || (rest.data[digits] >= '0' && rest.data[digits] <= '9'))) {
        digits++;
    }
    int64_t epoch;
    return slice_parse_i64(slice_make(rest.data, digits), &epoch) ? epoch : -1;
}

int clean_shutdown_read(struct machine *machine, const char *dir, bool *clean,
                        int64_t *broker_epoch) {
    struct path path;
    uint8_t *data;
    size_t len;
    *clean = false;
    *broker_epoch = -1;
    int error = file_read_all(machine, path_join(&path, dir, FILE_CLEAN_SHUTDOWN), SMALL_FILE_MAX,
                              &data, &len);
    if (error == -ENOENT) {
        return 0;
    }
    if (error != 0) {
        return error;
    }
    *clean = true;
    *broker_epoch = marker_epoch(slice_make(data, len));
    free(data);
    return 0;
}

int clean_shutdown_write(struct machine *machine, const char *dir, int64_t broker_epoch) {
    char text[sizeof(CLEAN_SHUTDOWN_PREFIX) + 32];
    snprintf(text, sizeof(text), CLEAN_SHUTDOWN_PREFIX "%" PRId64 "}", broker_epoch);
    struct path path;
    return file_replace(machine, path_join(&path, dir, FILE_CLEAN_SHUTDOWN), slice_str(text));
}

int clean_shutdown_remove(struct machine *machine, const char *dir) {
    struct path path;
    int error = path_unlink(machine, path_join(&path, dir, FILE_CLEAN_SHUTDOWN));
    if (error == -ENOENT) {
        return 0;
    }
    return error != 0 ? error : directory_sync(machine, dir);
}
