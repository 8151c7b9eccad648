#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli/table.h"

static const struct column columns[] = {
    {"NAME", "name"}, {"STATE", "up"}, {NULL, "error"}, {"NOTE", NULL}};

static void fill(struct table *table) {
    table_init(table, columns, sizeof(columns) / sizeof(columns[0]));
    table_slice(table, SLICE_LIT("Zürich"));
    table_cell(table, json_true(), "up");
    table_value(table, NULL);
    table_number(table, -7);
    table_slice(table, SLICE_NULL);
    table_cell(table, json_false(), "down since %d", 5);
    table_value(table, json_string("gone"));
    table_number_if(table, false, 7);
}

Test(table, columns_are_as_wide_as_their_widest_cell_in_characters) {
    struct table table;
    char *text;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    fill(&table);
    table_print(&table, out);
    fclose(out);
    cr_assert_str_eq(text, "NAME    STATE         NOTE\n"
                           "Zürich  up            -7\n"
                           "-       down since 5  -\n");
    free(text);
    table_release(&table);
}

Test(table, json_has_the_keys_in_order_and_leaves_out_what_has_no_value) {
    struct table table;
    fill(&table);
    json_t *json = table_json(&table);
    char *text = json_dumps(json, JSON_COMPACT | JSON_PRESERVE_ORDER);
    cr_assert_str_eq(text, "[{\"name\":\"Zürich\",\"up\":true},"
                           "{\"name\":null,\"up\":false,\"error\":\"gone\"}]");
    free(text);
    json_decref(json);
    table_release(&table);
}

Test(table, without_rows_there_are_titles_and_an_empty_array) {
    struct table table;
    char *text;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    table_init(&table, columns, 2);
    table_print(&table, out);
    json_t *json = table_json(&table);
    json_dumpf(json, out, JSON_COMPACT);
    fclose(out);
    cr_assert_str_eq(text, "NAME  STATE\n[]");
    free(text);
    json_decref(json);
    table_release(&table);
}
