/*
 * Opening the metadata log, on a worker. In this order, each step durable before the next:
 *
 *   recover snapshots -> load the log -> look who the voters are -> (new directory of a node that
 * is alone) write the bootstrap snapshot
 *
 * Nothing here takes part in the quorum yet: what was found is handed to consensus, and what that
 * decides (an epoch, a vote) is durable before it leaves the node.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "broker/config/config.h"
#include "broker/metadata/features.h"
#include "broker/quorum/quorum_internal.h"
#include "broker/quorum/quorum_state.h"
#include "protocol/generated/feature_level_record.h"
#include "protocol/message.h"
#include "runtime/file.h"
#include "runtime/log.h"
#include "storage/log_dir.h"

#define READ_BYTES ((size_t)1 << 20)

static char *path_in(const char *dir, const char *name) {
    char *path = NULL;
    int len = asprintf(&path, "%s/%s", dir, name);
    ASSERT(len >= 0);
    return path;
}

/* ---- Reading the log ------------------------------------------------------------------------- */

static int scan_range(struct quorum *quorum, const struct log_range *range,
                      bool (*fn)(struct quorum *quorum, struct slice bytes,
                                 const struct batch *batch)) {
    uint8_t *data = (uint8_t *)xmalloc(range->len);
    int64_t got = file_read_at(range->file, data, range->len, range->pos);
    int result = got < 0 ? (int)got : (size_t)got < range->len ? -EUCLEAN : 0;
    struct slice in = slice_make(data, result == 0 ? range->len : 0);
    struct batch batch;
    struct slice bytes;
    int next = 0;
    while (result == 0 && (next = metadata_batch_next(&in, &batch, &bytes)) == 1) {
        if (!fn(quorum, bytes, &batch)) {
            next = -1;
            break;
        }
    }
    if (result == 0 && next < 0) {
        if (quorum->errmsg != NULL && quorum->errmsg->text[0] == '\0') {
            errmsg_set(quorum->errmsg, "the metadata log %s cannot be read at offset %" PRId64,
                       quorum->dir, batch.base_offset);
        }
        result = -EUCLEAN;
    }
    free(data);
    return result;
}

int metadata_log_scan(struct quorum *quorum, int64_t from, int64_t limit,
                      bool (*fn)(struct quorum *quorum, struct slice bytes,
                                 const struct batch *batch)) {
    int result = 0;
    while (from < limit && result == 0) {
        struct log_range range;
        result = log_read(quorum->log, from, limit, READ_BYTES, true, &range);
        if (result != 0 || range.len == 0) {
            break;
        }
        result = scan_range(quorum, &range, fn);
        from = range.next_offset;
        file_unref(range.file);
    }
    if (result != 0 && quorum->errmsg != NULL && quorum->errmsg->text[0] == '\0') {
        errmsg_set(quorum->errmsg, "cannot read the metadata log %s: %s", quorum->dir,
                   strerror(-result));
    }
    return result;
}

/* ---- Steps ----------------------------------------------------------------------------------- */

static int read_identity(struct quorum *quorum) {
    struct meta_properties meta;
    int result = meta_properties_read(quorum->machine, quorum->metadata_dir, &meta, quorum->errmsg);
    if (result == 0) {
        quorum->self.key.directory_id = meta.directory_id;
        memcpy(quorum->cluster_id, meta.cluster_id, sizeof(quorum->cluster_id));
    }
    return result;
}

static void collect_endpoints(struct quorum *quorum) {
    int listeners = config_listener_count(quorum->config);
    struct metadata_endpoint *endpoints = (struct metadata_endpoint *)arena_array(
        &quorum->arena, (size_t)listeners, sizeof(struct metadata_endpoint));
    for (int i = 0; i < listeners; i++) {
        if (!config_listener_at(quorum->config, i)->controller) {
            continue;
        }
        const struct config_listener *told = config_advertised(quorum->config, i);
        if (told == NULL) {
            told = config_listener_at(quorum->config, i);
        }
        endpoints[quorum->self.endpoint_count++] = (struct metadata_endpoint){
            .name = slice_str(told->name),
            .host = slice_str(told->host[0] == '\0' ? "localhost" : told->host),
            .port = (uint16_t)told->port,
        };
    }
    quorum->self.endpoints = endpoints;
    quorum->self.kraft_version_max = 1;
}

static int snapshot_bytes(struct quorum *quorum, const char *path) {
    struct file *file;
    int result = file_open(quorum->machine, path, FILE_READ, &file);
    if (result == 0) {
        result = file_size(file, &quorum->snapshot_bytes);
        file_unref(file);
    }
    if (result != 0) {
        errmsg_set(quorum->errmsg, "cannot read %s: %s", path, strerror(-result));
    }
    return result;
}

static int read_snapshots(struct quorum *quorum) {
    int result = snapshot_recover(quorum->machine, quorum->dir, &quorum->snapshots, quorum->errmsg);
    if (result != 0 || (!quorum->snapshots.found && !quorum->snapshots.bootstrap)) {
        return result;
    }
    bool found = quorum->snapshots.found;
    char *path = snapshot_path(quorum->dir, found ? quorum->snapshots.latest : SNAPSHOT_BOOTSTRAP);
    result = snapshot_read(quorum->machine, path,
                           found ? &quorum->snapshot_values : &quorum->bootstrap_values,
                           &quorum->control, &quorum->snapshot_timestamp_ms, quorum->errmsg);
    if (result == 0 && found) {
        result = snapshot_bytes(quorum, path);
    }
    free(path);
    return result;
}

static void on_log_failure(struct log *log, int error, void *ctx) {
    (void)log;
    quorum_fail((struct quorum *)ctx, error);
}

static int load_log(struct quorum *quorum) {
    int64_t snapshot_end = quorum->snapshots.found ? quorum->snapshots.latest.end_offset : -1;
    struct log_options options = {
        .machine = quorum->machine,
        .directory = quorum->dir,
        .config =
            {
                .segment_bytes = config_int(quorum->config, CONFIG_METADATA_LOG_SEGMENT_BYTES),
                .segment_ms = config_int(quorum->config, CONFIG_METADATA_LOG_SEGMENT_MS),
                .segment_index_bytes = 10 << 20,
                .index_interval_bytes = 4096,
                .retention_ms = -1,
                .retention_bytes = -1,
                .file_delete_delay_ms = 0,
                .flush_messages = INT64_MAX,
                .flush_ms = INT64_MAX,
                .durable = true,
                .producer_id_expiration_ms = INT64_MAX,
            },
        .topic_id = METADATA_TOPIC_ID,
        .clean = false,
        .recovery_point = 0,
        /* A log that ends below the snapshot has nothing the snapshot lacks: it starts there. */
        .log_start_offset = snapshot_end,
        .start_is_sure = snapshot_end >= 0,
        .high_watermark = -1,
        .on_failure = on_log_failure,
        .ctx = quorum,
    };
    int result = log_load(&options, &quorum->log, quorum->errmsg);
    if (result != 0) {
        errmsg_prefix(quorum->errmsg, "metadata log");
        return result;
    }
    if (log_start_offset(quorum->log) > 0 && log_start_offset(quorum->log) > snapshot_end) {
        errmsg_set(quorum->errmsg,
                   "the metadata log %s starts at offset %" PRId64
                   " and there is no snapshot of what was before",
                   quorum->dir, log_start_offset(quorum->log));
        return -EUCLEAN;
    }
    return 0;
}

static void note_epoch(struct quorum *quorum, const struct batch *batch) {
    struct raft_stored *stored = &quorum->stored;
    int32_t last = stored->epoch_count == 0 ? stored->start.epoch - 1
                                            : quorum->epochs[stored->epoch_count - 1].epoch;
    if (batch->partition_leader_epoch <= last) {
        return;
    }
    if (stored->epoch_count == quorum->epoch_cap) {
        quorum->epoch_cap = quorum->epoch_cap == 0 ? 8 : quorum->epoch_cap * 2;
        quorum->epochs =
            xrealloc(quorum->epochs, (size_t)quorum->epoch_cap * sizeof(*quorum->epochs));
    }
    quorum->epochs[stored->epoch_count++] =
        (struct raft_epoch_start){batch->partition_leader_epoch, batch->base_offset};
}

static bool note_batch(struct quorum *quorum, struct slice bytes, const struct batch *batch) {
    /* A log that the snapshot was not made of: the leader's replaced ours, and a crash came before
     * ours was dropped. */
    bool first = quorum->stored.epoch_count == 0 && !quorum->stale;
    if (first && (batch->base_offset != quorum->stored.start.offset ||
                  batch->partition_leader_epoch < quorum->stored.start.epoch)) {
        quorum->stale = true;
    }
    if (quorum->stale) {
        return true;
    }
    note_epoch(quorum, batch);
    if ((batch->attributes & BATCH_ATTR_CONTROL) == 0) {
        quorum->has_records = true;
        return true;
    }
    struct metadata_control control = METADATA_CONTROL_NONE;
    bool ok = metadata_control_read(bytes, batch, &control);
    if (ok) {
        quorum_note_voters(quorum, batch->base_offset, &control);
    }
    metadata_control_release(&control);
    return ok;
}

/* ---- Who the voters are ---------------------------------------------------------------------- */

static int refuse_voters(struct quorum *quorum, int count) {
    errmsg_set(
        quorum->errmsg,
        "the metadata quorum in %s has %d voters and is not this node (%" PRId32
        ") alone; controller.quorum.voters or controller.quorum.bootstrap.servers says where "
        "the others are",
        quorum->dir, count, quorum->self.key.id);
    return -EINVAL;
}

/* The voters of kraft.version 0: those of the configuration, and the same as before. */
static int static_voters(struct quorum *quorum, const struct quorum_state *state,
                         struct voter_set *out) {
    struct slice name = quorum_listener_name(quorum);
    for (int i = 0; i < config_voter_count(quorum->config); i++) {
        const struct config_address *address = config_voter_at(quorum->config, i);
        struct metadata_endpoint endpoint = {
            .name = name, .host = slice_str(address->host), .port = (uint16_t)address->port};
        struct voter voter = {
            .key = {.id = address->id}, .endpoints = &endpoint, .endpoint_count = 1};
        voter_set_add(out, &voter);
    }
    if (out->count == 0 && config_is_alone(quorum->config)) {
        struct voter voter = quorum->self;
        voter.key.directory_id = UUID_ZERO;
        voter_set_add(out, &voter);
    }
    bool same = state->voter_count == out->count;
    for (int i = 0; i < state->voter_count && same; i++) {
        same = voter_set_find(out, state->voter_ids[i]) >= 0;
    }
    if (state->voter_count > 0 && out->count > 0 && !same) {
        return refuse_voters(quorum, state->voter_count);
    }
    return 0;
}

/* A node that is alone is the voter, or nobody ever leads. */
static int check_alone(struct quorum *quorum, const struct voter_set *voters) {
    bool only_id = voters->count == 1 && voters->voters[0].key.id == quorum->self.key.id;
    bool alone = config_is_alone(quorum->config);
    if (alone && voters->count > 0 && !only_id) {
        return refuse_voters(quorum, voters->count);
    }
    if (only_id && !raft_key_matches(voters->voters[0].key, quorum->self.key)) {
        char in_log[UUID_TEXT_LEN + 1];
        char on_disk[UUID_TEXT_LEN + 1];
        errmsg_set(quorum->errmsg,
                   "the voter of the metadata quorum in %s has the directory id %s, and %s has %s",
                   quorum->dir, uuid_format(voters->voters[0].key.directory_id, in_log),
                   quorum->metadata_dir, uuid_format(quorum->self.key.directory_id, on_disk));
        return -EINVAL;
    }
    return 0;
}

static void bootstrap_feature(struct quorum *quorum, const char *name, int16_t level) {
    struct feature_level_record record;
    message_init(&feature_level_record_desc, &record);
    record.name = slice_str(name);
    record.feature_level = level;
    record_list_add(&quorum->bootstrap_values, RECORD_FEATURE_LEVEL, 0, &feature_level_record_desc,
                    &record);
}

static void default_bootstrap(struct quorum *quorum) {
    bootstrap_feature(quorum, FEATURE_METADATA_VERSION, METADATA_VERSION_LATEST);
    bootstrap_feature(quorum, FEATURE_ELR, 1);
}

/* The first leader writes what the directory was formatted with. */
static int read_bootstrap(struct quorum *quorum) {
    char *path = path_in(quorum->metadata_dir, "bootstrap.checkpoint");
    enum path_kind kind;
    int result = path_kind(quorum->machine, path, &kind);
    if (result == 0 && kind == PATH_FILE) {
        struct metadata_control ignored = METADATA_CONTROL_NONE;
        int64_t timestamp_ms;
        result = snapshot_read(quorum->machine, path, &quorum->bootstrap_values, &ignored,
                               &timestamp_ms, quorum->errmsg);
        metadata_control_release(&ignored);
        quorum->formatted = true;
    }
    free(path);
    if (result == 0 && quorum->bootstrap_values.count == 0) {
        default_bootstrap(quorum);
    }
    return result;
}

/* A new directory of a node that is alone: it is the voter, as `format --standalone` has it. */
static int make_standalone(struct quorum *quorum) {
    struct voter_set *voters = voter_set_new();
    voters->kraft_version = 1;
    voter_set_add(voters, &quorum->self);
    voter_history_reset(&quorum->voters, voters);
    struct buffer bytes;
    buffer_init(&bytes, SIZE_MAX);
    snapshot_build(NULL, 0, SNAPSHOT_BOOTSTRAP, clock_wall_ms(quorum->machine), voters, &bytes);
    int result =
        snapshot_write(quorum->machine, quorum->dir, SNAPSHOT_BOOTSTRAP, buffer_slice(&bytes));
    if (result != 0) {
        errmsg_set(quorum->errmsg, "cannot write a snapshot in %s: %s", quorum->dir,
                   strerror(-result));
    }
    buffer_release(&bytes);
    return result;
}

static int settle_voters(struct quorum *quorum, const struct quorum_state *state) {
    int16_t version = voter_history_kraft_version(&quorum->voters);
    bool known = quorum->control.has_kraft_version || version > 0;
    bool empty = !quorum->has_records && !quorum->snapshots.found;
    if (version > 1) {
        errmsg_set(quorum->errmsg, "the metadata log %s has kraft.version %d, above 1", quorum->dir,
                   version);
        return -EINVAL;
    }
    if (empty && !known && !quorum->formatted && !quorum->snapshots.bootstrap &&
        state->voter_count == 0 && config_voter_count(quorum->config) == 0 &&
        config_is_alone(quorum->config)) {
        return make_standalone(quorum);
    }
    if (quorum->voters.sets[0].set->kraft_version == 0) {
        struct voter_set *voters = voter_set_new();
        int result = static_voters(quorum, state, voters);
        voter_history_set_first(&quorum->voters, voters);
        if (result != 0 && version == 0) {
            return result; /* otherwise the log has others, and the configuration is old */
        }
    }
    return check_alone(quorum, voter_history_last(&quorum->voters));
}

static int read_quorum_state(struct quorum *quorum, struct quorum_state *out) {
    *out = (struct quorum_state){.leader_id = -1, .voted_id = -1};
    char *path = path_in(quorum->dir, "quorum-state");
    int result = quorum_state_read(quorum->machine, path, out, quorum->errmsg);
    free(path);
    if (result == -ENOENT) {
        if (quorum->errmsg != NULL) {
            quorum->errmsg->text[0] = '\0';
        }
        return 0;
    }
    return result;
}

/* What consensus begins with. */
static void collect_stored(struct quorum *quorum, const struct quorum_state *state) {
    struct raft_stored *stored = &quorum->stored;
    const struct voter_history *history = &quorum->voters;
    stored->ballot = (struct raft_ballot){
        .epoch = state->leader_epoch,
        .leader_id = state->leader_id,
        .voted = {.id = state->voted_id, .directory_id = state->voted_directory_id},
    };
    stored->end_offset = quorum->stale ? stored->start.offset : log_end_offset(quorum->log);
    stored->epochs = quorum->epochs;
    voter_set_keys(history->sets[0].set, &stored->voters);
    stored->voter_record_count = history->count - 1;
    struct raft_voters_at *records = arena_array(
        &quorum->arena, (size_t)stored->voter_record_count + 1, sizeof(struct raft_voters_at));
    for (int i = 1; i < history->count; i++) {
        records[i - 1].offset = history->sets[i].offset;
        voter_set_keys(history->sets[i].set, &records[i - 1].voters);
    }
    stored->voter_records = records;
}

/* The log begins at the latest snapshot now; who is behind that gets it. */
static void sweep_snapshots(struct quorum *quorum) {
    int result =
        snapshot_remove_below(quorum->machine, quorum->dir, quorum->snapshots.latest.end_offset);
    if (result != 0) {
        LOG_WARN(quorum->machine, "quorum", "older snapshots stay", "reason=\"%s\"",
                 strerror(-result));
    }
}

static int open_steps(struct quorum *quorum) {
    struct quorum_state state;
    int result = read_identity(quorum);
    if (result != 0) {
        return result;
    }
    collect_endpoints(quorum);
    if ((result = read_quorum_state(quorum, &state)) != 0 ||
        (result = read_snapshots(quorum)) != 0 || (result = load_log(quorum)) != 0) {
        return result;
    }
    struct voter_set *formatted = metadata_control_take_voters(&quorum->control);
    formatted = formatted != NULL ? formatted : voter_set_new();
    if (quorum->control.has_kraft_version) {
        formatted->kraft_version = quorum->control.kraft_version;
    }
    voter_history_reset(&quorum->voters, formatted);
    if (quorum->snapshots.found) {
        quorum->stored.start = (struct raft_position){.offset = quorum->snapshots.latest.end_offset,
                                                      .epoch = quorum->snapshots.latest.epoch};
    }
    result = metadata_log_scan(quorum, quorum->stored.start.offset, log_end_offset(quorum->log),
                               note_batch);
    if (result == 0 && quorum->snapshots.found) {
        sweep_snapshots(quorum);
    }
    /* What is in the log of one of several voters may have to go again. */
    bool lasting = quorum->has_records && config_is_alone(quorum->config);
    if (result == 0 && !quorum->snapshots.found && !lasting) {
        result = read_bootstrap(quorum);
    }
    if (result == 0) {
        result = settle_voters(quorum, &state);
    }
    if (result == 0) {
        collect_stored(quorum, &state);
    }
    return result;
}

void metadata_log_open_run(struct work *work) {
    struct quorum *quorum = CONTAINER_OF(work, struct quorum, work);
    quorum->result = open_steps(quorum);
}
