/*
 * Offset checkpoints of a log dir: text of a version (0), a count, and one line "topic partition
 * offset" for each entry.
 *
 * A file that makes no sense is reported and then counts as absent: its log is recovered from the
 * beginning, which costs time and loses nothing.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "runtime/file.h"
#include "runtime/log.h"
#include "storage/log_dir.h"
#include "storage/paths.h"

#define CHECKPOINT_VERSION 0

/* A million partitions. */
#define CHECKPOINT_SIZE_MAX ((size_t)256 * 1024 * 1024)

/* "t 0 0": the shortest line. */
#define CHECKPOINT_LINE_MIN 5

/* Cuts the next word off `text`; words stand between blanks and line ends. */
static bool next_word(struct slice *text, struct slice *word) {
    size_t start = 0;
    while (start < text->len && text->data[start] <= ' ') {
        start++;
    }
    size_t end = start;
    while (end < text->len && text->data[end] > ' ') {
        end++;
    }
    *word = slice_make(text->data + start, end - start);
    *text = slice_make(text->data + end, text->len - end);
    return word->len > 0;
}

static bool next_number(struct slice *text, int64_t max, int64_t *out) {
    struct slice word;
    return next_word(text, &word) && slice_parse_i64(word, out) && *out >= 0 && *out <= max;
}

/* The reason why it makes no sense, or NULL. */
static const char *checkpoint_parse(struct slice text, struct arena *arena,
                                    struct checkpoint_entry **out, int *count) {
    int64_t version, expected;
    if (!next_number(&text, INT32_MAX, &version) || version != CHECKPOINT_VERSION) {
        return "unknown version";
    }
    if (!next_number(&text, INT32_MAX, &expected) ||
        (size_t)expected > text.len / CHECKPOINT_LINE_MIN) {
        return "the number of entries does not fit the file";
    }
    struct checkpoint_entry *entries = arena_array(arena, (size_t)expected, sizeof(*entries));
    if (entries == NULL) {
        return "too many entries";
    }
    for (int64_t i = 0; i < expected; i++) {
        struct slice topic;
        int64_t partition, offset;
        if (!next_word(&text, &topic) || !next_number(&text, INT32_MAX, &partition) ||
            !next_number(&text, INT64_MAX, &offset)) {
            return "an entry is not \"topic partition offset\"";
        }
        entries[i] = (struct checkpoint_entry){
            .topic = arena_dup(arena, topic),
            .partition = (int32_t)partition,
            .offset = offset,
        };
    }
    struct slice more;
    if (next_word(&text, &more)) {
        return "more entries than announced";
    }
    *out = entries;
    *count = (int)expected;
    return NULL;
}

int checkpoint_read(struct machine *machine, const char *dir, const char *name, struct arena *arena,
                    struct checkpoint_entry **out, int *count) {
    *out = NULL;
    *count = 0;
    struct path path;
    uint8_t *data;
    size_t len;
    int error =
        file_read_all(machine, path_join(&path, dir, name), CHECKPOINT_SIZE_MAX, &data, &len);
    if (error == -ENOENT || (error == 0 && len == 0)) {
        if (error == 0) {
            free(data);
        }
        return 0;
    }
    if (error != 0) {
        return error;
    }
    const char *reason = checkpoint_parse(slice_make(data, len), arena, out, count);
    if (reason != NULL) {
        LOG_WARN(machine, "storage", "checkpoint ignored", "path=%s reason=\"%s\"", path.text,
                 reason);
    }
    free(data);
    return 0;
}

int checkpoint_write(struct machine *machine, const char *dir, const char *name,
                     const struct checkpoint_entry *entries, int count) {
    struct buffer text;
    buffer_init(&text, CHECKPOINT_SIZE_MAX);
    buffer_printf(&text, "%d\n%d\n", CHECKPOINT_VERSION, count);
    for (int i = 0; i < count; i++) {
        buffer_printf(&text, "%.*s %" PRId32 " %" PRId64 "\n", SLICE_ARG(entries[i].topic),
                      entries[i].partition, entries[i].offset);
    }
    struct path path;
    int error = text.failed
                    ? -EFBIG
                    : file_replace(machine, path_join(&path, dir, name), buffer_slice(&text));
    buffer_release(&text);
    return error;
}
