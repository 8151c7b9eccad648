/* Opening log dirs: identity, locks, what is formatted and what is refused. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "broker/config/config.h"
#include "broker/node.h"
#include "broker/replica/log_manager.h"
#include "runtime/file.h"
#include "storage/log_dir.h"

/* A process that opens its log dirs and ends. */
struct opening {
    struct machine *machine;
    struct node node;
    struct config *config;
    struct errmsg errmsg;
    int result;
};

static char base[64];

static void set_up(void) {
    strcpy(base, "/tmp/barnabas-test-XXXXXX");
    cr_assert_not_null(mkdtemp(base));
}

static void tear_down(void) {
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", base);
    cr_assert_eq(system(command), 0);
}

TestSuite(log_manager, .init = set_up, .fini = tear_down);

static void on_opened(void *ctx, int result) {
    struct opening *opening = ctx;
    opening->result = result;
    machine_stop(opening->machine);
}

static void start(void *ctx) {
    struct opening *opening = ctx;
    log_manager_open(opening->node.log_manager, &opening->errmsg, on_opened, opening);
}

/* Opens <base>/a (and b, ...) as node `node_id`; keeps them open until opening_end(). */
static int open_dirs(struct opening *opening, const char *dirs, int node_id) {
    *opening = (struct opening){.machine = machine_new(1, 1)};
    char log_dirs[256] = "log.dirs=";
    for (const char *d = dirs; *d != '\0'; d++) {
        size_t len = strlen(log_dirs);
        snprintf(log_dirs + len, sizeof(log_dirs) - len, "%s%s/%c", d == dirs ? "" : ",", base, *d);
    }
    char id[32];
    snprintf(id, sizeof(id), "node.id=%d", node_id);
    const char *overrides[] = {log_dirs, id};
    cr_assert_eq(
        config_load(opening->machine, NULL, overrides, 2, &opening->config, &opening->errmsg), 0,
        "%s", opening->errmsg.text);
    struct node *node = &opening->node;
    node->machine = opening->machine;
    node->config = opening->config;
    node->id = node_id;
    node->shard_count = 1;
    node->shards[0].node = node;
    node->shards[0].shard = machine_shard(opening->machine, 0);
    node->log_manager = log_manager_new(node);
    machine_run(opening->machine, start, opening);
    return opening->result;
}

static void opening_end(struct opening *opening) {
    log_manager_free(opening->node.log_manager);
    config_free(opening->config);
    machine_free(opening->machine);
}

static const char *in_base(const char *name) {
    static char path[128];
    snprintf(path, sizeof(path), "%s/%s", base, name);
    return path;
}

static void check_refused(struct opening *opening, const char *reason) {
    cr_assert_lt(opening->result, 0);
    cr_assert(strstr(opening->errmsg.text, reason) != NULL, "\"%s\" does not say %s",
              opening->errmsg.text, reason);
    cr_assert_null(strchr(opening->errmsg.text, '\n'));
    opening_end(opening);
}

Test(log_manager, new_dirs_are_formatted_and_keep_their_identity) {
    struct opening first;
    cr_assert_eq(open_dirs(&first, "ab", 1), 0, "%s", first.errmsg.text);
    cr_assert_eq(strlen(first.node.cluster_id), (size_t)UUID_TEXT_LEN);
    struct uuid a = log_manager_dir_id(first.node.log_manager, 0);
    struct uuid b = log_manager_dir_id(first.node.log_manager, 1);
    cr_assert_not(uuid_is_zero(a));
    cr_assert_not(uuid_equal(a, b));
    cr_assert(log_manager_dir_online(first.node.log_manager, 1));
    opening_end(&first);

    struct opening second;
    cr_assert_eq(open_dirs(&second, "ab", 1), 0, "%s", second.errmsg.text);
    cr_assert_str_eq(second.node.cluster_id, first.node.cluster_id);
    cr_assert(uuid_equal(log_manager_dir_id(second.node.log_manager, 0), a));
    cr_assert(uuid_equal(log_manager_dir_id(second.node.log_manager, 1), b));
    cr_assert_str_eq(log_manager_metadata_dir(second.node.log_manager), in_base("a"));
    opening_end(&second);
}

Test(log_manager, a_dir_that_was_added_later_joins_the_cluster) {
    struct opening opening;
    cr_assert_eq(open_dirs(&opening, "a", 1), 0);
    opening_end(&opening);
    cr_assert_eq(open_dirs(&opening, "ab", 1), 0, "%s", opening.errmsg.text);
    struct meta_properties a;
    struct meta_properties b;
    cr_assert_eq(meta_properties_read(opening.machine, in_base("a"), &a, NULL), 0);
    cr_assert_eq(meta_properties_read(opening.machine, in_base("b"), &b, NULL), 0);
    cr_assert_str_eq(a.cluster_id, b.cluster_id);
    opening_end(&opening);
}

Test(log_manager, a_dir_of_another_node_is_refused) {
    struct opening opening;
    cr_assert_eq(open_dirs(&opening, "a", 1), 0);
    opening_end(&opening);
    open_dirs(&opening, "a", 2);
    check_refused(&opening, "belongs to node 1, but node.id is 2");
}

Test(log_manager, a_dir_of_another_cluster_is_refused) {
    struct opening opening;
    cr_assert_eq(open_dirs(&opening, "a", 1), 0);
    opening_end(&opening);
    cr_assert_eq(open_dirs(&opening, "b", 1), 0);
    opening_end(&opening);
    open_dirs(&opening, "ab", 1);
    check_refused(&opening, "belongs to cluster");
}

Test(log_manager, a_formatted_dir_beside_an_empty_metadata_dir_is_refused) {
    struct opening opening;
    cr_assert_eq(open_dirs(&opening, "b", 1), 0);
    opening_end(&opening);
    open_dirs(&opening, "ab", 1);
    check_refused(&opening, "the metadata dir");
}

Test(log_manager, a_locked_dir_is_refused) {
    struct opening holder;
    cr_assert_eq(open_dirs(&holder, "a", 1), 0);
    struct opening opening;
    open_dirs(&opening, "a", 1);
    check_refused(&opening, "in use by another process");
    opening_end(&holder);
}

Test(log_manager, partitions_without_an_identity_are_somebodys_data) {
    struct opening opening;
    cr_assert_eq(open_dirs(&opening, "a", 1), 0);
    cr_assert_eq(path_mkdir(opening.machine, in_base("a/t-0")), 0);
    cr_assert_eq(path_unlink(opening.machine, in_base("a/meta.properties")), 0);
    opening_end(&opening);
    open_dirs(&opening, "a", 1);
    check_refused(&opening, "no meta.properties");
}

Test(log_manager, a_dir_that_cannot_be_made_is_refused) {
    FILE *file = fopen(in_base("a"), "w");
    fclose(file);
    struct opening opening;
    open_dirs(&opening, "a", 1);
    check_refused(&opening, in_base("a"));
}

Test(log_manager, the_clean_shutdown_marker_is_used_up_by_a_start) {
    struct opening opening;
    cr_assert_eq(open_dirs(&opening, "a", 1), 0);
    cr_assert_eq(clean_shutdown_write(opening.machine, in_base("a"), 7), 0);
    opening_end(&opening);
    cr_assert_eq(open_dirs(&opening, "a", 1), 0);
    bool clean = true;
    int64_t epoch;
    cr_assert_eq(clean_shutdown_read(opening.machine, in_base("a"), &clean, &epoch), 0);
    cr_assert_not(clean);
    opening_end(&opening);
}
