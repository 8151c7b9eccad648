#include "storage/text_lines.h"

bool text_next_line(struct slice *text, struct slice *line) {
    if (text->len == 0) {
        return false;
    }
    const uint8_t *end = memchr(text->data, '\n', text->len);
    size_t len = end == NULL ? text->len : (size_t)(end - text->data);
    size_t taken = end == NULL ? len : len + 1;
    *line = slice_make(text->data, len > 0 && text->data[len - 1] == '\r' ? len - 1 : len);
    *text = slice_make(text->data + taken, text->len - taken);
    return true;
}

static bool is_blank(uint8_t c) {
    return c == ' ' || c == '\t' || c == '\r';
}

bool text_next_word(struct slice *line, struct slice *word) {
    size_t start = 0;
    while (start < line->len && is_blank(line->data[start])) {
        start++;
    }
    size_t end = start;
    while (end < line->len && !is_blank(line->data[end])) {
        end++;
    }
    *word = slice_make(line->data + start, end - start);
    *line = slice_make(line->data + end, line->len - end);
    return word->len > 0;
}

bool text_next_number(struct slice *line, int64_t min, int64_t max, int64_t *out) {
    struct slice word;
    return text_next_word(line, &word) && slice_parse_i64(word, out) && *out >= min && *out <= max;
}

bool text_at_end(struct slice line) {
    struct slice word;
    return !text_next_word(&line, &word);
}

bool text_checkpoint_header(struct slice *text, int64_t *count) {
    struct slice line;
    int64_t version = 0;
    return text_next_line(text, &line) && text_next_number(&line, 0, 0, &version) &&
           text_at_end(line) && text_next_line(text, &line) &&
           text_next_number(&line, 0, INT32_MAX, count) && text_at_end(line);
}
