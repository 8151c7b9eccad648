/* The controller, the quorum, brokers and topics of the cluster, log dirs, the process. */
#include <math.h>

#include "broker/metrics/render.h"
#include "broker/metrics/text.h"

/* ---- Controller ------------------------------------------------------------------------------ */

static void render_controller(struct render *render) {
    const struct node_part *node = render->node;
    struct buffer *out = render->out;
    text_single(out, "kafka_controller_kafkacontroller_activecontrollercount", "gauge",
                "1 on the active controller.", node->active);
    text_single(out, "kafka_controller_kafkacontroller_offlinepartitionscount", "gauge",
                "Partitions of the cluster without a leader; as all counts of the cluster told by "
                "each controller.",
                node->offline_partitions);
    text_single(out, "kafka_controller_kafkacontroller_preferredreplicaimbalancecount", "gauge",
                "Partitions of the cluster that another than their first replica leads.",
                node->not_preferred);
    text_single(out, "kafka_controller_kafkacontroller_globaltopiccount", "gauge",
                "Topics of the cluster.", node->topic_total);
    text_single(out, "kafka_controller_kafkacontroller_globalpartitioncount", "gauge",
                "Partitions of the cluster.", node->partition_total);
    text_single(out, "kafka_controller_kafkacontroller_activebrokercount", "gauge",
                "Brokers that are not fenced.", node->active_brokers);
    text_single(out, "kafka_controller_kafkacontroller_fencedbrokercount", "gauge",
                "Brokers that are registered and fenced.", node->fenced_brokers);
    text_single(out, "kafka_controller_kafkacontroller_lastappliedrecordoffset", "gauge",
                "Last metadata record that was applied.", (double)node->applied_offset);
    text_single(out, "kafka_controller_controllerstats_uncleanleaderelections_total", "counter",
                "Leaders elected by this controller that were not in sync.",
                (double)node->unclean_elections);
}

/* ---- Quorum ---------------------------------------------------------------------------------- */

static const char *role_name(const struct quorum_status *quorum) {
    switch (quorum->role) {
    case RAFT_LEADER:
        return "leader";
    case RAFT_CANDIDATE:
        return "candidate";
    case RAFT_PROSPECTIVE:
        return "prospective";
    case RAFT_RESIGNED:
        return "resigned";
    case RAFT_UNATTACHED:
        return "unattached";
    case RAFT_FOLLOWER:
        return quorum->voter ? "follower" : "observer";
    }
    return "unknown";
}

static void render_quorum_state(struct render *render) {
    const struct quorum_status *quorum = &render->node->quorum;
    struct buffer *out = render->out;
    struct buffer labels;
    buffer_init(&labels, SIZE_MAX);
    text_label(&labels, "current_state", slice_str(role_name(quorum)));
    text_family(out, "kafka_server_raftmetrics_current_state", "gauge",
                "1; what this node is in the metadata quorum.");
    text_int(out, "kafka_server_raftmetrics_current_state", buffer_slice(&labels), 1);
    buffer_release(&labels);
    text_single(out, "kafka_server_raftmetrics_current_leader", "gauge",
                "Leader of the metadata quorum; -1: not known.", quorum->leader);
    text_single(out, "kafka_server_raftmetrics_current_vote", "gauge",
                "Whom this node has voted for in this epoch; -1: nobody.", quorum->voted);
    text_single(out, "kafka_server_raftmetrics_current_epoch", "gauge",
                "Epoch of the metadata quorum.", quorum->epoch);
    text_single(out, "kafka_server_raftmetrics_high_watermark", "gauge",
                "Everything below it is committed, as this node knows.",
                (double)quorum->high_watermark);
    text_single(out, "kafka_server_raftmetrics_log_end_offset", "gauge",
                "Next offset of this node's metadata log.", (double)quorum->end_offset);
    text_single(out, "kafka_server_raftmetrics_log_end_epoch", "gauge",
                "Epoch of the last record of this node's metadata log.", quorum->end_epoch);
}

static void render_quorum(struct render *render) {
    const struct node_part *node = render->node;
    const struct quorum_counts *counts = &node->quorum.counts;
    struct buffer *out = render->out;
    render_quorum_state(render);
    text_single(out, "kafka_server_raftmetrics_append_records_rate", "gauge",
                "Metadata records appended as a leader, a second, since the page before.",
                node->appended_per_second);
    text_single(out, "kafka_server_raftmetrics_fetch_records_rate", "gauge",
                "Metadata records fetched, a second, since the page before.",
                node->fetched_per_second);
    text_single(out, "kafka_server_raftmetrics_commit_latency_avg", "gauge",
                "Milliseconds from append to commit of batches of this leader; the last that is "
                "known.",
                node->commit_ms);
    text_single(out, "kafka_server_raftchannelmetrics_request_total", "counter",
                "Requests of this node to others of the quorum.", (double)counts->peers.requests);
    text_single(out, "kafka_server_raftchannelmetrics_response_total", "counter",
                "Answers to them.", (double)counts->peers.answers);
    text_single(out, "kafka_server_raftchannelmetrics_outgoing_byte_total", "counter",
                "Bytes of those requests.", (double)counts->peers.bytes_out);
    text_single(out, "kafka_server_raftchannelmetrics_incoming_byte_total", "counter",
                "Bytes of those answers.", (double)counts->peers.bytes_in);
}

/* ---- Brokers and topics ---------------------------------------------------------------------- */

static void render_brokers(struct render *render) {
    const struct node_part *node = render->node;
    struct buffer *out = render->out;
    struct buffer labels;
    buffer_init(&labels, SIZE_MAX);
    text_single(out, "kafka_brokers", "gauge",
                "Brokers that are not fenced; told by the active controller.",
                node->active_brokers);
    text_family(out, "kafka_broker_info", "gauge", "1; a broker and its first listener.");
    for (int32_t i = 0; i < node->broker_count; i++) {
        struct buffer address;
        buffer_init(&address, SIZE_MAX);
        buffer_append_slice(&address, node->brokers[i].host);
        buffer_printf(&address, ":%d", (int)node->brokers[i].port);
        buffer_reset(&labels);
        text_label_int(&labels, "id", node->brokers[i].id);
        text_label(&labels, "address", buffer_slice(&address));
        text_int(out, "kafka_broker_info", buffer_slice(&labels), 1);
        buffer_release(&address);
    }
    buffer_release(&labels);
}

static void render_topics(struct render *render) {
    static const char name[] = "kafka_topic_partitions";
    struct buffer labels;
    buffer_init(&labels, SIZE_MAX);
    text_family(render->out, name, "gauge",
                "Partitions of a topic; told by the leader of its first.");
    for (const struct node_topic *topic = render->node->topics;
         topic != NULL && render_has_room(render); topic = topic->next) {
        buffer_reset(&labels);
        text_label(&labels, "topic", topic->name);
        text_int(render->out, name, buffer_slice(&labels), topic->partitions);
    }
    buffer_release(&labels);
}

/* ---- Log dirs -------------------------------------------------------------------------------- */

static void render_dir_family(struct render *render, const char *name, const char *help,
                              int64_t (*value)(const struct node_dir *dir)) {
    struct buffer labels;
    buffer_init(&labels, SIZE_MAX);
    text_family(render->out, name, "gauge", help);
    for (int32_t i = 0; i < render->node->dir_count; i++) {
        buffer_reset(&labels);
        text_label(&labels, "dir", slice_str(render->node->dirs[i].path));
        text_int(render->out, name, buffer_slice(&labels), value(&render->node->dirs[i]));
    }
    buffer_release(&labels);
}

static int64_t dir_total(const struct node_dir *dir) {
    return dir->total_bytes;
}
static int64_t dir_free(const struct node_dir *dir) {
    return dir->free_bytes;
}
static int64_t dir_online(const struct node_dir *dir) {
    return dir->online;
}

static void render_dirs(struct render *render) {
    int offline = 0;
    for (int32_t i = 0; i < render->node->dir_count; i++) {
        offline += !render->node->dirs[i].online;
    }
    text_single(render->out, "kafka_log_logmanager_offlinelogdirectorycount", "gauge",
                "Log directories of this node that have failed.", offline);
    render_dir_family(render, "barnabas_log_dir_online", "1 while the log directory works.",
                      dir_online);
    render_dir_family(render, "barnabas_log_dir_total_bytes",
                      "Size of the file system of a log directory.", dir_total);
    render_dir_family(render, "barnabas_log_dir_free_bytes", "What is free there for this process.",
                      dir_free);
}

/* ---- The process ----------------------------------------------------------------------------- */

static void render_process(struct render *render) {
    const struct process_usage *usage = render->usage;
    struct buffer *out = render->out;
    text_single(out, "process_cpu_seconds_total", "counter", "CPU time of the process.",
                usage->cpu_seconds);
    text_single(out, "process_resident_memory_bytes", "gauge", "Memory that is in RAM.",
                (double)usage->resident_bytes);
    text_single(out, "process_virtual_memory_bytes", "gauge", "Address space in use.",
                (double)usage->virtual_bytes);
    text_single(out, "process_open_fds", "gauge", "Open file descriptors.",
                (double)usage->open_fds);
    text_single(out, "process_max_fds", "gauge", "How many there may be.", (double)usage->max_fds);
    text_single(out, "process_threads", "gauge", "Threads of the process.", (double)usage->threads);
    text_single(out, "process_start_time_seconds", "gauge", "Start, in seconds since 1970.",
                floor(usage->start_seconds * 10) / 10);
    text_single(out, "kafka_server_kafkaserver_linux_disk_read_bytes", "gauge",
                "Bytes that the process has had read from storage.",
                (double)usage->disk_read_bytes);
    text_single(out, "kafka_server_kafkaserver_linux_disk_write_bytes", "gauge",
                "Bytes that the process has had written to storage.",
                (double)usage->disk_write_bytes);
}

void render_node(struct render *render) {
    const struct node_part *node = render->node;
    text_single(render->out, "barnabas_ready", "gauge", "1 when /readyz says so.", node->ready);
    text_single(render->out, "barnabas_shards", "gauge", "Loops of this node.", node->shard_count);
    if (node->is_controller) {
        render_controller(render);
    }
    if (node->has_quorum) {
        render_quorum(render);
    }
    if (node->active) {
        render_brokers(render);
    }
    render_topics(render);
    render_dirs(render);
    render_process(render);
}
