/*
 * Opening the metadata log, on a worker. In this order, each step durable before the next:
 *
 *   recover snapshots -> load the log -> look who the voters are -> (new directory) write the
 *   bootstrap snapshot -> take the next epoch in quorum-state
 *
 * A crash between two of these leaves a directory that the next start treats the same way: an epoch
 * that was taken and not used is skipped.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "broker/config/config.h"
#include "broker/metadata/features.h"
#include "broker/quorum/metadata_log_internal.h"
#include "broker/quorum/quorum_state.h"
#include "protocol/generated/feature_level_record.h"
#include "protocol/message.h"
#include "runtime/file.h"
#include "runtime/log.h"
#include "storage/log_dir.h"

#define METADATA_TOPIC_ID uuid_from_halves(0, 1)

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

int metadata_log_scan(struct quorum *quorum, int64_t from,
                      bool (*fn)(struct quorum *quorum, struct slice bytes,
                                 const struct batch *batch)) {
    int64_t end = log_end_offset(quorum->log);
    int result = 0;
    while (from < end && result == 0) {
        struct log_range range;
        result = log_read(quorum->log, from, end, READ_BYTES, true, &range);
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
        quorum->voter.directory_id = meta.directory_id;
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
        endpoints[quorum->voter.endpoint_count++] = (struct metadata_endpoint){
            .name = slice_str(told->name),
            .host = slice_str(told->host[0] == '\0' ? "localhost" : told->host),
            .port = (uint16_t)told->port,
        };
    }
    quorum->voter.endpoints = endpoints;
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
    free(path);
    return result;
}

static void on_log_failure(struct log *log, int error, void *ctx) {
    struct quorum *quorum = (struct quorum *)ctx;
    (void)log;
    quorum->failed = true;
    quorum->client.failed(quorum->client.ctx, error);
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

static bool note_control(struct quorum *quorum, struct slice bytes, const struct batch *batch) {
    if ((batch->attributes & BATCH_ATTR_CONTROL) != 0) {
        return metadata_control_read(bytes, batch, &quorum->control);
    }
    quorum->bytes_since_snapshot += (int64_t)bytes.len;
    return true;
}

static int refuse_voters(struct quorum *quorum, int count) {
    errmsg_set(quorum->errmsg,
               "the metadata quorum in %s has %d voters and is not this node (%" PRId32
               ") alone; this release serves a quorum of one",
               quorum->dir, count, quorum->voter.id);
    return -EINVAL;
}

static int check_voters(struct quorum *quorum, const struct quorum_state *state) {
    const struct metadata_control *control = &quorum->control;
    char in_log[UUID_TEXT_LEN + 1];
    char on_disk[UUID_TEXT_LEN + 1];
    if (quorum->kraft_version == 0) {
        bool alone = state->voter_count == 0 ||
                     (state->voter_count == 1 && state->voter_id == quorum->voter.id);
        return alone ? 0 : refuse_voters(quorum, state->voter_count);
    }
    if (control->voter_count < 0) {
        return 0;
    }
    if (control->voter_count != 1 || control->voter_id != quorum->voter.id) {
        return refuse_voters(quorum, control->voter_count);
    }
    if (!uuid_equal(control->voter_directory_id, quorum->voter.directory_id)) {
        errmsg_set(quorum->errmsg,
                   "the voter of the metadata quorum in %s has the directory id %s, and %s has %s",
                   quorum->dir, uuid_format(control->voter_directory_id, in_log),
                   quorum->metadata_dir, uuid_format(quorum->voter.directory_id, on_disk));
        return -EINVAL;
    }
    return 0;
}

static void default_bootstrap(struct quorum *quorum) {
    struct feature_level_record record;
    message_init(&feature_level_record_desc, &record);
    record.name = slice_str(FEATURE_METADATA_VERSION);
    record.feature_level = METADATA_VERSION_LATEST;
    record_list_add(&quorum->bootstrap_values, RECORD_FEATURE_LEVEL, 0, &feature_level_record_desc,
                    &record);
}

/* A log without records: as the formatting tool left it, or made by us. */
static int prepare_new(struct quorum *quorum) {
    char *path = path_in(quorum->metadata_dir, "bootstrap.checkpoint");
    enum path_kind kind;
    int result = path_kind(quorum->machine, path, &kind);
    if (result == 0 && kind == PATH_FILE) {
        struct metadata_control ignored = METADATA_CONTROL_NONE;
        int64_t timestamp_ms;
        result = snapshot_read(quorum->machine, path, &quorum->bootstrap_values, &ignored,
                               &timestamp_ms, quorum->errmsg);
    } else if (result == 0 && !quorum->snapshots.bootstrap &&
               config_string(quorum->config, CONFIG_CONTROLLER_QUORUM_VOTERS).len == 0) {
        quorum->kraft_version = 1;
    }
    if (result == 0 && quorum->bootstrap_values.count == 0) {
        default_bootstrap(quorum);
    }
    free(path);
    if (result != 0 || quorum->kraft_version == 0 || quorum->snapshots.bootstrap) {
        return result;
    }
    struct buffer bytes;
    buffer_init(&bytes, SIZE_MAX);
    snapshot_build(NULL, 0, SNAPSHOT_BOOTSTRAP, clock_wall_ms(quorum->machine), true,
                   &quorum->voter, &bytes);
    result = snapshot_write(quorum->machine, quorum->dir, SNAPSHOT_BOOTSTRAP, buffer_slice(&bytes));
    if (result != 0) {
        errmsg_set(quorum->errmsg, "cannot write a snapshot in %s: %s", quorum->dir,
                   strerror(-result));
    }
    buffer_release(&bytes);
    return result;
}

static int take_epoch(struct quorum *quorum, const struct quorum_state *old) {
    int32_t epoch = old->leader_epoch;
    if (log_latest_epoch(quorum->log) > epoch) {
        epoch = log_latest_epoch(quorum->log);
    }
    if (quorum->snapshots.found && quorum->snapshots.latest.epoch > epoch) {
        epoch = quorum->snapshots.latest.epoch;
    }
    quorum->epoch = epoch + 1;
    struct quorum_state state = {
        .data_version = quorum->kraft_version == 0 ? 0 : 1,
        .leader_id = quorum->voter.id,
        .leader_epoch = quorum->epoch,
        .voted_id = quorum->kraft_version == 0 ? -1 : quorum->voter.id,
        .voted_directory_id = quorum->voter.directory_id,
        .voter_count = 1,
        .voter_id = quorum->voter.id,
    };
    char *path = path_in(quorum->dir, "quorum-state");
    int result = quorum_state_write(quorum->machine, path, &state);
    if (result != 0) {
        errmsg_set(quorum->errmsg, "cannot write %s: %s", path, strerror(-result));
    }
    free(path);
    return result;
}

static int read_quorum_state(struct quorum *quorum, struct quorum_state *out) {
    *out = (struct quorum_state){.leader_id = -1, .voted_id = -1, .voter_id = -1};
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
    struct metadata_control formatted = quorum->control;
    int64_t from = log_start_offset(quorum->log);
    if (!quorum->snapshots.found) {
        /* Voters of the bootstrap snapshot are not in the log yet. */
        quorum->control.voter_count = -1;
    }
    if ((result = metadata_log_scan(quorum, from, note_control)) != 0) {
        return result;
    }
    quorum->kraft_version = quorum->control.has_kraft_version ? quorum->control.kraft_version : 0;
    if (quorum->kraft_version > 1) {
        errmsg_set(quorum->errmsg, "the metadata log %s has kraft.version %d, above 1", quorum->dir,
                   quorum->kraft_version);
        return -EINVAL;
    }
    quorum->announce_voters = quorum->control.voter_count < 0;
    if (quorum->control.voter_count < 0) {
        quorum->control = formatted;
    }
    if ((result = check_voters(quorum, &state)) != 0) {
        return result;
    }
    if (!quorum->snapshots.found && quorum->bytes_since_snapshot == 0) {
        result = prepare_new(quorum);
    } else {
        record_list_init(&quorum->bootstrap_values, &quorum->arena);
    }
    quorum->announce_voters = quorum->announce_voters && quorum->kraft_version == 1;
    return result != 0 ? result : take_epoch(quorum, &state);
}

void metadata_log_open_run(struct work *work) {
    struct quorum *quorum = CONTAINER_OF(work, struct quorum, work);
    quorum->result = open_steps(quorum);
}
