/* Columns of text for people: each as wide as its widest cell, two blanks between. */
#ifndef TOOLS_CLI_TABLE_H
#define TOOLS_CLI_TABLE_H

#include <stdbool.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/slice.h"

struct table {
    struct arena arena;
    const char **cells; /* heap; row by row */
    size_t cell_count;
    size_t columns;
};

/* titles: `columns` of them, constant. */
void table_init(struct table *table, const char *const *titles, size_t columns);
void table_release(struct table *table);

/* The next cell, left to right and row by row. */
void table_printf(struct table *table, const char *format, ...) PRINTF_LIKE(2, 3);
void table_slice(struct table *table, struct slice text); /* null: "-" */

void table_print(const struct table *table, FILE *out);

#endif
