"""
What boards that people have ask of Kafka's metrics: panel, query, and what it needs to be more than
an empty answer. Taken from Strimzi's boards (Kafka, KRaft, Kafka Exporter; Apache License 2.0) and
kafka_exporter's (Grafana 7589), without their variables for namespaces and names of pods, which come
from labels that a scrape adds.

Not here, because a broker cannot answer: panels about a JVM (jvm_*), and those that Kubernetes
itself answers (container_*, kubelet_*).
"""

BY_POD = "by (kubernetes_pod_name)"
TOPIC = '{topic=~".+",topic!=""}'


def _topic_rate(what):
    return f"sum(irate(kafka_server_brokertopicmetrics_{what}_total{TOPIC}[5m]))"


STRIMZI_KAFKA = {
    "Brokers Online": "count(kafka_server_replicamanager_leadercount)",
    "Active Controllers": "sum(kafka_controller_kafkacontroller_activecontrollercount)",
    "Unclean Leader Election Rate":
        "sum(irate(kafka_controller_controllerstats_uncleanleaderelections_total[5m]))",
    "Online Replicas": "sum(kafka_server_replicamanager_partitioncount)",
    "Under Replicated Partitions": "sum(kafka_server_replicamanager_underreplicatedpartitions)",
    "Partitions at minimum ISR": "sum(kafka_cluster_partition_atminisr)",
    "Partitions under minimum ISR": "sum(kafka_cluster_partition_underminisr)",
    "Offline Partitions Count": "sum(kafka_controller_kafkacontroller_offlinepartitionscount)",
    "Open File Descriptors": f'sum(process_open_fds{{container="kafka"}}) {BY_POD}',
    "Total Incoming Byte Rate": _topic_rate("bytesin"),
    "Total Outgoing Byte Rate": _topic_rate("bytesout"),
    "Incoming Messages Rate": _topic_rate("messagesin"),
    "Total Produce Request Rate": _topic_rate("totalproducerequests"),
    "Produce Request Rate, failed": _topic_rate("failedproducerequests"),
    "Fetch Request Rate": _topic_rate("totalfetchrequests"),
    "Fetch Request Rate, failed": _topic_rate("failedfetchrequests"),
    "Network Processor Avg Idle Percent":
        f"sum(kafka_network_socketserver_networkprocessoravgidle_percent*100) {BY_POD}",
    "Request Handler Avg Idle Percent":
        f"sum(kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent*100) {BY_POD}",
    "Disk Writes": f"sum(irate(kafka_server_kafkaserver_linux_disk_write_bytes[5m])) {BY_POD}",
    "Disk Reads": f"sum(irate(kafka_server_kafkaserver_linux_disk_read_bytes[5m])) {BY_POD}",
    "Connection Count per Listener":
        "sum(kafka_server_socket_server_metrics_connection_count) "
        "by (kubernetes_pod_name, listener)",
    "Log Size": 'kafka_log_log_size{topic=~".+",partition=~".+"}',
    "variable kafka_topic": "kafka_cluster_partition_replicascount",
}

STRIMZI_KRAFT = {
    "Append Metadata Records Rate": f"sum(kafka_server_raftmetrics_append_records_rate) {BY_POD}",
    "Fetch Metadata Records Rate": f"sum(kafka_server_raftmetrics_fetch_records_rate) {BY_POD}",
    "Metadata Records Commit Latency": f"sum(kafka_server_raftmetrics_commit_latency_avg) {BY_POD}",
    "Current Raft State":
        "max(kafka_server_raftmetrics_current_state) by (kubernetes_pod_name, current_state)",
    "Current Quorum Leader": f"sum(kafka_server_raftmetrics_current_leader) {BY_POD}",
    "Current Voted Leader": f"sum(kafka_server_raftmetrics_current_vote) {BY_POD}",
    "Current Quorum Epoch": f"sum(kafka_server_raftmetrics_current_epoch) {BY_POD}",
    "Metadata Topic Incoming Bytes Rate":
        f"sum(irate(kafka_server_raftchannelmetrics_incoming_byte_total[5m])) {BY_POD}",
    "Metadata Topic Outgoing Bytes Rate":
        f"sum(irate(kafka_server_raftchannelmetrics_outgoing_byte_total[5m])) {BY_POD}",
    "Metadata Topic Requests Rate":
        f"sum(irate(kafka_server_raftchannelmetrics_request_total[5m])) {BY_POD}",
    "Metadata Topic Responses Rate":
        f"sum(irate(kafka_server_raftchannelmetrics_response_total[5m])) {BY_POD}",
    "High Watermark": f"sum(kafka_server_raftmetrics_high_watermark) {BY_POD}",
    "Log End Offset": f"sum(kafka_server_raftmetrics_log_end_offset) {BY_POD}",
}

GROUPS = '{consumergroup=~".+",topic=~".+"}'

STRIMZI_EXPORTER = {
    "Topics": "count(kafka_topic_partitions)",
    "Partitions": "sum(kafka_topic_partitions)",
    "Replicas": "sum(kafka_topic_partition_replicas)",
    "In Sync Replicas": "sum(kafka_topic_partition_in_sync_replica)",
    "Under Replicated Partitions": "sum(kafka_topic_partition_under_replicated_partition)",
    "Partitions not on preferred node":
        "sum(kafka_topic_partition_leader_is_preferred < bool 1)",
    "Messages in per second": "sum(rate(kafka_topic_partition_current_offset[5m])) by (topic)",
    "Messages consumed per second":
        f"sum(delta(kafka_consumergroup_current_offset{GROUPS}[5m])/300) by (consumergroup, topic)",
    "Lag by Consumer Group": f"sum(kafka_consumergroup_lag{GROUPS}) by (consumergroup, topic)",
    "Consumer Group Offsets":
        f"sum(kafka_consumergroup_current_offset{GROUPS}) by (consumergroup,partition,topic)",
    "Consumer Group Lag": f"sum(kafka_consumergroup_lag{GROUPS}) by (consumergroup,partition,topic)",
    "Number of Partitions": "sum(kafka_topic_partitions) by (topic)",
    "Latest Offsets": "sum(kafka_topic_partition_current_offset) by (partition,topic)",
    "Oldest Offsets": "sum(kafka_topic_partition_oldest_offset) by (partition,topic)",
    "variable cluster": "kafka_broker_info",
}

KAFKA_EXPORTER = {
    "Message in per second": "sum(rate(kafka_topic_partition_current_offset[1m])) by (topic)",
    "Lag by Consumer Group": "sum(kafka_consumergroup_lag) by (consumergroup, topic)",
    "Message in per minute": "sum(delta(kafka_topic_partition_current_offset[5m])/5) by (topic)",
    "Message consume per minute":
        "sum(delta(kafka_consumergroup_current_offset[5m])/5) by (consumergroup, topic)",
    "Partitions per Topic": "sum by(topic) (kafka_topic_partitions)",
}

BOARDS = {
    "Strimzi Kafka": STRIMZI_KAFKA,
    "Strimzi KRaft": STRIMZI_KRAFT,
    "Strimzi Kafka Exporter": STRIMZI_EXPORTER,
    "Kafka Exporter Overview": KAFKA_EXPORTER,
}
