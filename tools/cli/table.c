#include "tools/cli/table.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

#include "base/memory.h"

#define GAP 2

void table_init(struct table *table, const struct column *columns, size_t count) {
    *table = (struct table){.columns = columns, .column_count = count};
    arena_init(&table->arena, SIZE_MAX);
}

void table_release(struct table *table) {
    for (size_t i = 0; i < table->cell_count; i++) {
        json_decref(table->cells[i].value);
    }
    free(table->cells);
    arena_release(&table->arena);
}

static void add(struct table *table, const char *text, json_t *value) {
    if ((table->cell_count & (table->cell_count - 1)) == 0) {
        size_t cap = table->cell_count == 0 ? 16 : table->cell_count * 2;
        table->cells = xrealloc(table->cells, cap * sizeof(*table->cells));
    }
    table->cells[table->cell_count++] = (struct table_cell){text, value};
}

json_t *slice_json(struct slice text) {
    return slice_is_null(text) ? json_null() : json_stringn((const char *)text.data, text.len);
}

void table_slice(struct table *table, struct slice text) {
    add(table, slice_is_null(text) ? "-" : (const char *)arena_dup(&table->arena, text).data,
        slice_json(text));
}

void table_number(struct table *table, int64_t number) {
    table_cell(table, json_integer(number), "%" PRId64, number);
}

void table_number_if(struct table *table, bool known, int64_t number) {
    if (known) {
        table_number(table, number);
    } else {
        table_slice(table, SLICE_NULL);
    }
}

void table_cell(struct table *table, json_t *value, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    add(table, (const char *)arena_dup(&table->arena, slice_str(text)).data, value);
}

void table_value(struct table *table, json_t *value) {
    add(table, "", value);
}

/* Characters, not bytes. */
static size_t width(const char *text) {
    size_t n = 0;
    for (; *text != '\0'; text++) {
        n += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return n;
}

/* row NULL: the titles. */
static void print_row(const struct table *table, const struct table_cell *row, const size_t *widths,
                      FILE *out) {
    size_t blanks = 0;
    for (size_t i = 0; i < table->column_count; i++) {
        if (table->columns[i].title == NULL) {
            continue;
        }
        const char *text = row != NULL ? row[i].text : table->columns[i].title;
        fprintf(out, "%*s%s", (int)blanks, "", text);
        blanks = widths[i] - width(text) + GAP;
    }
    fputc('\n', out);
}

void table_print(const struct table *table, FILE *out) {
    size_t *widths = xcalloc(table->column_count, sizeof(*widths));
    for (size_t i = 0; i < table->column_count; i++) {
        widths[i] = table->columns[i].title != NULL ? width(table->columns[i].title) : 0;
    }
    for (size_t i = 0; i < table->cell_count; i++) {
        size_t *widest = &widths[i % table->column_count];
        size_t w = width(table->cells[i].text);
        *widest = w > *widest ? w : *widest;
    }
    print_row(table, NULL, widths, out);
    for (size_t i = 0; i < table->cell_count; i += table->column_count) {
        print_row(table, &table->cells[i], widths, out);
    }
    free(widths);
}

json_t *table_json(const struct table *table) {
    json_t *rows = json_array();
    json_t *row = NULL;
    for (size_t i = 0; i < table->cell_count; i++) {
        const struct column *column = &table->columns[i % table->column_count];
        if (column == table->columns) {
            row = json_object();
            json_array_append_new(rows, row);
        }
        if (column->key != NULL && table->cells[i].value != NULL) {
            json_object_set(row, column->key, table->cells[i].value);
        }
    }
    return rows;
}
