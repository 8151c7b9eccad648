/* What lies in a log dir: names of partition directories, and moving them out of the way. */
#include "storage/log_dir.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "runtime/file.h"
#include "runtime/machine.h"
#include "storage/paths.h"

#define FILE_LOCK        ".lock"
#define METADATA_DIR     "__cluster_metadata-0"
#define REMOTE_CACHE_DIR "remote-log-index-cache"

#define SUFFIX_DIR_DELETED "-delete"
#define SUFFIX_DIR_FUTURE  "-future"
#define SUFFIX_DIR_STRAY   "-stray"

/* ".<32 hex>" */
#define UNIQUE_LEN 33

#define TOPIC_NAME_MAX 249

/* Of a name in a directory. */
#define FILE_NAME_MAX 255

#define PARTITION_METADATA_MAX ((size_t)4096)

bool topic_name_valid(struct slice name) {
    if (name.len == 0 || name.len > TOPIC_NAME_MAX || slice_equal_str(name, ".") ||
        slice_equal_str(name, "..")) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.data[i];
        bool allowed = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '_' || c == '-';
        if (!allowed) {
            return false;
        }
    }
    return true;
}

static bool partition_name_parse(struct slice name, struct slice *topic, int32_t *partition) {
    size_t dash = name.len;
    while (dash > 0 && name.data[dash - 1] != '-') {
        dash--;
    }
    if (dash < 2 || dash == name.len) {
        return false;
    }
    struct slice digits = slice_make(name.data + dash, name.len - dash);
    int64_t number;
    if (!slice_parse_i64(digits, &number) || number < 0 || number > INT32_MAX) {
        return false;
    }
    *topic = slice_make(name.data, dash - 1);
    *partition = (int32_t)number;
    return topic_name_valid(*topic);
}

bool partition_dir_parse(const char *name, struct slice *topic, int32_t *partition) {
    return partition_name_parse(slice_str(name), topic, partition);
}

/* Takes ".<32 hex><suffix>" off the end; false when it is not there. */
static bool strip_suffix(struct slice *name, const char *suffix) {
    size_t suffix_len = strlen(suffix);
    if (name->len <= suffix_len + UNIQUE_LEN ||
        memcmp(name->data + name->len - suffix_len, suffix, suffix_len) != 0) {
        return false;
    }
    const uint8_t *unique = name->data + name->len - suffix_len - UNIQUE_LEN;
    if (unique[0] != '.') {
        return false;
    }
    for (int i = 1; i < UNIQUE_LEN; i++) {
        bool hex = (unique[i] >= '0' && unique[i] <= '9') || (unique[i] >= 'a' && unique[i] <= 'f');
        if (!hex) {
            return false;
        }
    }
    name->len -= suffix_len + UNIQUE_LEN;
    return true;
}

/* False for a directory that is none of Kafka's. */
static bool classify(const char *name, struct log_dir_entry *out) {
    static const struct {
        const char *suffix;
        enum log_dir_entry_kind kind;
    } kinds[] = {
        {SUFFIX_DIR_DELETED, LOG_DIR_DELETED},
        {SUFFIX_DIR_FUTURE, LOG_DIR_FUTURE},
        {SUFFIX_DIR_STRAY, LOG_DIR_STRAY},
    };
    struct slice base = slice_str(name);
    out->kind = LOG_DIR_PARTITION;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (strip_suffix(&base, kinds[i].suffix)) {
            out->kind = kinds[i].kind;
            break;
        }
    }
    if (out->kind == LOG_DIR_DELETED || out->kind == LOG_DIR_STRAY) {
        return true; /* the topic may have been cut short; nobody needs it */
    }
    return partition_name_parse(base, &out->topic, &out->partition);
}

/* The id in partition.metadata; zero when there is none or it cannot be read. */
static struct uuid read_topic_id(struct machine *machine, const char *dir) {
    static const char key[] = "topic_id:";
    struct path path;
    uint8_t *data;
    size_t len;
    struct uuid id = UUID_ZERO;
    if (file_read_all(machine, path_join(&path, dir, FILE_PARTITION_METADATA),
                      PARTITION_METADATA_MAX, &data, &len) != 0) {
        return id;
    }
    const uint8_t *at = memmem(data, len, key, sizeof(key) - 1);
    if (at != NULL) {
        at += sizeof(key) - 1;
        while (at < data + len && *at == ' ') {
            at++;
        }
        size_t rest = (size_t)(data + len - at);
        if (rest < UUID_TEXT_LEN || !uuid_parse(slice_make(at, UUID_TEXT_LEN), &id)) {
            id = UUID_ZERO;
        }
    }
    free(data);
    return id;
}

int log_dir_list(struct machine *machine, const char *dir, struct arena *arena,
                 struct log_dir_entry **out, int *count, struct errmsg *errmsg) {
    char **names;
    size_t name_count;
    *out = NULL;
    *count = 0;
    int error = directory_list(machine, dir, &names, &name_count);
    if (error != 0) {
        errmsg_set(errmsg, "%s: %s", dir, strerror(-error));
        return error;
    }
    *out = arena_array(arena, name_count, sizeof(**out));
    for (size_t i = 0; i < name_count && error == 0; i++) {
        struct path path;
        enum path_kind kind;
        error = path_kind(machine, path_join(&path, dir, names[i]), &kind);
        if (error != 0) {
            errmsg_set(errmsg, "%s: %s", path.text, strerror(-error));
            break;
        }
        if (kind != PATH_DIRECTORY || strcmp(names[i], METADATA_DIR) == 0 ||
            strcmp(names[i], REMOTE_CACHE_DIR) == 0 || strcmp(names[i], "lost+found") == 0) {
            continue;
        }
        struct log_dir_entry *entry = &(*out)[*count];
        entry->name = (const char *)arena_dup(arena, slice_str(names[i])).data;
        if (!classify(entry->name, entry)) {
            errmsg_set(errmsg,
                       "%s is no directory of a partition (<topic>-<partition>); move it out of "
                       "the log dir",
                       path.text);
            error = -EINVAL;
            break;
        }
        if (entry->kind == LOG_DIR_PARTITION) {
            entry->topic_id = read_topic_id(machine, path.text);
        }
        (*count)++;
    }
    free(names);
    return error;
}

int log_dir_set_aside(struct machine *machine, const char *dir, const char *name,
                      const char *suffix, char **new_path) {
    uint8_t random[16];
    random_fill(machine, random, sizeof(random));
    char unique[UNIQUE_LEN + 1] = ".";
    for (size_t i = 0; i < sizeof(random); i++) {
        snprintf(unique + 1 + 2 * i, 3, "%02x", random[i]);
    }
    struct slice topic;
    int32_t partition;
    if (!partition_dir_parse(name, &topic, &partition)) {
        return -EINVAL;
    }
    /* The topic is cut so that the whole name stays a file name. */
    char number[16];
    snprintf(number, sizeof(number), "-%d", partition);
    size_t rest = strlen(number) + UNIQUE_LEN + strlen(suffix);
    int keep = (int)(topic.len < FILE_NAME_MAX - rest ? topic.len : FILE_NAME_MAX - rest);
    char aside[FILE_NAME_MAX + 1];
    snprintf(aside, sizeof(aside), "%.*s%s%s%s", keep, (const char *)topic.data, number, unique,
             suffix);

    struct path from, to;
    int error = path_rename(machine, path_join(&from, dir, name), path_join(&to, dir, aside));
    if (error == 0) {
        error = directory_sync(machine, dir);
    }
    if (error == 0) {
        *new_path = xstrdup(to.text);
    }
    return error;
}

int log_dir_remove_tree(struct machine *machine, const char *path) {
    char **names;
    size_t count;
    int error = directory_list(machine, path, &names, &count);
    if (error != 0) {
        return error;
    }
    for (size_t i = 0; i < count && error == 0; i++) {
        struct path file;
        enum path_kind kind;
        error = path_kind(machine, path_join(&file, path, names[i]), &kind);
        if (error == 0) {
            error = kind == PATH_DIRECTORY ? log_dir_remove_tree(machine, file.text)
                                           : path_unlink(machine, file.text);
        }
    }
    free(names);
    return error != 0 ? error : path_rmdir(machine, path);
}

int log_dir_lock(struct machine *machine, const char *dir, struct file **out) {
    struct path path;
    return file_lock(machine, path_join(&path, dir, FILE_LOCK), out);
}
