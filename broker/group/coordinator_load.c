/*
 * Loading: the log is read in pieces, from its start to where it ended when loading began. Nothing
 * is appended to it meanwhile, since only this coordinator writes to the partition and it does not
 * serve yet. A piece is found on the shard (the log belongs to it), read and replayed on a worker;
 * until that ends the worker alone uses the table.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "broker/config/config.h"
#include "broker/group/coordinator.h"
#include "broker/node.h"
#include "broker/replica/partition.h"
#include "protocol/records.h"
#include "runtime/file.h"
#include "runtime/log.h"
#include "storage/log.h"

struct coordinator_load {
    struct work work;
    struct coordinator *coordinator;
    int64_t next;
    int64_t end;
    struct log_range range;
    struct partition_arrival arrival; /* while the partition ends a move to another log dir */
    struct errmsg errmsg;
    int result;
    int64_t started_ms;
};

void coordinator_load_free(struct coordinator_load *load) {
    if (load != NULL) {
        list_remove(&load->arrival.link);
        file_unref(load->range.file);
        free(load);
    }
}

static void end_load(struct coordinator_load *load) {
    struct coordinator *coordinator = load->coordinator;
    struct machine *machine = coordinator->env.machine;
    if (coordinator->closed) {
        LOG_INFO(machine, "group", "loading of groups abandoned", "partition=%d epoch=%d",
                 coordinator->partition, coordinator->leader_epoch);
    } else if (load->result != 0) {
        LOG_ERROR(machine, "group", "groups cannot be loaded",
                  "topic=__consumer_offsets partition=%d offset=%" PRId64 " error=\"%s\"",
                  coordinator->partition, load->next, load->errmsg.text);
    } else if (load->end > 0) {
        LOG_INFO(machine, "group", "groups loaded",
                 "partition=%d groups=%zu records_to=%" PRId64 " ms=%" PRId64,
                 coordinator->partition, coordinator->table.groups.count, load->end,
                 shard_now_ms(coordinator->env.shard) - load->started_ms);
    }
    coordinator_loaded(coordinator, load->result == 0);
}

/* ---- On a worker ----------------------------------------------------------------------------- */

static int replay_piece(struct coordinator_load *load, struct slice piece) {
    while (piece.len > 0) {
        struct batch batch;
        if (batch_parse(piece, &batch) != BATCH_OK || batch_size(&batch) > piece.len) {
            errmsg_set(&load->errmsg, "a batch cannot be read");
            return -EINVAL;
        }
        struct slice bytes = slice_make(piece.data, batch_size(&batch));
        if (!batch_crc_valid(bytes)) {
            errmsg_set(&load->errmsg, "the batch at offset %" PRId64 " fails its checksum",
                       batch.base_offset);
            return -EINVAL;
        }
        int result = group_table_replay(&load->coordinator->table, bytes, &load->errmsg);
        if (result != 0) {
            return result;
        }
        piece = slice_make(piece.data + bytes.len, piece.len - bytes.len);
    }
    return 0;
}

static void read_piece(struct work *work) {
    struct coordinator_load *load = CONTAINER_OF(work, struct coordinator_load, work);
    uint8_t *data = malloc(load->range.len);
    if (data == NULL) {
        errmsg_set(&load->errmsg, "no memory for %zu bytes", load->range.len);
        load->result = -ENOMEM;
        return;
    }
    int64_t n = file_read_at(load->range.file, data, load->range.len, load->range.pos);
    if (n != (int64_t)load->range.len) {
        errmsg_set(&load->errmsg, "reading the log: %s", n < 0 ? strerror((int)-n) : "it is short");
        load->result = n < 0 ? (int)n : -EIO;
    } else {
        load->result = replay_piece(load, slice_make(data, load->range.len));
    }
    free(data);
}

/* ---- On the shard ---------------------------------------------------------------------------- */

static void next_piece(struct coordinator_load *load);

static void piece_done(struct work *work) {
    struct coordinator_load *load = CONTAINER_OF(work, struct coordinator_load, work);
    load->next = load->range.next_offset;
    file_unref(load->range.file);
    load->range.file = NULL;
    if (load->result != 0 || load->coordinator->closed) {
        end_load(load);
        return;
    }
    next_piece(load);
}

static void partition_is_back(struct partition_arrival *arrival) {
    struct coordinator_load *load = CONTAINER_OF(arrival, struct coordinator_load, arrival);
    if (load->coordinator->closed) {
        end_load(load);
    } else {
        next_piece(load);
    }
}

static void next_piece(struct coordinator_load *load) {
    struct coordinator *coordinator = load->coordinator;
    struct node_shard *shard = coordinator->shard;
    enum kafka_error error;
    struct partition *partition =
        replica_leader(shard->replicas, coordinator->topic_id, coordinator->partition, &error);
    if (partition == NULL &&
        partition_await_log(shard->replicas, coordinator->topic_id, coordinator->partition,
                            &load->arrival, partition_is_back)) {
        return;
    }
    if (partition == NULL) {
        errmsg_set(&load->errmsg, "the partition is gone");
        load->result = -EIO;
        end_load(load);
        return;
    }
    struct log *log = partition_log(partition);
    size_t piece = (size_t)broker_config_int(shard->config, CONFIG_OFFSETS_LOAD_BUFFER_SIZE);
    load->result = log_read(log, load->next, load->end, piece, true, &load->range);
    if (load->result != 0) {
        errmsg_set(&load->errmsg, "reading the log: %s", strerror(-load->result));
    }
    if (load->result != 0 || load->range.len == 0) {
        end_load(load);
        return;
    }
    work_submit_slow(shard->shard, &load->work, read_piece, piece_done);
}

void coordinator_load_start(struct coordinator *coordinator) {
    struct coordinator_load *load = NEW(struct coordinator_load);
    load->coordinator = coordinator;
    list_init(&load->arrival.link);
    load->started_ms = shard_now_ms(coordinator->env.shard);
    coordinator->load = load;
    enum kafka_error error;
    struct partition *partition = replica_leader(
        coordinator->shard->replicas, coordinator->topic_id, coordinator->partition, &error);
    ASSERT(partition != NULL);
    const struct log *log = partition_log(partition);
    load->next = log_start_offset(log);
    load->end = log_end_offset(log);
    if (load->next == load->end) {
        end_load(load);
        return;
    }
    next_piece(load);
}
