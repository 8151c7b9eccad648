/*
 * Rows of one kind: columns of text for people, each as wide as its widest cell with two blanks
 * between, and JSON for scripts.
 */
#ifndef TOOLS_CLI_TABLE_H
#define TOOLS_CLI_TABLE_H

#include <jansson.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/slice.h"

struct column {
    const char *title; /* NULL: not for people */
    const char *key;   /* NULL: not in the JSON */
};

struct table_cell {
    const char *text;
    json_t *value; /* NULL: this row does not have the key */
};

struct table {
    struct arena arena;
    const struct column *columns;
    size_t column_count;
    struct table_cell *cells; /* heap; row by row */
    size_t cell_count;
};

/* columns: `count` of them, constant. */
void table_init(struct table *table, const struct column *columns, size_t count);
void table_release(struct table *table);

/* The next cell, left to right and row by row. */
void table_slice(struct table *table, struct slice text); /* null: "-" and null */
void table_number(struct table *table, int64_t number);
void table_number_if(struct table *table, bool known, int64_t number); /* else "-" and null */

/* One that people see as another text. The value becomes the table's; NULL: no such key here. */
void table_cell(struct table *table, json_t *value, const char *format, ...) PRINTF_LIKE(3, 4);

/* One that people do not see. */
void table_value(struct table *table, json_t *value);

void table_print(const struct table *table, FILE *out);

/* An array with an object for each row; the caller's. */
json_t *table_json(const struct table *table);

/* A string; null for null. */
json_t *slice_json(struct slice text);

#endif
