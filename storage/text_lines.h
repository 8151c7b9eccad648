/* Reading the small text files of a log directory: lines, and words parted by blanks. */
#ifndef STORAGE_TEXT_LINES_H
#define STORAGE_TEXT_LINES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

/* Takes the next line (without its end, "\n" or "\r\n") off the text; false at the end. */
bool text_next_line(struct slice *text, struct slice *line);

/* Takes the next word off the line; false when only blanks are left. */
bool text_next_word(struct slice *line, struct slice *word);

/* The next word as a number in [min, max]. */
bool text_next_number(struct slice *line, int64_t min, int64_t max, int64_t *out);

/* Whether only blanks are left. */
bool text_at_end(struct slice line);

/* The two lines that checkpoints begin with: version 0 and the number of entries. */
bool text_checkpoint_header(struct slice *text, int64_t *count);

#endif
