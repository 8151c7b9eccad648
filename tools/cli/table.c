#include "tools/cli/table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define GAP 2

static void add(struct table *table, const char *text) {
    if ((table->cell_count & (table->cell_count - 1)) == 0) {
        size_t cap = table->cell_count == 0 ? 16 : table->cell_count * 2;
        table->cells = xrealloc(table->cells, cap * sizeof(*table->cells));
    }
    table->cells[table->cell_count++] = text;
}

void table_init(struct table *table, const char *const *titles, size_t columns) {
    *table = (struct table){.columns = columns};
    arena_init(&table->arena, SIZE_MAX);
    for (size_t i = 0; i < columns; i++) {
        add(table, titles[i]);
    }
}

void table_release(struct table *table) {
    free(table->cells);
    arena_release(&table->arena);
}

void table_printf(struct table *table, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    table_slice(table, slice_str(text));
}

void table_slice(struct table *table, struct slice text) {
    add(table, slice_is_null(text) ? "-" : (const char *)arena_dup(&table->arena, text).data);
}

/* Characters, not bytes. */
static size_t width(const char *text) {
    size_t n = 0;
    for (; *text != '\0'; text++) {
        n += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return n;
}

void table_print(const struct table *table, FILE *out) {
    size_t *widths = xcalloc(table->columns, sizeof(*widths));
    for (size_t i = 0; i < table->cell_count; i++) {
        size_t w = width(table->cells[i]);
        if (w > widths[i % table->columns]) {
            widths[i % table->columns] = w;
        }
    }
    for (size_t i = 0; i < table->cell_count; i++) {
        size_t column = i % table->columns;
        fputs(table->cells[i], out);
        if (column + 1 == table->columns) {
            fputc('\n', out);
        } else {
            fprintf(out, "%*s", (int)(widths[column] - width(table->cells[i]) + GAP), "");
        }
    }
    free(widths);
}
