/* barnabasctl quorum: who leads the metadata quorum, and how far its voters are. */
#include <inttypes.h>
#include <string.h>

#include "tools/admin/quorum.h"
#include "tools/ctl/ctl.h"

typedef const struct describe_quorum_response_replica_state replica_view;

static const struct option_spec specs[] = {CTL_OPTIONS};

static void add_replicas(struct table *table, const char *role,
                         const struct describe_quorum_response_partition_data *p,
                         replica_view *replicas, int32_t count) {
    for (int32_t i = 0; i < count; i++) {
        replica_view *r = &replicas[i];
        const char *what = r->replica_id == p->leader_id ? "leader" : role;
        int64_t lag = p->high_watermark - r->log_end_offset;
        lag = lag > 0 ? lag : 0;
        table_number(table, r->replica_id);
        table_slice(table, slice_str(what));
        table_number(table, r->log_end_offset);
        table_cell(table, json_integer(lag), "%" PRId64 "%s", lag, lag > 0 ? " (behind)" : "");
    }
}

/* Asks one address after the other until one can tell; a node that runs may know of no leader. */
static const struct describe_quorum_response_partition_data *ask(struct ctl *ctl) {
    const struct describe_quorum_response_partition_data *p = NULL;
    const char *list = ctl->client.bootstrap;
    bool told = false;
    while (!told && *list != '\0') {
        size_t len = strcspn(list, ",");
        const char *client_id = ctl->client.client_id;
        client_release(&ctl->client);
        client_init(&ctl->client, arena_printf(&ctl->arena, "%.*s", (int)len, list), client_id);
        told = quorum_describe(&ctl->client, &p) != NULL;
        list += len + (list[len] == ',');
    }
    return told ? p : NULL;
}

static int show(struct ctl *ctl) {
    static const struct column columns[] = {
        {"NODE", "node"}, {"ROLE", "role"}, {"END OFFSET", "endOffset"}, {"LAG", "lag"}};
    const struct describe_quorum_response_partition_data *p = ask(ctl);
    if (p == NULL) {
        return ctl_fail_client(ctl);
    }
    struct table table;
    table_init(&table, columns, ARRAY_LEN(columns));
    add_replicas(&table, "voter", p, p->current_voters, p->current_voters_count);
    add_replicas(&table, "observer", p, p->observers, p->observers_count);
    if (ctl->json) {
        ctl_json(json_pack("{s:i,s:i,s:I,s:o}", "leader", p->leader_id, "epoch", p->leader_epoch,
                           "highWatermark", (json_int_t)p->high_watermark, "nodes",
                           table_json(&table)));
    } else {
        printf("active controller: node %d in epoch %d, metadata committed up to offset %" PRId64
               "\n",
               p->leader_id, p->leader_epoch, p->high_watermark);
        table_print(&table, stdout);
    }
    table_release(&table);
    return 0;
}

int quorum_main(int argc, char **argv) {
    struct ctl ctl = {0};
    int exit_code;
    if (ctl_open(&ctl, "quorum", "[HOST:PORT,...] [options]", specs, argc, argv, &exit_code)) {
        if (ctl.options.arg_count > 0) {
            ctl.client.bootstrap = ctl.options.args[0];
        }
        exit_code = show(&ctl);
    }
    ctl_close(&ctl);
    return exit_code;
}
