/*
 * meta.properties: Java properties text. Lines of key=value; '#' and '!' begin comments; '\'
 * escapes. Version 1 has cluster.id, node.id and directory.id; version 0, of older releases,
 * broker.id and perhaps cluster.id.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "runtime/file.h"
#include "storage/log_dir.h"
#include "storage/paths.h"
#include "storage/text_formats.h"
#include "storage/text_lines.h"

#define META_PROPERTIES     "meta.properties"
#define META_PROPERTIES_MAX (64 << 10)
#define PROPERTY_MAX        256

struct property {
    char key[PROPERTY_MAX];
    char value[PROPERTY_MAX];
};

static bool is_space(uint8_t c) {
    return c == ' ' || c == '\t' || c == '\f';
}

static bool is_end_of_key(uint8_t c) {
    return c == '=' || c == ':' || is_space(c);
}

/* Copies up to an unescaped end (of the key, or of the line), undoing escapes; false when it is
 * too long. \uXXXX is kept as it stands: none of our values has any. */
static bool take_text(struct slice *line, bool key, char out[PROPERTY_MAX]) {
    size_t len = 0;
    size_t i = 0;
    for (; i < line->len && !(key && is_end_of_key(line->data[i])); i++) {
        if (line->data[i] == '\\' && i + 1 < line->len && line->data[i + 1] != 'u') {
            i++;
        }
        if (len + 1 >= PROPERTY_MAX || line->data[i] == 0) {
            return false;
        }
        out[len++] = (char)line->data[i];
    }
    out[len] = '\0';
    *line = slice_make(line->data + i, line->len - i);
    return true;
}

static void skip_space(struct slice *line) {
    while (line->len > 0 && is_space(line->data[0])) {
        *line = slice_make(line->data + 1, line->len - 1);
    }
}

static bool parse_property(struct slice line, struct property *out) {
    if (!take_text(&line, true, out->key)) {
        return false;
    }
    skip_space(&line);
    if (line.len > 0 && (line.data[0] == '=' || line.data[0] == ':')) {
        line = slice_make(line.data + 1, line.len - 1);
        skip_space(&line);
    }
    return take_text(&line, false, out->value);
}

static bool parse_int(const char *text, int64_t max, int64_t *out) {
    return slice_parse_i64(slice_str(text), out) && *out >= 0 && *out <= max;
}

/* False when the value of a key that matters is nonsense. Others are ignored. */
static bool apply_property(const struct property *property, struct meta_properties *out,
                           int64_t *version) {
    int64_t number = 0;
    if (strcmp(property->key, "version") == 0) {
        return parse_int(property->value, 1, version);
    }
    if (strcmp(property->key, "node.id") == 0 || strcmp(property->key, "broker.id") == 0) {
        bool good = parse_int(property->value, INT32_MAX, &number);
        out->node_id = (int32_t)number;
        return good;
    }
    if (strcmp(property->key, "cluster.id") == 0) {
        int len = snprintf(out->cluster_id, sizeof(out->cluster_id), "%s", property->value);
        return len > 0 && (size_t)len < sizeof(out->cluster_id);
    }
    if (strcmp(property->key, "directory.id") == 0) {
        return uuid_parse(slice_str(property->value), &out->directory_id);
    }
    return true;
}

static int parse(struct slice text, const char *path, struct meta_properties *out,
                 struct errmsg *errmsg) {
    int64_t version = -1;
    struct slice line;
    for (int number = 1; text_next_line(&text, &line); number++) {
        struct property property;
        skip_space(&line);
        if (line.len == 0 || line.data[0] == '#' || line.data[0] == '!') {
            continue;
        }
        if (!parse_property(line, &property) || !apply_property(&property, out, &version)) {
            errmsg_set(errmsg, "%s line %d is not understood: %.*s", path, number,
                       line.len < 80 ? (int)line.len : 80, (const char *)line.data);
            return -EINVAL;
        }
    }
    if (version == -1) {
        errmsg_set(errmsg, "%s has no version", path);
        return -EINVAL;
    }
    if (version == 1 && (out->node_id == -1 || out->cluster_id[0] == '\0')) {
        errmsg_set(errmsg, "%s lacks %s", path, out->node_id == -1 ? "node.id" : "cluster.id");
        return -EINVAL;
    }
    return 0;
}

int meta_properties_parse(struct slice text, const char *path, struct meta_properties *out,
                          struct errmsg *errmsg) {
    *out = (struct meta_properties){.node_id = -1};
    return parse(text, path, out, errmsg);
}

int meta_properties_read(struct machine *machine, const char *dir, struct meta_properties *out,
                         struct errmsg *errmsg) {
    struct path path;
    path_join(&path, dir, META_PROPERTIES);
    *out = (struct meta_properties){.node_id = -1};
    uint8_t *bytes = NULL;
    size_t len = 0;
    int result = file_read_all(machine, path.text, META_PROPERTIES_MAX, &bytes, &len);
    if (result != 0) {
        errmsg_set(errmsg, "cannot read %s: %s", path.text, strerror(-result));
        return result;
    }
    result = meta_properties_parse(slice_make(bytes, len), path.text, out, errmsg);
    free(bytes);
    return result;
}

static void put_escaped(struct buffer *out, const char *value) {
    for (const char *p = value; *p != '\0'; p++) {
        if (strchr(":=#!\\", *p) != NULL || (*p == ' ' && p == value)) {
            buffer_put_u8(out, '\\');
        }
        buffer_put_u8(out, (uint8_t)*p);
    }
}

int meta_properties_write(struct machine *machine, const char *dir,
                          const struct meta_properties *meta) {
    struct path path;
    path_join(&path, dir, META_PROPERTIES);
    struct buffer text;
    buffer_init(&text, META_PROPERTIES_MAX);
    buffer_append_str(&text, "#\n");
    if (meta->cluster_id[0] != '\0') {
        buffer_append_str(&text, "cluster.id=");
        put_escaped(&text, meta->cluster_id);
        buffer_put_u8(&text, '\n');
    }
    if (!uuid_is_zero(meta->directory_id)) {
        char id[UUID_TEXT_LEN + 1];
        buffer_printf(&text, "directory.id=%s\n", uuid_format(meta->directory_id, id));
    }
    buffer_printf(&text, "node.id=%" PRId32 "\nversion=1\n", meta->node_id);
    int result = file_replace(machine, path.text, buffer_slice(&text));
    buffer_release(&text);
    return result;
}
