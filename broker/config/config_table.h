/*
 * All configuration keys: name, type, default, allowed values, how they change, whether Barnabas
 * honours them, and what they mean. The single source of the parser, of DescribeConfigs, of the
 * alter APIs' validation and of docs/configuration.md.
 *
 * Names, types, defaults, ranges and modes are Apache Kafka's (4.3), so that its files are accepted
 * and its tools see what they expect; defaults that differ: node.id and process.roles, which Kafka
 * requires.
 *
 * Columns: identifier, name, type, default (NULL: not set), allowed values (config_value.h), update
 * mode or broker key that supplies the default, flags, support, meaning.
 */
#ifndef BROKER_CONFIG_CONFIG_TABLE_H
#define BROKER_CONFIG_CONFIG_TABLE_H

/* clang-format off */

#define CONFIG_BROKER_TABLE(X) \
    X(ADD_PARTITIONS_TO_TXN_RETRY_BACKOFF_MAX_MS, "add.partitions.to.txn.retry.backoff.max.ms", INT, "100", ">=0", READ_ONLY, 0, IGNORED, \
      "Upper bound of the pauses between retries of adding a partition to a transaction.") \
    X(ADD_PARTITIONS_TO_TXN_RETRY_BACKOFF_MS, "add.partitions.to.txn.retry.backoff.ms", INT, "20", ">=1", READ_ONLY, 0, IGNORED, \
      "First pause between retries of adding a partition to a transaction.") \
    X(ADVERTISED_LISTENERS, "advertised.listeners", LIST, NULL, "", READ_ONLY, 0, HONOURED, \
      "The addresses that clients are told to connect to. auto, the default, for listeners that are not named here: the listener's own address, or what works for each connection where it listens on all addresses (docs/image.md).") \
    X(ALTER_CONFIG_POLICY_CLASS_NAME, "alter.config.policy.class.name", CLASS, NULL, "", READ_ONLY, 0, REFUSED, \
      "A Java class that may forbid configuration changes.") \
    X(ALTER_LOG_DIRS_REPLICATION_QUOTA_WINDOW_NUM, "alter.log.dirs.replication.quota.window.num", INT, "11", ">=1", READ_ONLY, 0, HONOURED, \
      "How many samples the quota of moves between log directories remembers.") \
    X(ALTER_LOG_DIRS_REPLICATION_QUOTA_WINDOW_SIZE_SECONDS, "alter.log.dirs.replication.quota.window.size.seconds", INT, "1", ">=1", READ_ONLY, 0, HONOURED, \
      "How long one sample of the quota of moves between log directories lasts.") \
    X(AUTHORIZER_CLASS_NAME, "authorizer.class.name", STRING, "", "", READ_ONLY, 0, REFUSED, \
      "The authorizer; empty means that everybody may do everything.") \
    X(AUTO_CREATE_TOPICS_ENABLE, "auto.create.topics.enable", BOOLEAN, "true", "", READ_ONLY, 0, HONOURED, \
      "Whether asking for the metadata of a missing topic may create it.") \
    X(AUTO_LEADER_REBALANCE_ENABLE, "auto.leader.rebalance.enable", BOOLEAN, "true", "", READ_ONLY, 0, HONOURED, \
      "Whether the controller regularly gives leadership back to preferred replicas.") \
    X(BACKGROUND_THREADS, "background.threads", INT, "10", ">=1", CLUSTER_WIDE, 0, MEANINGLESS, \
      "Threads for background jobs in Kafka; Barnabas sizes its worker pool itself.") \
    X(BARNABAS_CLUSTER_ID, "barnabas.cluster.id", STRING, NULL, "", READ_ONLY, 0, HONOURED, \
      "The id of the cluster: log directories that are not formatted become its own at the start, those of another cluster are refused.") \
    X(BARNABAS_TOPICS, "barnabas.topics", STRING, NULL, "", READ_ONLY, 0, HONOURED, \
      "Topics to create at the start when they are missing: name:partitions[:replicas][;key=value]..., separated by commas.") \
    X(BROKER_HEARTBEAT_INTERVAL_MS, "broker.heartbeat.interval.ms", INT, "2000", "", READ_ONLY, 0, HONOURED, \
      "How often a broker tells the controller that it is alive.") \
    X(BROKER_ID, "broker.id", INT, "-1", "", READ_ONLY, 0, HONOURED, \
      "The older name of node.id.") \
    X(BROKER_RACK, "broker.rack", STRING, NULL, "", READ_ONLY, 0, HONOURED, \
      "The rack (or zone) of this broker, told to clients and used for placement.") \
    X(BROKER_SESSION_TIMEOUT_MS, "broker.session.timeout.ms", INT, "9000", "", READ_ONLY, 0, HONOURED, \
      "After how long without a heartbeat the controller fences a broker.") \
    X(CLIENT_QUOTA_CALLBACK_CLASS, "client.quota.callback.class", CLASS, NULL, "", READ_ONLY, 0, REFUSED, \
      "A Java class that computes client quotas.") \
    X(COMPRESSION_GZIP_LEVEL, "compression.gzip.level", INT, "-1", "1..9 or -1", CLUSTER_WIDE, 0, HONOURED, \
      "The gzip level for batches that the broker compresses; -1 is the library's default.") \
    X(COMPRESSION_LZ4_LEVEL, "compression.lz4.level", INT, "9", "1..17", CLUSTER_WIDE, 0, HONOURED, \
      "The lz4 level for batches that the broker compresses.") \
    X(COMPRESSION_TYPE, "compression.type", STRING, "producer", "uncompressed|zstd|lz4|snappy|gzip|producer", CLUSTER_WIDE, 0, HONOURED, \
      "The codec of stored batches; \"producer\" keeps what the producer chose.") \
    X(COMPRESSION_ZSTD_LEVEL, "compression.zstd.level", INT, "3", "-131072..22", CLUSTER_WIDE, 0, HONOURED, \
      "The zstd level for batches that the broker compresses.") \
    X(CONFIG_PROVIDERS, "config.providers", LIST, "", "", CLUSTER_WIDE, 0, REFUSED, \
      "Java classes that fill in ${...} placeholders of configuration values.") \
    X(CONNECTION_FAILED_AUTHENTICATION_DELAY_MS, "connection.failed.authentication.delay.ms", INT, "100", ">=0", READ_ONLY, 0, IGNORED, \
      "How long the answer to a failed authentication is held back.") \
    X(CONNECTIONS_MAX_IDLE_MS, "connections.max.idle.ms", LONG, "600000", "", READ_ONLY, 0, HONOURED, \
      "After how long without a request a connection is closed.") \
    X(CONNECTIONS_MAX_REAUTH_MS, "connections.max.reauth.ms", LONG, "0", "", READ_ONLY, 0, IGNORED, \
      "How long an authenticated session lasts before the client must authenticate again; 0 is for ever.") \
    X(CONTROLLED_SHUTDOWN_ENABLE, "controlled.shutdown.enable", BOOLEAN, "true", "", READ_ONLY, 0, HONOURED, \
      "Whether leadership is moved away before the broker stops.") \
    X(CONTROLLER_LISTENER_NAMES, "controller.listener.names", LIST, NULL, "", READ_ONLY, 0, HONOURED, \
      "Which of the listeners belong to the controller.") \
    X(CONTROLLER_PERFORMANCE_ALWAYS_LOG_THRESHOLD_MS, "controller.performance.always.log.threshold.ms", LONG, "2000", ">=0", READ_ONLY, 1, IGNORED, \
      "Controller events that take longer than this are logged.") \
    X(CONTROLLER_PERFORMANCE_SAMPLE_PERIOD_MS, "controller.performance.sample.period.ms", LONG, "60000", ">=100", READ_ONLY, 1, IGNORED, \
      "How often slow controller events are summed up in the log.") \
    X(CONTROLLER_QUORUM_APPEND_LINGER_MS, "controller.quorum.append.linger.ms", INT, "25", ">=0", READ_ONLY, 0, IGNORED, \
      "How long the controller waits to put several records in one batch.") \
    X(CONTROLLER_QUORUM_AUTO_JOIN_ENABLE, "controller.quorum.auto.join.enable", BOOLEAN, "false", "", READ_ONLY, 0, HONOURED, \
      "Whether a new controller joins the voters by itself.") \
    X(CONTROLLER_QUORUM_BOOTSTRAP_SERVERS, "controller.quorum.bootstrap.servers", LIST, "", "", READ_ONLY, 0, HONOURED, \
      "Where the controllers of the cluster can be found.") \
    X(CONTROLLER_QUORUM_ELECTION_BACKOFF_MAX_MS, "controller.quorum.election.backoff.max.ms", INT, "1000", ">=0", READ_ONLY, 0, HONOURED, \
      "Upper bound of the pause before another election.") \
    X(CONTROLLER_QUORUM_ELECTION_TIMEOUT_MS, "controller.quorum.election.timeout.ms", INT, "1000", ">=0", READ_ONLY, 0, HONOURED, \
      "How long a candidate waits for votes before it tries again.") \
    X(CONTROLLER_QUORUM_FETCH_MAX_BYTES, "controller.quorum.fetch.max.bytes", INT, "1048576", ">=1", READ_ONLY, 0, HONOURED, \
      "How many bytes of the metadata log one fetch may carry.") \
    X(CONTROLLER_QUORUM_FETCH_SNAPSHOT_MAX_BYTES, "controller.quorum.fetch.snapshot.max.bytes", INT, "1048576", ">=1", READ_ONLY, 0, HONOURED, \
      "How many bytes of a metadata snapshot one fetch may carry.") \
    X(CONTROLLER_QUORUM_FETCH_TIMEOUT_MS, "controller.quorum.fetch.timeout.ms", INT, "2000", ">=0", READ_ONLY, 0, HONOURED, \
      "After how long without a successful fetch a follower calls an election.") \
    X(CONTROLLER_QUORUM_REQUEST_TIMEOUT_MS, "controller.quorum.request.timeout.ms", INT, "2000", ">=0", READ_ONLY, 0, HONOURED, \
      "How long a request between controllers may take.") \
    X(CONTROLLER_QUORUM_RETRY_BACKOFF_MS, "controller.quorum.retry.backoff.ms", INT, "20", ">=0", READ_ONLY, 0, HONOURED, \
      "The pause before a request between controllers is sent again.") \
    X(CONTROLLER_QUORUM_VOTERS, "controller.quorum.voters", LIST, "", "", READ_ONLY, 0, HONOURED, \
      "The fixed voters of the metadata quorum, each as id@host:port.") \
    X(CONTROLLER_QUOTA_WINDOW_NUM, "controller.quota.window.num", INT, "11", ">=1", READ_ONLY, 0, IGNORED, \
      "How many samples the quota of controller mutations remembers.") \
    X(CONTROLLER_QUOTA_WINDOW_SIZE_SECONDS, "controller.quota.window.size.seconds", INT, "1", ">=1", READ_ONLY, 0, IGNORED, \
      "How long one sample of the quota of controller mutations lasts.") \
    X(CONTROLLER_SOCKET_TIMEOUT_MS, "controller.socket.timeout.ms", INT, "30000", "", READ_ONLY, 0, IGNORED, \
      "How long a broker waits for the controller's answers.") \
    X(CORDONED_LOG_DIRS, "cordoned.log.dirs", LIST, "", "", PER_BROKER, 0, IGNORED, \
      "Log directories that get no new partitions; * stands for all.") \
    X(CREATE_TOPIC_POLICY_CLASS_NAME, "create.topic.policy.class.name", CLASS, NULL, "", READ_ONLY, 0, REFUSED, \
      "A Java class that may forbid the creation of topics.") \
    X(DEFAULT_REPLICATION_FACTOR, "default.replication.factor", INT, "1", ">=1", READ_ONLY, 0, HONOURED, \
      "How many replicas a topic gets when nobody says.") \
    X(DELEGATION_TOKEN_EXPIRY_CHECK_INTERVAL_MS, "delegation.token.expiry.check.interval.ms", LONG, "3600000", ">=1", READ_ONLY, 0, IGNORED, \
      "How often expired delegation tokens are removed.") \
    X(DELEGATION_TOKEN_EXPIRY_TIME_MS, "delegation.token.expiry.time.ms", LONG, "86400000", ">=1", READ_ONLY, 0, IGNORED, \
      "How long a delegation token is valid without renewal.") \
    X(DELEGATION_TOKEN_MAX_LIFETIME_MS, "delegation.token.max.lifetime.ms", LONG, "604800000", ">=1", READ_ONLY, 0, IGNORED, \
      "How long a delegation token can be valid at most.") \
    X(DELEGATION_TOKEN_SECRET_KEY, "delegation.token.secret.key", PASSWORD, NULL, "", READ_ONLY, 0, IGNORED, \
      "The secret that signs delegation tokens; without it there are none.") \
    X(DELETE_RECORDS_PURGATORY_PURGE_INTERVAL_REQUESTS, "delete.records.purgatory.purge.interval.requests", INT, "1", "", READ_ONLY, 0, MEANINGLESS, \
      "When Kafka tidies its list of waiting DeleteRecords requests.") \
    X(DELETE_TOPIC_ENABLE, "delete.topic.enable", BOOLEAN, "true", "", READ_ONLY, 0, HONOURED, \
      "Whether topics can be deleted.") \
    X(EARLY_START_LISTENERS, "early.start.listeners", LIST, NULL, "", READ_ONLY, 0, IGNORED, \
      "Listeners that open before the authorizer is ready.") \
    X(FETCH_MAX_BYTES, "fetch.max.bytes", INT, "57671680", ">=1024", READ_ONLY, 0, HONOURED, \
      "How many bytes one fetch response may carry.") \
    X(FETCH_PURGATORY_PURGE_INTERVAL_REQUESTS, "fetch.purgatory.purge.interval.requests", INT, "1000", "", READ_ONLY, 0, MEANINGLESS, \
      "When Kafka tidies its list of waiting fetches.") \
    X(FOLLOWER_FETCH_LAST_TIERED_OFFSET_ENABLE, "follower.fetch.last.tiered.offset.enable", BOOLEAN, "false", "", CLUSTER_WIDE, 0, IGNORED, \
      "Whether an empty follower starts at the last offset in tiered storage.") \
    X(GROUP_CONSUMER_ASSIGNMENT_INTERVAL_MS, "group.consumer.assignment.interval.ms", INT, "1000", ">=0", CLUSTER_WIDE, 0, IGNORED, \
      "The least time between two assignments of a group of the consumer protocol.") \
    X(GROUP_CONSUMER_ASSIGNORS, "group.consumer.assignors", LIST, "uniform,range", "", READ_ONLY, 0, IGNORED, \
      "Assignors of the consumer protocol; the first is the default.") \
    X(GROUP_CONSUMER_HEARTBEAT_INTERVAL_MS, "group.consumer.heartbeat.interval.ms", INT, "5000", ">=1", READ_ONLY, 0, IGNORED, \
      "How often members of the consumer protocol send heartbeats.") \
    X(GROUP_CONSUMER_MAX_ASSIGNMENT_INTERVAL_MS, "group.consumer.max.assignment.interval.ms", INT, "15000", ">=0", READ_ONLY, 0, IGNORED, \
      "The largest assignment interval that a group may set.") \
    X(GROUP_CONSUMER_MAX_HEARTBEAT_INTERVAL_MS, "group.consumer.max.heartbeat.interval.ms", INT, "15000", ">=1", READ_ONLY, 0, IGNORED, \
      "The largest heartbeat interval that a consumer-protocol group may set.") \
    X(GROUP_CONSUMER_MAX_SESSION_TIMEOUT_MS, "group.consumer.max.session.timeout.ms", INT, "60000", ">=1", READ_ONLY, 0, IGNORED, \
      "The largest session timeout that a consumer-protocol group may set.") \
    X(GROUP_CONSUMER_MAX_SIZE, "group.consumer.max.size", INT, "2147483647", ">=1", READ_ONLY, 0, IGNORED, \
      "How many members a consumer-protocol group may have.") \
    X(GROUP_CONSUMER_MIGRATION_POLICY, "group.consumer.migration.policy", STRING, "bidirectional", "~disabled|downgrade|upgrade|bidirectional", READ_ONLY, 0, IGNORED, \
      "In which directions groups may change between the classic and the consumer protocol.") \
    X(GROUP_CONSUMER_MIN_ASSIGNMENT_INTERVAL_MS, "group.consumer.min.assignment.interval.ms", INT, "0", ">=0", READ_ONLY, 0, IGNORED, \
      "The smallest assignment interval that a group may set.") \
    X(GROUP_CONSUMER_MIN_HEARTBEAT_INTERVAL_MS, "group.consumer.min.heartbeat.interval.ms", INT, "5000", ">=1", READ_ONLY, 0, IGNORED, \
      "The smallest heartbeat interval that a consumer-protocol group may set.") \
    X(GROUP_CONSUMER_MIN_SESSION_TIMEOUT_MS, "group.consumer.min.session.timeout.ms", INT, "45000", ">=1", READ_ONLY, 0, IGNORED, \
      "The smallest session timeout that a consumer-protocol group may set.") \
    X(GROUP_CONSUMER_REGEX_REFRESH_INTERVAL_MS, "group.consumer.regex.refresh.interval.ms", INT, "600000", ">=10000", READ_ONLY, 1, IGNORED, \
      "How often subscribed patterns are matched against the topics again.") \
    X(GROUP_CONSUMER_SESSION_TIMEOUT_MS, "group.consumer.session.timeout.ms", INT, "45000", ">=1", READ_ONLY, 0, IGNORED, \
      "After how long without a heartbeat a member of the consumer protocol is removed.") \
    X(GROUP_COORDINATOR_APPEND_LINGER_MS, "group.coordinator.append.linger.ms", INT, "-1", ">=-1", READ_ONLY, 0, IGNORED, \
      "How long the group coordinator waits to put several records in one batch; -1 adapts to the load.") \
    X(GROUP_COORDINATOR_BACKGROUND_THREADS, "group.coordinator.background.threads", INT, "2", ">=1", READ_ONLY, 0, MEANINGLESS, \
      "Threads of Kafka that compute assignments.") \
    X(GROUP_COORDINATOR_CACHED_BUFFER_MAX_BYTES, "group.coordinator.cached.buffer.max.bytes", INT, "1048588", ">=524288", CLUSTER_WIDE, 0, MEANINGLESS, \
      "How large a write buffer Kafka's coordinator keeps between uses.") \
    X(GROUP_COORDINATOR_REBALANCE_PROTOCOLS, "group.coordinator.rebalance.protocols", LIST, "classic,consumer,streams", "consumer|classic|share|streams", READ_ONLY, 0, IGNORED, \
      "The group protocols that are offered.") \
    X(GROUP_COORDINATOR_THREADS, "group.coordinator.threads", INT, "4", ">=1", READ_ONLY, 0, MEANINGLESS, \
      "Threads of Kafka's group coordinator; in Barnabas each shard runs its own coordinator.") \
    X(GROUP_INITIAL_REBALANCE_DELAY_MS, "group.initial.rebalance.delay.ms", INT, "3000", "", READ_ONLY, 0, HONOURED, \
      "How long an empty group waits for more members before its first rebalance.") \
    X(GROUP_MAX_SESSION_TIMEOUT_MS, "group.max.session.timeout.ms", INT, "1800000", "", READ_ONLY, 0, HONOURED, \
      "The largest session timeout that a member of a classic group may ask for.") \
    X(GROUP_MAX_SIZE, "group.max.size", INT, "2147483647", ">=1", READ_ONLY, 0, HONOURED, \
      "How many members a classic group may have.") \
    X(GROUP_MIN_SESSION_TIMEOUT_MS, "group.min.session.timeout.ms", INT, "6000", ">=1", READ_ONLY, 0, HONOURED, \
      "The smallest session timeout that a member of a classic group may ask for.") \
    X(GROUP_SHARE_ASSIGNMENT_INTERVAL_MS, "group.share.assignment.interval.ms", INT, "1000", ">=0", CLUSTER_WIDE, 0, IGNORED, \
      "The least time between two assignments of a share group.") \
    X(GROUP_SHARE_ASSIGNORS, "group.share.assignors", LIST, "simple", "", READ_ONLY, 0, IGNORED, \
      "Assignors of share groups.") \
    X(GROUP_SHARE_DELIVERY_COUNT_LIMIT, "group.share.delivery.count.limit", INT, "5", "2..10", READ_ONLY, 0, IGNORED, \
      "How often a record is delivered to a share group before it is given up.") \
    X(GROUP_SHARE_HEARTBEAT_INTERVAL_MS, "group.share.heartbeat.interval.ms", INT, "5000", ">=1", READ_ONLY, 0, IGNORED, \
      "How often members of share groups send heartbeats.") \
    X(GROUP_SHARE_INITIALIZE_RETRY_INTERVAL_MS, "group.share.initialize.retry.interval.ms", INT, "30000", ">=1", READ_ONLY, 1, IGNORED, \
      "When the set-up of share state is tried again.") \
    X(GROUP_SHARE_MAX_ASSIGNMENT_INTERVAL_MS, "group.share.max.assignment.interval.ms", INT, "15000", ">=0", READ_ONLY, 0, IGNORED, \
      "The largest assignment interval that a share group may set.") \
    X(GROUP_SHARE_MAX_DELIVERY_COUNT_LIMIT, "group.share.max.delivery.count.limit", INT, "10", "5..25", READ_ONLY, 0, IGNORED, \
      "The largest delivery count that a share group may set.") \
    X(GROUP_SHARE_MAX_HEARTBEAT_INTERVAL_MS, "group.share.max.heartbeat.interval.ms", INT, "15000", ">=1", READ_ONLY, 0, IGNORED, \
      "The largest heartbeat interval that a share group may set.") \
    X(GROUP_SHARE_MAX_PARTITION_MAX_RECORD_LOCKS, "group.share.max.partition.max.record.locks", INT, "4000", "2000..10000", READ_ONLY, 0, IGNORED, \
      "The largest number of locked records that a share group may set.") \
    X(GROUP_SHARE_MAX_RECORD_LOCK_DURATION_MS, "group.share.max.record.lock.duration.ms", INT, "60000", "30000..3600000", READ_ONLY, 0, IGNORED, \
      "The longest record lock that a share group may set.") \
    X(GROUP_SHARE_MAX_SESSION_TIMEOUT_MS, "group.share.max.session.timeout.ms", INT, "60000", ">=1", READ_ONLY, 0, IGNORED, \
      "The largest session timeout that a share group may set.") \
    X(GROUP_SHARE_MAX_SHARE_SESSIONS, "group.share.max.share.sessions", INT, "2000", ">=1", READ_ONLY, 0, IGNORED, \
      "How many share sessions a broker keeps.") \
    X(GROUP_SHARE_MAX_SIZE, "group.share.max.size", INT, "200", "1..1000", READ_ONLY, 0, IGNORED, \
      "How many members a share group may have.") \
    X(GROUP_SHARE_MIN_ASSIGNMENT_INTERVAL_MS, "group.share.min.assignment.interval.ms", INT, "0", ">=0", READ_ONLY, 0, IGNORED, \
      "The smallest assignment interval that a share group may set.") \
    X(GROUP_SHARE_MIN_DELIVERY_COUNT_LIMIT, "group.share.min.delivery.count.limit", INT, "2", "2..5", READ_ONLY, 0, IGNORED, \
      "The smallest delivery count that a share group may set.") \
    X(GROUP_SHARE_MIN_HEARTBEAT_INTERVAL_MS, "group.share.min.heartbeat.interval.ms", INT, "5000", ">=1", READ_ONLY, 0, IGNORED, \
      "The smallest heartbeat interval that a share group may set.") \
    X(GROUP_SHARE_MIN_PARTITION_MAX_RECORD_LOCKS, "group.share.min.partition.max.record.locks", INT, "100", "100..2000", READ_ONLY, 0, IGNORED, \
      "The smallest number of locked records that a share group may set.") \
    X(GROUP_SHARE_MIN_RECORD_LOCK_DURATION_MS, "group.share.min.record.lock.duration.ms", INT, "15000", "1000..30000", READ_ONLY, 0, IGNORED, \
      "The shortest record lock that a share group may set.") \
    X(GROUP_SHARE_MIN_SESSION_TIMEOUT_MS, "group.share.min.session.timeout.ms", INT, "45000", ">=1", READ_ONLY, 0, IGNORED, \
      "The smallest session timeout that a share group may set.") \
    X(GROUP_SHARE_PARTITION_MAX_RECORD_LOCKS, "group.share.partition.max.record.locks", INT, "2000", "100..10000", READ_ONLY, 0, IGNORED, \
      "How many records of one partition a share group may hold at a time.") \
    X(GROUP_SHARE_PERSISTER_CLASS_NAME, "group.share.persister.class.name", STRING, "org.apache.kafka.server.share.persister.DefaultStatePersister", "", READ_ONLY, 1, MEANINGLESS, \
      "The Java class that stores share state.") \
    X(GROUP_SHARE_RECORD_LOCK_DURATION_MS, "group.share.record.lock.duration.ms", INT, "30000", "1000..3600000", READ_ONLY, 0, IGNORED, \
      "How long a member of a share group holds a record before it is offered again.") \
    X(GROUP_SHARE_SESSION_TIMEOUT_MS, "group.share.session.timeout.ms", INT, "45000", ">=1", READ_ONLY, 0, IGNORED, \
      "After how long without a heartbeat a member of a share group is removed.") \
    X(GROUP_STREAMS_ASSIGNMENT_INTERVAL_MS, "group.streams.assignment.interval.ms", INT, "1000", ">=0", CLUSTER_WIDE, 0, IGNORED, \
      "The least time between two assignments of a streams group.") \
    X(GROUP_STREAMS_HEARTBEAT_INTERVAL_MS, "group.streams.heartbeat.interval.ms", INT, "5000", ">=1", READ_ONLY, 0, IGNORED, \
      "How often members of streams groups send heartbeats.") \
    X(GROUP_STREAMS_INITIAL_REBALANCE_DELAY_MS, "group.streams.initial.rebalance.delay.ms", INT, "3000", ">=0", READ_ONLY, 0, IGNORED, \
      "How long an empty streams group waits before its first assignment.") \
    X(GROUP_STREAMS_MAX_ASSIGNMENT_INTERVAL_MS, "group.streams.max.assignment.interval.ms", INT, "15000", ">=0", READ_ONLY, 0, IGNORED, \
      "The largest assignment interval that a streams group may set.") \
    X(GROUP_STREAMS_MAX_HEARTBEAT_INTERVAL_MS, "group.streams.max.heartbeat.interval.ms", INT, "15000", ">=1", READ_ONLY, 0, IGNORED, \
      "The largest heartbeat interval that a streams group may set.") \
    X(GROUP_STREAMS_MAX_SESSION_TIMEOUT_MS, "group.streams.max.session.timeout.ms", INT, "60000", ">=1", READ_ONLY, 0, IGNORED, \
      "The largest session timeout that a streams group may set.") \
    X(GROUP_STREAMS_MAX_SIZE, "group.streams.max.size", INT, "2147483647", ">=1", READ_ONLY, 0, IGNORED, \
      "How many members a streams group may have.") \
    X(GROUP_STREAMS_MAX_STANDBY_REPLICAS, "group.streams.max.standby.replicas", INT, "2", ">=0", READ_ONLY, 0, IGNORED, \
      "How many standby copies of a task a streams group may ask for.") \
    X(GROUP_STREAMS_MIN_ASSIGNMENT_INTERVAL_MS, "group.streams.min.assignment.interval.ms", INT, "0", ">=0", READ_ONLY, 0, IGNORED, \
      "The smallest assignment interval that a streams group may set.") \
    X(GROUP_STREAMS_MIN_HEARTBEAT_INTERVAL_MS, "group.streams.min.heartbeat.interval.ms", INT, "5000", ">=1", READ_ONLY, 0, IGNORED, \
      "The smallest heartbeat interval that a streams group may set.") \
    X(GROUP_STREAMS_MIN_SESSION_TIMEOUT_MS, "group.streams.min.session.timeout.ms", INT, "45000", ">=1", READ_ONLY, 0, IGNORED, \
      "The smallest session timeout that a streams group may set.") \
    X(GROUP_STREAMS_NUM_STANDBY_REPLICAS, "group.streams.num.standby.replicas", INT, "0", ">=0", READ_ONLY, 0, IGNORED, \
      "Standby copies of each task of a streams group.") \
    X(GROUP_STREAMS_SESSION_TIMEOUT_MS, "group.streams.session.timeout.ms", INT, "45000", ">=1", READ_ONLY, 0, IGNORED, \
      "After how long without a heartbeat a member of a streams group is removed.") \
    X(INITIAL_BROKER_REGISTRATION_TIMEOUT_MS, "initial.broker.registration.timeout.ms", INT, "60000", "", READ_ONLY, 0, HONOURED, \
      "How long a starting broker tries to register before it gives up.") \
    X(INTER_BROKER_LISTENER_NAME, "inter.broker.listener.name", STRING, NULL, "", READ_ONLY, 0, HONOURED, \
      "The listener that brokers use among themselves.") \
    X(INTERNAL_METADATA_DELETE_DELAY_MILLIS, "internal.metadata.delete.delay.millis", LONG, "60000", "", READ_ONLY, 1, IGNORED, \
      "How long deleted files of the metadata log stay on disk.") \
    X(INTERNAL_METADATA_LOG_SEGMENT_BYTES, "internal.metadata.log.segment.bytes", INT, NULL, "", READ_ONLY, 1, IGNORED, \
      "Segment size of the metadata log, for tests.") \
    X(INTERNAL_METADATA_MAX_BATCH_SIZE_IN_BYTES, "internal.metadata.max.batch.size.in.bytes", INT, "8388608", "", READ_ONLY, 1, IGNORED, \
      "Largest batch of the metadata log, for tests.") \
    X(KAFKA_METRICS_POLLING_INTERVAL_SECS, "kafka.metrics.polling.interval.secs", INT, "10", ">=1", READ_ONLY, 0, MEANINGLESS, \
      "How often Kafka's older Java metric reporters are asked.") \
    X(KAFKA_METRICS_REPORTERS, "kafka.metrics.reporters", LIST, "", "", READ_ONLY, 0, MEANINGLESS, \
      "Java classes that report metrics, older kind.") \
    X(LEADER_IMBALANCE_CHECK_INTERVAL_SECONDS, "leader.imbalance.check.interval.seconds", LONG, "300", ">=1", READ_ONLY, 0, HONOURED, \
      "How often the controller looks for leaders that are not the preferred ones.") \
    X(LISTENER_SECURITY_PROTOCOL_MAP, "listener.security.protocol.map", STRING, "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT", "", PER_BROKER, 0, HONOURED, \
      "The security protocol of each listener name.") \
    X(LISTENERS, "listeners", LIST, "PLAINTEXT://:9092", "", PER_BROKER, 0, HONOURED, \
      "The addresses to listen on, each NAME://host:port; an empty host means all addresses.") \
    X(LOG_CLEANER_BACKOFF_MS, "log.cleaner.backoff.ms", LONG, "15000", ">=0", CLUSTER_WIDE, 0, IGNORED, \
      "How long the log cleaner rests when there is nothing to clean.") \
    X(LOG_CLEANER_DEDUPE_BUFFER_SIZE, "log.cleaner.dedupe.buffer.size", LONG, "134217728", "", CLUSTER_WIDE, 0, IGNORED, \
      "Memory of the log cleaner for remembering keys.") \
    X(LOG_CLEANER_DELETE_RETENTION_MS, "log.cleaner.delete.retention.ms", LONG, "86400000", ">=0", CLUSTER_WIDE, 0, IGNORED, \
      "How long delete markers stay readable in a compacted topic.") \
    X(LOG_CLEANER_ENABLE, "log.cleaner.enable", BOOLEAN, "true", "", READ_ONLY, 0, IGNORED, \
      "Whether compacted topics are compacted.") \
    X(LOG_CLEANER_IO_BUFFER_LOAD_FACTOR, "log.cleaner.io.buffer.load.factor", DOUBLE, "0.9", "", CLUSTER_WIDE, 0, IGNORED, \
      "How full the log cleaner's table of keys may get.") \
    X(LOG_CLEANER_IO_BUFFER_SIZE, "log.cleaner.io.buffer.size", INT, "524288", ">=0", CLUSTER_WIDE, 0, IGNORED, \
      "Memory of the log cleaner for reading and writing.") \
    X(LOG_CLEANER_IO_MAX_BYTES_PER_SECOND, "log.cleaner.io.max.bytes.per.second", DOUBLE, "1.7976931348623157E308", "", CLUSTER_WIDE, 0, IGNORED, \
      "How fast the log cleaner may read and write.") \
    X(LOG_CLEANER_MAX_COMPACTION_LAG_MS, "log.cleaner.max.compaction.lag.ms", LONG, "9223372036854775807", ">=1", CLUSTER_WIDE, 0, IGNORED, \
      "After how long at most a record becomes subject to compaction.") \
    X(LOG_CLEANER_MIN_CLEANABLE_RATIO, "log.cleaner.min.cleanable.ratio", DOUBLE, "0.5", "0..1", CLUSTER_WIDE, 0, IGNORED, \
      "How large the uncleaned part of a log must be before it is cleaned.") \
    X(LOG_CLEANER_MIN_COMPACTION_LAG_MS, "log.cleaner.min.compaction.lag.ms", LONG, "0", ">=0", CLUSTER_WIDE, 0, IGNORED, \
      "For how long at least a record is left uncompacted.") \
    X(LOG_CLEANER_THREADS, "log.cleaner.threads", INT, "1", ">=0", CLUSTER_WIDE, 0, IGNORED, \
      "How many threads clean logs.") \
    X(LOG_CLEANUP_POLICY, "log.cleanup.policy", LIST, "delete", "compact|delete", CLUSTER_WIDE, 0, HONOURED, \
      "What happens to old records: \"delete\" them, \"compact\" them by key, or both.") \
    X(LOG_DIR, "log.dir", LIST, "/tmp/kafka-logs", "", READ_ONLY, 0, HONOURED, \
      "The directory of the logs, where log.dirs is not set.") \
    X(LOG_DIR_FAILURE_TIMEOUT_MS, "log.dir.failure.timeout.ms", LONG, "30000", ">=1", READ_ONLY, 0, IGNORED, \
      "How long a broker with a failed log directory may fail to tell the controller.") \
    X(LOG_DIRS, "log.dirs", LIST, NULL, "", READ_ONLY, 0, HONOURED, \
      "The directories of the logs, separated by commas.") \
    X(LOG_DURABILITY, "log.durability", STRING, "fsync", "fsync|page-cache", CLUSTER_WIDE, 0, HONOURED, \
      "Whether acks=all means on the disk (fsync) or, as in Kafka, in the memory of the operating system (page-cache).") \
    X(LOG_FLUSH_INTERVAL_MESSAGES, "log.flush.interval.messages", LONG, "9223372036854775807", ">=1", CLUSTER_WIDE, 0, HONOURED, \
      "After how many records a log is forced to disk.") \
    X(LOG_FLUSH_INTERVAL_MS, "log.flush.interval.ms", LONG, NULL, "", CLUSTER_WIDE, 0, HONOURED, \
      "After how long a log is forced to disk.") \
    X(LOG_FLUSH_OFFSET_CHECKPOINT_INTERVAL_MS, "log.flush.offset.checkpoint.interval.ms", INT, "60000", ">=0", READ_ONLY, 0, HONOURED, \
      "How often recovery points are written.") \
    X(LOG_FLUSH_SCHEDULER_INTERVAL_MS, "log.flush.scheduler.interval.ms", LONG, "9223372036854775807", "", READ_ONLY, 0, HONOURED, \
      "The fallback of log.flush.interval.ms.") \
    X(LOG_FLUSH_START_OFFSET_CHECKPOINT_INTERVAL_MS, "log.flush.start.offset.checkpoint.interval.ms", INT, "60000", ">=0", READ_ONLY, 0, HONOURED, \
      "How often log start offsets are written.") \
    X(LOG_INDEX_INTERVAL_BYTES, "log.index.interval.bytes", INT, "4096", ">=0", CLUSTER_WIDE, 0, HONOURED, \
      "How many bytes of log lie between two index entries.") \
    X(LOG_INDEX_SIZE_MAX_BYTES, "log.index.size.max.bytes", INT, "10485760", ">=4", CLUSTER_WIDE, 0, HONOURED, \
      "How large an index file may get.") \
    X(LOG_INITIAL_TASK_DELAY_MS, "log.initial.task.delay.ms", LONG, "30000", ">=0", READ_ONLY, 1, HONOURED, \
      "How long after the start the first periodic work on logs begins.") \
    X(LOG_LOCAL_RETENTION_BYTES, "log.local.retention.bytes", LONG, "-2", ">=-2", CLUSTER_WIDE, 0, IGNORED, \
      "How many bytes of a tiered topic stay on the local disk.") \
    X(LOG_LOCAL_RETENTION_MS, "log.local.retention.ms", LONG, "-2", ">=-2", CLUSTER_WIDE, 0, IGNORED, \
      "How long records of a tiered topic stay on the local disk.") \
    X(LOG_MESSAGE_TIMESTAMP_AFTER_MAX_MS, "log.message.timestamp.after.max.ms", LONG, "3600000", ">=0", CLUSTER_WIDE, 0, HONOURED, \
      "How far a record's timestamp may be in the future.") \
    X(LOG_MESSAGE_TIMESTAMP_BEFORE_MAX_MS, "log.message.timestamp.before.max.ms", LONG, "9223372036854775807", ">=0", CLUSTER_WIDE, 0, HONOURED, \
      "How far a record's timestamp may be in the past.") \
    X(LOG_MESSAGE_TIMESTAMP_TYPE, "log.message.timestamp.type", STRING, "CreateTime", "CreateTime|LogAppendTime", CLUSTER_WIDE, 0, HONOURED, \
      "Whether records keep the producer's time (CreateTime) or get the broker's (LogAppendTime).") \
    X(LOG_PREALLOCATE, "log.preallocate", BOOLEAN, "false", "", CLUSTER_WIDE, 0, IGNORED, \
      "Whether segment files get their full size when they are created.") \
    X(LOG_RETENTION_BYTES, "log.retention.bytes", LONG, "-1", "", CLUSTER_WIDE, 0, HONOURED, \
      "How large a partition may get before its oldest segments are deleted; -1 is no limit.") \
    X(LOG_RETENTION_CHECK_INTERVAL_MS, "log.retention.check.interval.ms", LONG, "300000", ">=1", READ_ONLY, 0, HONOURED, \
      "How often old segments are looked for.") \
    X(LOG_RETENTION_HOURS, "log.retention.hours", INT, "168", ">=1 or -1", READ_ONLY, 0, HONOURED, \
      "How many hours records are kept, where neither ms nor minutes are set.") \
    X(LOG_RETENTION_MINUTES, "log.retention.minutes", INT, NULL, ">=1 or -1", READ_ONLY, 0, HONOURED, \
      "How many minutes records are kept, where ms is not set.") \
    X(LOG_RETENTION_MS, "log.retention.ms", LONG, NULL, ">=1 or -1", CLUSTER_WIDE, 0, HONOURED, \
      "How long records are kept; -1 is for ever.") \
    X(LOG_ROLL_HOURS, "log.roll.hours", INT, "168", ">=1", READ_ONLY, 0, HONOURED, \
      "After how many hours a new segment begins, where ms is not set.") \
    X(LOG_ROLL_JITTER_HOURS, "log.roll.jitter.hours", INT, "0", ">=0", READ_ONLY, 0, HONOURED, \
      "By up to how many hours segments begin earlier, where ms is not set.") \
    X(LOG_ROLL_JITTER_MS, "log.roll.jitter.ms", LONG, NULL, ">=0", CLUSTER_WIDE, 0, HONOURED, \
      "By up to how long segments begin earlier, so that not all do at once.") \
    X(LOG_ROLL_MS, "log.roll.ms", LONG, NULL, ">=1", CLUSTER_WIDE, 0, HONOURED, \
      "After how long a new segment begins, even when the last is not full.") \
    X(LOG_SEGMENT_BYTES, "log.segment.bytes", INT, "1073741824", ">=1048576", CLUSTER_WIDE, 0, HONOURED, \
      "How large a segment file gets.") \
    X(LOG_SEGMENT_DELETE_DELAY_MS, "log.segment.delete.delay.ms", LONG, "60000", ">=0", CLUSTER_WIDE, 0, HONOURED, \
      "How long a deleted segment stays on disk.") \
    X(MAX_CONNECTION_CREATION_RATE, "max.connection.creation.rate", INT, "2147483647", ">=0", CLUSTER_WIDE, 0, HONOURED, \
      "How many connections a second are accepted; also for one listener, as listener.name.<listener>.max.connection.creation.rate.") \
    X(MAX_CONNECTIONS, "max.connections", INT, "2147483647", ">=0", CLUSTER_WIDE, 0, HONOURED, \
      "How many connections the broker has at a time; also for one listener, as listener.name.<listener>.max.connections.") \
    X(MAX_CONNECTIONS_PER_IP, "max.connections.per.ip", INT, "2147483647", ">=0", CLUSTER_WIDE, 0, HONOURED, \
      "How many connections one address may have.") \
    X(MAX_CONNECTIONS_PER_IP_OVERRIDES, "max.connections.per.ip.overrides", STRING, "", "hosts", CLUSTER_WIDE, 0, HONOURED, \
      "Connection limits of single addresses, each as host:limit.") \
    X(MAX_INCREMENTAL_FETCH_SESSION_CACHE_SLOTS, "max.incremental.fetch.session.cache.slots", INT, "1000", ">=0", READ_ONLY, 0, HONOURED, \
      "How many fetch sessions are kept.") \
    X(MAX_REQUEST_PARTITION_SIZE_LIMIT, "max.request.partition.size.limit", INT, "2000", ">=1", READ_ONLY, 0, HONOURED, \
      "How many partitions one DescribeTopicPartitions response lists.") \
    X(MESSAGE_MAX_BYTES, "message.max.bytes", INT, "1048588", ">=0", CLUSTER_WIDE, 0, HONOURED, \
      "The largest record batch that is accepted.") \
    X(METADATA_LOG_DIR, "metadata.log.dir", STRING, NULL, "", READ_ONLY, 0, HONOURED, \
      "The directory of the metadata log; the first log directory when not set.") \
    X(METADATA_LOG_MAX_RECORD_BYTES_BETWEEN_SNAPSHOTS, "metadata.log.max.record.bytes.between.snapshots", LONG, "20971520", ">=1", READ_ONLY, 0, HONOURED, \
      "After how many bytes of records a metadata snapshot is written.") \
    X(METADATA_LOG_MAX_SNAPSHOT_INTERVAL_MS, "metadata.log.max.snapshot.interval.ms", LONG, "3600000", ">=0", READ_ONLY, 0, HONOURED, \
      "After how long a metadata snapshot is written when there is something new.") \
    X(METADATA_LOG_SEGMENT_BYTES, "metadata.log.segment.bytes", INT, "1073741824", ">=8388608", READ_ONLY, 0, HONOURED, \
      "Segment size of the metadata log.") \
    X(METADATA_LOG_SEGMENT_MS, "metadata.log.segment.ms", LONG, "604800000", "", READ_ONLY, 0, HONOURED, \
      "After how long the metadata log begins a new segment.") \
    X(METADATA_MAX_IDLE_INTERVAL_MS, "metadata.max.idle.interval.ms", INT, "500", ">=0", READ_ONLY, 0, IGNORED, \
      "How often the idle controller writes an empty record; 0 is never.") \
    X(METADATA_MAX_RETENTION_BYTES, "metadata.max.retention.bytes", LONG, "104857600", "", READ_ONLY, 0, HONOURED, \
      "How large metadata log and snapshots get before old ones are deleted.") \
    X(METADATA_MAX_RETENTION_MS, "metadata.max.retention.ms", LONG, "604800000", "", READ_ONLY, 0, HONOURED, \
      "How old metadata segments and snapshots get before they are deleted.") \
    X(METRIC_REPORTERS, "metric.reporters", LIST, "org.apache.kafka.common.metrics.JmxReporter", "", CLUSTER_WIDE, 0, MEANINGLESS, \
      "Java classes that report metrics.") \
    X(METRICS_LISTENER, "metrics.listener", STRING, NULL, "", READ_ONLY, 0, HONOURED, \
      "host:port where pages for Prometheus (/metrics) and probes (/livez, /readyz, /healthz) are served over HTTP; not set: nowhere.") \
    X(METRICS_NUM_SAMPLES, "metrics.num.samples", INT, "2", ">=1", READ_ONLY, 0, MEANINGLESS, \
      "How many samples Kafka's metrics remember.") \
    X(METRICS_PER_PARTITION, "metrics.per.partition", BOOLEAN, "true", "", READ_ONLY, 0, HONOURED, \
      "Whether /metrics has series of each partition, and of the offsets and lag of each consumer group.") \
    X(METRICS_RECORDING_LEVEL, "metrics.recording.level", STRING, "INFO", "", READ_ONLY, 0, MEANINGLESS, \
      "How detailed Kafka's metrics are.") \
    X(METRICS_SAMPLE_WINDOW_MS, "metrics.sample.window.ms", LONG, "30000", ">=1", READ_ONLY, 0, MEANINGLESS, \
      "How long one sample of Kafka's metrics lasts.") \
    X(MIN_INSYNC_REPLICAS, "min.insync.replicas", INT, "1", ">=1", CLUSTER_WIDE, 0, HONOURED, \
      "How many replicas must be in sync for a produce request with acks=all.") \
    X(NODE_ID, "node.id", INT, "1", ">=0", READ_ONLY, 0, HONOURED, \
      "The id of this node, unique in its cluster.") \
    X(NUM_IO_THREADS, "num.io.threads", INT, "8", ">=1", CLUSTER_WIDE, 0, MEANINGLESS, \
      "Threads of Kafka that process requests; see num.shards.") \
    X(NUM_NETWORK_THREADS, "num.network.threads", INT, "3", ">=1", CLUSTER_WIDE, 0, MEANINGLESS, \
      "Threads of Kafka that read and write sockets; see num.shards.") \
    X(NUM_PARTITIONS, "num.partitions", INT, "1", ">=1", READ_ONLY, 0, HONOURED, \
      "How many partitions a topic gets when nobody says.") \
    X(NUM_RECOVERY_THREADS_PER_DATA_DIR, "num.recovery.threads.per.data.dir", INT, "2", ">=1", CLUSTER_WIDE, 0, MEANINGLESS, \
      "Threads of Kafka that load logs; Barnabas uses its worker pool.") \
    X(NUM_REPLICA_ALTER_LOG_DIRS_THREADS, "num.replica.alter.log.dirs.threads", INT, NULL, "", READ_ONLY, 0, MEANINGLESS, \
      "Threads of Kafka that move partitions between log directories.") \
    X(NUM_REPLICA_FETCHERS, "num.replica.fetchers", INT, "1", ">=1", CLUSTER_WIDE, 0, HONOURED, \
      "How many fetchers, each with its connection, a shard has for each other broker that leads.") \
    X(NUM_SHARDS, "num.shards", INT, NULL, "1..64", READ_ONLY, 0, HONOURED, \
      "Threads that serve connections and partitions; by default what the machine and its size suggest.") \
    X(OFFSET_METADATA_MAX_BYTES, "offset.metadata.max.bytes", INT, "4096", ">=0", READ_ONLY, 0, HONOURED, \
      "How long the text beside a committed offset may be.") \
    X(OFFSETS_COMMIT_TIMEOUT_MS, "offsets.commit.timeout.ms", INT, "5000", ">=1", READ_ONLY, 0, IGNORED, \
      "How long a commit may wait until it is safely stored.") \
    X(OFFSETS_LOAD_BUFFER_SIZE, "offsets.load.buffer.size", INT, "5242880", ">=1", READ_ONLY, 0, HONOURED, \
      "How many bytes are read at once when committed offsets are loaded.") \
    X(OFFSETS_RETENTION_CHECK_INTERVAL_MS, "offsets.retention.check.interval.ms", LONG, "600000", ">=1", READ_ONLY, 0, HONOURED, \
      "How often expired offsets are looked for.") \
    X(OFFSETS_RETENTION_MINUTES, "offsets.retention.minutes", INT, "10080", ">=1", READ_ONLY, 0, HONOURED, \
      "How long the offsets of an inactive group are kept.") \
    X(OFFSETS_TOPIC_COMPRESSION_CODEC, "offsets.topic.compression.codec", INT, "0", "0..4", READ_ONLY, 0, HONOURED, \
      "The codec of the topic of committed offsets, as a number; 0 is none.") \
    X(OFFSETS_TOPIC_NUM_PARTITIONS, "offsets.topic.num.partitions", INT, "50", ">=1", READ_ONLY, 0, HONOURED, \
      "How many partitions the topic of committed offsets gets; not to be changed later.") \
    X(OFFSETS_TOPIC_REPLICATION_FACTOR, "offsets.topic.replication.factor", SHORT, "3", ">=1", READ_ONLY, 0, HONOURED, \
      "How many replicas the topic of committed offsets gets.") \
    X(OFFSETS_TOPIC_SEGMENT_BYTES, "offsets.topic.segment.bytes", INT, "104857600", ">=1", READ_ONLY, 0, HONOURED, \
      "Segment size of the topic of committed offsets.") \
    X(PRINCIPAL_BUILDER_CLASS, "principal.builder.class", CLASS, "org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder", "", PER_BROKER, 0, MEANINGLESS, \
      "The Java class that names the user of a connection.") \
    X(PROCESS_ROLES, "process.roles", LIST, "broker,controller", "broker|controller", READ_ONLY, 0, HONOURED, \
      "The roles of this node: broker, controller or both.") \
    X(PRODUCER_ID_EXPIRATION_CHECK_INTERVAL_MS, "producer.id.expiration.check.interval.ms", INT, "600000", ">=1", READ_ONLY, 1, HONOURED, \
      "How often idle producers are looked for.") \
    X(PRODUCER_ID_EXPIRATION_MS, "producer.id.expiration.ms", INT, "86400000", ">=1", CLUSTER_WIDE, 0, HONOURED, \
      "After how long an idle producer's sequence is forgotten.") \
    X(PRODUCER_PURGATORY_PURGE_INTERVAL_REQUESTS, "producer.purgatory.purge.interval.requests", INT, "1000", "", READ_ONLY, 0, MEANINGLESS, \
      "When Kafka tidies its list of waiting produce requests.") \
    X(QUEUED_MAX_REQUEST_BYTES, "queued.max.request.bytes", LONG, "-1", ">=1 or -1", READ_ONLY, 0, HONOURED, \
      "How many bytes of requests may wait before sockets are no longer read; -1 is no limit.") \
    X(QUEUED_MAX_REQUESTS, "queued.max.requests", INT, "500", ">=1", READ_ONLY, 0, IGNORED, \
      "How many requests may wait before sockets are no longer read.") \
    X(QUOTA_WINDOW_NUM, "quota.window.num", INT, "11", ">=1", READ_ONLY, 0, IGNORED, \
      "How many samples client quotas remember.") \
    X(QUOTA_WINDOW_SIZE_SECONDS, "quota.window.size.seconds", INT, "1", ">=1", READ_ONLY, 0, IGNORED, \
      "How long one sample of client quotas lasts.") \
    X(RECORD_VALIDATION, "record.validation", STRING, "full", "full|header", CLUSTER_WIDE, 0, HONOURED, \
      "Whether compressed batches are checked record by record (full) or only by their header and checksum.") \
    X(REMOTE_FETCH_MAX_WAIT_MS, "remote.fetch.max.wait.ms", INT, "500", ">=1", CLUSTER_WIDE, 0, IGNORED, \
      "How long a fetch waits for tiered storage.") \
    X(REMOTE_LIST_OFFSETS_REQUEST_TIMEOUT_MS, "remote.list.offsets.request.timeout.ms", LONG, "30000", ">=1", CLUSTER_WIDE, 0, IGNORED, \
      "How long a look-up of offsets waits for tiered storage.") \
    X(REMOTE_LOG_INDEX_FILE_CACHE_TOTAL_SIZE_BYTES, "remote.log.index.file.cache.total.size.bytes", LONG, "1073741824", ">=1", CLUSTER_WIDE, 0, IGNORED, \
      "How much disk cached indexes of tiered segments take.") \
    X(REMOTE_LOG_INDEX_FILE_CACHE_TTL_MS, "remote.log.index.file.cache.ttl.ms", LONG, "900000", ">=-1", READ_ONLY, 1, IGNORED, \
      "How long an unused index of a tiered segment stays cached.") \
    X(REMOTE_LOG_MANAGER_COPIER_THREAD_POOL_SIZE, "remote.log.manager.copier.thread.pool.size", INT, "10", ">=1", CLUSTER_WIDE, 0, IGNORED, \
      "Threads that copy segments to tiered storage.") \
    X(REMOTE_LOG_MANAGER_COPY_MAX_BYTES_PER_SECOND, "remote.log.manager.copy.max.bytes.per.second", LONG, "9223372036854775807", ">=1", CLUSTER_WIDE, 0, IGNORED, \
      "How fast segments are copied to tiered storage.") \
    X(REMOTE_LOG_MANAGER_COPY_QUOTA_WINDOW_NUM, "remote.log.manager.copy.quota.window.num", INT, "11", ">=1", READ_ONLY, 0, IGNORED, \
      "How many samples the quota of copying to tiered storage remembers.") \
    X(REMOTE_LOG_MANAGER_COPY_QUOTA_WINDOW_SIZE_SECONDS, "remote.log.manager.copy.quota.window.size.seconds", INT, "1", ">=1", READ_ONLY, 0, IGNORED, \
      "How long one sample of the quota of copying lasts.") \
    X(REMOTE_LOG_MANAGER_EXPIRATION_THREAD_POOL_SIZE, "remote.log.manager.expiration.thread.pool.size", INT, "10", ">=1", CLUSTER_WIDE, 0, IGNORED, \
      "Threads that delete tiered segments.") \
    X(REMOTE_LOG_MANAGER_FETCH_MAX_BYTES_PER_SECOND, "remote.log.manager.fetch.max.bytes.per.second", LONG, "9223372036854775807", ">=1", CLUSTER_WIDE, 0, IGNORED, \
      "How fast tiered storage is read.") \
    X(REMOTE_LOG_MANAGER_FETCH_QUOTA_WINDOW_NUM, "remote.log.manager.fetch.quota.window.num", INT, "11", ">=1", READ_ONLY, 0, IGNORED, \
      "How many samples the quota of reading tiered storage remembers.") \
    X(REMOTE_LOG_MANAGER_FETCH_QUOTA_WINDOW_SIZE_SECONDS, "remote.log.manager.fetch.quota.window.size.seconds", INT, "1", ">=1", READ_ONLY, 0, IGNORED, \
      "How long one sample of the quota of reading tiered storage lasts.") \
    X(REMOTE_LOG_MANAGER_FOLLOWER_THREAD_POOL_SIZE, "remote.log.manager.follower.thread.pool.size", INT, "2", ">=1", CLUSTER_WIDE, 0, IGNORED, \
      "Threads that keep followers informed about tiered storage.") \
    X(REMOTE_LOG_MANAGER_TASK_INTERVAL_MS, "remote.log.manager.task.interval.ms", LONG, "30000", ">=1", READ_ONLY, 0, IGNORED, \
      "How often tiered storage is tended.") \
    X(REMOTE_LOG_MANAGER_TASK_RETRY_BACKOFF_MAX_MS, "remote.log.manager.task.retry.backoff.max.ms", LONG, "30000", ">=1", READ_ONLY, 1, IGNORED, \
      "Longest pause between retries on tiered storage.") \
    X(REMOTE_LOG_MANAGER_TASK_RETRY_BACKOFF_MS, "remote.log.manager.task.retry.backoff.ms", LONG, "500", ">=1", READ_ONLY, 1, IGNORED, \
      "First pause between retries on tiered storage.") \
    X(REMOTE_LOG_MANAGER_TASK_RETRY_JITTER, "remote.log.manager.task.retry.jitter", DOUBLE, "0.2", "0..0.5", READ_ONLY, 1, IGNORED, \
      "Random part of the pauses between retries on tiered storage.") \
    X(REMOTE_LOG_MANAGER_THREAD_POOL_SIZE, "remote.log.manager.thread.pool.size", INT, "2", ">=1", READ_ONLY, 0, IGNORED, \
      "Threads for the other work on tiered storage.") \
    X(REMOTE_LOG_METADATA_CUSTOM_METADATA_MAX_BYTES, "remote.log.metadata.custom.metadata.max.bytes", INT, "128", ">=0", READ_ONLY, 0, IGNORED, \
      "How much a storage plug-in may note about a segment.") \
    X(REMOTE_LOG_METADATA_MANAGER_CLASS_NAME, "remote.log.metadata.manager.class.name", STRING, "org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager", "nonempty", READ_ONLY, 0, IGNORED, \
      "The Java class that manages the metadata of tiered segments.") \
    X(REMOTE_LOG_METADATA_MANAGER_CLASS_PATH, "remote.log.metadata.manager.class.path", STRING, NULL, "", READ_ONLY, 0, IGNORED, \
      "Where that class is found.") \
    X(REMOTE_LOG_METADATA_MANAGER_IMPL_PREFIX, "remote.log.metadata.manager.impl.prefix", STRING, "rlmm.config.", "nonempty", READ_ONLY, 0, IGNORED, \
      "The prefix of the keys that are handed to that class.") \
    X(REMOTE_LOG_METADATA_MANAGER_LISTENER_NAME, "remote.log.metadata.manager.listener.name", STRING, NULL, "nonempty", READ_ONLY, 0, IGNORED, \
      "The listener that the manager of tiered metadata connects to.") \
    X(REMOTE_LOG_READER_MAX_PENDING_TASKS, "remote.log.reader.max.pending.tasks", INT, "100", ">=1", READ_ONLY, 0, IGNORED, \
      "How many reads from tiered storage may wait.") \
    X(REMOTE_LOG_READER_THREADS, "remote.log.reader.threads", INT, "10", ">=1", CLUSTER_WIDE, 0, IGNORED, \
      "Threads that read from tiered storage.") \
    X(REMOTE_LOG_STORAGE_MANAGER_CLASS_NAME, "remote.log.storage.manager.class.name", STRING, NULL, "nonempty", READ_ONLY, 0, IGNORED, \
      "The Java class that stores tiered segments.") \
    X(REMOTE_LOG_STORAGE_MANAGER_CLASS_PATH, "remote.log.storage.manager.class.path", STRING, NULL, "", READ_ONLY, 0, IGNORED, \
      "Where the storage class is found.") \
    X(REMOTE_LOG_STORAGE_MANAGER_IMPL_PREFIX, "remote.log.storage.manager.impl.prefix", STRING, "rsm.config.", "nonempty", READ_ONLY, 0, IGNORED, \
      "The prefix of the keys that are handed to the storage class.") \
    X(REMOTE_LOG_STORAGE_SYSTEM_ENABLE, "remote.log.storage.system.enable", BOOLEAN, "false", "", READ_ONLY, 0, IGNORED, \
      "Whether tiered storage is switched on.") \
    X(REPLICA_FETCH_BACKOFF_MS, "replica.fetch.backoff.ms", INT, "1000", ">=0", READ_ONLY, 0, HONOURED, \
      "How long a follower pauses after an error.") \
    X(REPLICA_FETCH_MAX_BYTES, "replica.fetch.max.bytes", INT, "1048576", ">=0", READ_ONLY, 0, HONOURED, \
      "How many bytes of one partition a follower asks for.") \
    X(REPLICA_FETCH_MIN_BYTES, "replica.fetch.min.bytes", INT, "1", "", READ_ONLY, 0, HONOURED, \
      "For how many bytes at least a follower waits.") \
    X(REPLICA_FETCH_RESPONSE_MAX_BYTES, "replica.fetch.response.max.bytes", INT, "10485760", ">=0", READ_ONLY, 0, HONOURED, \
      "How many bytes a follower asks for at once.") \
    X(REPLICA_FETCH_WAIT_MAX_MS, "replica.fetch.wait.max.ms", INT, "500", "", READ_ONLY, 0, HONOURED, \
      "How long a follower's fetch waits.") \
    X(REPLICA_HIGH_WATERMARK_CHECKPOINT_INTERVAL_MS, "replica.high.watermark.checkpoint.interval.ms", LONG, "5000", ">=1", READ_ONLY, 0, HONOURED, \
      "How often high watermarks are written to disk.") \
    X(REPLICA_LAG_TIME_MAX_MS, "replica.lag.time.max.ms", LONG, "30000", "", READ_ONLY, 0, HONOURED, \
      "After how long without catching up a follower is no longer in sync.") \
    X(REPLICA_SELECTOR_CLASS, "replica.selector.class", STRING, NULL, "", READ_ONLY, 0, HONOURED, \
      "The class that picks the replica a consumer reads from: only the rack-aware one is known.") \
    X(REPLICA_SOCKET_RECEIVE_BUFFER_BYTES, "replica.socket.receive.buffer.bytes", INT, "65536", "", READ_ONLY, 0, IGNORED, \
      "Receive buffer of a follower's connection.") \
    X(REPLICA_SOCKET_TIMEOUT_MS, "replica.socket.timeout.ms", INT, "30000", "", READ_ONLY, 0, HONOURED, \
      "How long a follower waits for an answer.") \
    X(REPLICATION_QUOTA_WINDOW_NUM, "replication.quota.window.num", INT, "11", ">=1", READ_ONLY, 0, HONOURED, \
      "How many samples replication quotas remember; 1024 at most do.") \
    X(REPLICATION_QUOTA_WINDOW_SIZE_SECONDS, "replication.quota.window.size.seconds", INT, "1", ">=1", READ_ONLY, 0, HONOURED, \
      "How long one sample of replication quotas lasts.") \
    X(REQUEST_TIMEOUT_MS, "request.timeout.ms", INT, "30000", "", READ_ONLY, 0, HONOURED, \
      "How long requests that a broker sends may take.") \
    X(SASL_CLIENT_CALLBACK_HANDLER_CLASS, "sasl.client.callback.handler.class", CLASS, NULL, "", READ_ONLY, 0, MEANINGLESS, \
      "The Java class that supplies credentials between brokers.") \
    X(SASL_ENABLED_MECHANISMS, "sasl.enabled.mechanisms", LIST, "GSSAPI", "", PER_BROKER, 0, IGNORED, \
      "The SASL mechanisms that clients may use.") \
    X(SASL_JAAS_CONFIG, "sasl.jaas.config", PASSWORD, NULL, "", PER_BROKER, 0, IGNORED, \
      "Credentials in Java's JAAS form.") \
    X(SASL_KERBEROS_KINIT_CMD, "sasl.kerberos.kinit.cmd", STRING, "/usr/bin/kinit", "", PER_BROKER, 0, IGNORED, \
      "Path of Kerberos' kinit.") \
    X(SASL_KERBEROS_MIN_TIME_BEFORE_RELOGIN, "sasl.kerberos.min.time.before.relogin", LONG, "60000", "", PER_BROKER, 0, IGNORED, \
      "Pause between Kerberos logins.") \
    X(SASL_KERBEROS_PRINCIPAL_TO_LOCAL_RULES, "sasl.kerberos.principal.to.local.rules", LIST, "DEFAULT", "", PER_BROKER, 0, IGNORED, \
      "How Kerberos principals become user names.") \
    X(SASL_KERBEROS_SERVICE_NAME, "sasl.kerberos.service.name", STRING, NULL, "", PER_BROKER, 0, IGNORED, \
      "The Kerberos name of the service.") \
    X(SASL_KERBEROS_TICKET_RENEW_JITTER, "sasl.kerberos.ticket.renew.jitter", DOUBLE, "0.05", "", PER_BROKER, 0, IGNORED, \
      "Random part of the renewal time of Kerberos tickets.") \
    X(SASL_KERBEROS_TICKET_RENEW_WINDOW_FACTOR, "sasl.kerberos.ticket.renew.window.factor", DOUBLE, "0.8", "", PER_BROKER, 0, IGNORED, \
      "After which part of its life a Kerberos ticket is renewed.") \
    X(SASL_LOGIN_CALLBACK_HANDLER_CLASS, "sasl.login.callback.handler.class", CLASS, NULL, "", READ_ONLY, 0, IGNORED, \
      "The Java class that handles logins.") \
    X(SASL_LOGIN_CLASS, "sasl.login.class", CLASS, NULL, "", READ_ONLY, 0, IGNORED, \
      "The Java class that logs in.") \
    X(SASL_LOGIN_CONNECT_TIMEOUT_MS, "sasl.login.connect.timeout.ms", INT, NULL, "", READ_ONLY, 0, IGNORED, \
      "How long connecting to the identity provider may take.") \
    X(SASL_LOGIN_READ_TIMEOUT_MS, "sasl.login.read.timeout.ms", INT, NULL, "", READ_ONLY, 0, IGNORED, \
      "How long an answer of the identity provider may take.") \
    X(SASL_LOGIN_REFRESH_BUFFER_SECONDS, "sasl.login.refresh.buffer.seconds", SHORT, "300", "", PER_BROKER, 0, IGNORED, \
      "How long before its end a token is renewed at the latest.") \
    X(SASL_LOGIN_REFRESH_MIN_PERIOD_SECONDS, "sasl.login.refresh.min.period.seconds", SHORT, "60", "", PER_BROKER, 0, IGNORED, \
      "The least time between two renewals of a token.") \
    X(SASL_LOGIN_REFRESH_WINDOW_FACTOR, "sasl.login.refresh.window.factor", DOUBLE, "0.8", "", PER_BROKER, 0, IGNORED, \
      "After which part of its life a token is renewed.") \
    X(SASL_LOGIN_REFRESH_WINDOW_JITTER, "sasl.login.refresh.window.jitter", DOUBLE, "0.05", "", PER_BROKER, 0, IGNORED, \
      "Random part of the renewal time of tokens.") \
    X(SASL_LOGIN_RETRY_BACKOFF_MAX_MS, "sasl.login.retry.backoff.max.ms", LONG, "10000", "", READ_ONLY, 0, IGNORED, \
      "Longest pause between attempts to reach the identity provider.") \
    X(SASL_LOGIN_RETRY_BACKOFF_MS, "sasl.login.retry.backoff.ms", LONG, "100", "", READ_ONLY, 0, IGNORED, \
      "First pause between attempts to reach the identity provider.") \
    X(SASL_MECHANISM_CONTROLLER_PROTOCOL, "sasl.mechanism.controller.protocol", STRING, "GSSAPI", "", READ_ONLY, 0, IGNORED, \
      "The SASL mechanism towards controllers.") \
    X(SASL_MECHANISM_INTER_BROKER_PROTOCOL, "sasl.mechanism.inter.broker.protocol", STRING, "GSSAPI", "", PER_BROKER, 0, IGNORED, \
      "The SASL mechanism between brokers.") \
    X(SASL_OAUTHBEARER_ASSERTION_ALGORITHM, "sasl.oauthbearer.assertion.algorithm", STRING, "RS256", "~es256|rs256", READ_ONLY, 0, IGNORED, \
      "How signed assertions are signed.") \
    X(SASL_OAUTHBEARER_ASSERTION_CLAIM_AUD, "sasl.oauthbearer.assertion.claim.aud", STRING, NULL, "", READ_ONLY, 0, IGNORED, \
      "Audience of signed assertions.") \
    X(SASL_OAUTHBEARER_ASSERTION_CLAIM_EXP_SECONDS, "sasl.oauthbearer.assertion.claim.exp.seconds", INT, "300", "0..86400", READ_ONLY, 0, IGNORED, \
      "How long signed assertions are valid.") \
    X(SASL_OAUTHBEARER_ASSERTION_CLAIM_ISS, "sasl.oauthbearer.assertion.claim.iss", STRING, NULL, "", READ_ONLY, 0, IGNORED, \
      "Issuer of signed assertions.") \
    X(SASL_OAUTHBEARER_ASSERTION_CLAIM_JTI_INCLUDE, "sasl.oauthbearer.assertion.claim.jti.include", BOOLEAN, "false", "", READ_ONLY, 0, IGNORED, \
      "Whether signed assertions carry an id.") \
    X(SASL_OAUTHBEARER_ASSERTION_CLAIM_NBF_SECONDS, "sasl.oauthbearer.assertion.claim.nbf.seconds", INT, "60", "0..3600", READ_ONLY, 0, IGNORED, \
      "By how much signed assertions are valid earlier.") \
    X(SASL_OAUTHBEARER_ASSERTION_CLAIM_SUB, "sasl.oauthbearer.assertion.claim.sub", STRING, NULL, "", READ_ONLY, 0, IGNORED, \
      "Subject of signed assertions.") \
    X(SASL_OAUTHBEARER_ASSERTION_FILE, "sasl.oauthbearer.assertion.file", STRING, NULL, "", READ_ONLY, 0, IGNORED, \
      "File with a ready assertion.") \
    X(SASL_OAUTHBEARER_ASSERTION_PRIVATE_KEY_FILE, "sasl.oauthbearer.assertion.private.key.file", STRING, NULL, "", READ_ONLY, 0, IGNORED, \
      "File with the key that signs assertions.") \
    X(SASL_OAUTHBEARER_ASSERTION_PRIVATE_KEY_PASSPHRASE, "sasl.oauthbearer.assertion.private.key.passphrase", PASSWORD, NULL, "", READ_ONLY, 0, IGNORED, \
      "Passphrase of the key that signs assertions.") \
    X(SASL_OAUTHBEARER_ASSERTION_TEMPLATE_FILE, "sasl.oauthbearer.assertion.template.file", STRING, NULL, "", READ_ONLY, 0, IGNORED, \
      "File with further fields of assertions.") \
    X(SASL_OAUTHBEARER_CLIENT_CREDENTIALS_CLIENT_ID, "sasl.oauthbearer.client.credentials.client.id", STRING, NULL, "", READ_ONLY, 0, IGNORED, \
      "Client id for getting tokens.") \
    X(SASL_OAUTHBEARER_CLIENT_CREDENTIALS_CLIENT_SECRET, "sasl.oauthbearer.client.credentials.client.secret", PASSWORD, NULL, "", READ_ONLY, 0, IGNORED, \
      "Client secret for getting tokens.") \
    X(SASL_OAUTHBEARER_CLOCK_SKEW_SECONDS, "sasl.oauthbearer.clock.skew.seconds", INT, "30", "", READ_ONLY, 0, IGNORED, \
      "By how much clocks may differ when tokens are checked.") \
    X(SASL_OAUTHBEARER_EXPECTED_AUDIENCE, "sasl.oauthbearer.expected.audience", LIST, "", "", READ_ONLY, 0, IGNORED, \
      "Audiences that tokens must name.") \
    X(SASL_OAUTHBEARER_EXPECTED_ISSUER, "sasl.oauthbearer.expected.issuer", STRING, NULL, "", READ_ONLY, 0, IGNORED, \
      "The issuer that tokens must name.") \
    X(SASL_OAUTHBEARER_JWKS_ENDPOINT_REFRESH_MS, "sasl.oauthbearer.jwks.endpoint.refresh.ms", LONG, "3600000", "", READ_ONLY, 0, IGNORED, \
      "How often the keys that sign tokens are fetched.") \
    X(SASL_OAUTHBEARER_JWKS_ENDPOINT_RETRY_BACKOFF_MAX_MS, "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms", LONG, "10000", "", READ_ONLY, 0, IGNORED, \
      "Longest pause between attempts to fetch keys.") \
    X(SASL_OAUTHBEARER_JWKS_ENDPOINT_RETRY_BACKOFF_MS, "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms", LONG, "100", "", READ_ONLY, 0, IGNORED, \
      "First pause between attempts to fetch keys.") \
    X(SASL_OAUTHBEARER_JWKS_ENDPOINT_URL, "sasl.oauthbearer.jwks.endpoint.url", STRING, NULL, "", READ_ONLY, 0, IGNORED, \
      "Where the keys that sign tokens are fetched.") \
    X(SASL_OAUTHBEARER_JWT_RETRIEVER_CLASS, "sasl.oauthbearer.jwt.retriever.class", CLASS, "org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever", "", READ_ONLY, 0, IGNORED, \
      "The Java class that gets tokens.") \
    X(SASL_OAUTHBEARER_JWT_VALIDATOR_CLASS, "sasl.oauthbearer.jwt.validator.class", CLASS, "org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator", "", READ_ONLY, 0, IGNORED, \
      "The Java class that checks tokens.") \
    X(SASL_OAUTHBEARER_SCOPE, "sasl.oauthbearer.scope", STRING, NULL, "", READ_ONLY, 0, IGNORED, \
      "The scope to ask for.") \
    X(SASL_OAUTHBEARER_SCOPE_CLAIM_NAME, "sasl.oauthbearer.scope.claim.name", STRING, "scope", "", READ_ONLY, 0, IGNORED, \
      "The name of a token's scope field.") \
    X(SASL_OAUTHBEARER_SUB_CLAIM_NAME, "sasl.oauthbearer.sub.claim.name", STRING, "sub", "", READ_ONLY, 0, IGNORED, \
      "The name of a token's subject field.") \
    X(SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL, "sasl.oauthbearer.token.endpoint.url", STRING, NULL, "", READ_ONLY, 0, IGNORED, \
      "Where tokens are got.") \
    X(SASL_SERVER_CALLBACK_HANDLER_CLASS, "sasl.server.callback.handler.class", CLASS, NULL, "", READ_ONLY, 0, IGNORED, \
      "The Java class that checks credentials.") \
    X(SASL_SERVER_MAX_RECEIVE_SIZE, "sasl.server.max.receive.size", INT, "524288", "", READ_ONLY, 0, IGNORED, \
      "The largest frame before a client is authenticated.") \
    X(SECURITY_INTER_BROKER_PROTOCOL, "security.inter.broker.protocol", STRING, "PLAINTEXT", "PLAINTEXT|SSL|SASL_PLAINTEXT|SASL_SSL", READ_ONLY, 0, HONOURED, \
      "The security protocol between brokers, where no listener is named for it.") \
    X(SECURITY_PROVIDERS, "security.providers", STRING, NULL, "", READ_ONLY, 0, IGNORED, \
      "Java security providers.") \
    X(SERVER_MAX_STARTUP_TIME_MS, "server.max.startup.time.ms", LONG, "9223372036854775807", ">=0", READ_ONLY, 1, IGNORED, \
      "After how long a start is given up.") \
    X(SHARE_COORDINATOR_APPEND_LINGER_MS, "share.coordinator.append.linger.ms", INT, "-1", ">=-1", READ_ONLY, 0, IGNORED, \
      "How long the share coordinator waits to put several records in one batch; -1 adapts to the load.") \
    X(SHARE_COORDINATOR_CACHED_BUFFER_MAX_BYTES, "share.coordinator.cached.buffer.max.bytes", INT, "1048588", ">=524288", CLUSTER_WIDE, 0, MEANINGLESS, \
      "How large a write buffer Kafka's share coordinator keeps between uses.") \
    X(SHARE_COORDINATOR_COLD_PARTITION_SNAPSHOT_INTERVAL_MS, "share.coordinator.cold.partition.snapshot.interval.ms", INT, "300000", ">=1", READ_ONLY, 1, IGNORED, \
      "How often idle share partitions are snapshotted.") \
    X(SHARE_COORDINATOR_LOAD_BUFFER_SIZE, "share.coordinator.load.buffer.size", INT, "5242880", ">=1", READ_ONLY, 0, IGNORED, \
      "How many bytes are read at once when share state is loaded.") \
    X(SHARE_COORDINATOR_SNAPSHOT_UPDATE_RECORDS_PER_SNAPSHOT, "share.coordinator.snapshot.update.records.per.snapshot", INT, "500", "0..500", READ_ONLY, 0, IGNORED, \
      "How many updates of share state lie between two snapshots.") \
    X(SHARE_COORDINATOR_STATE_TOPIC_COMPRESSION_CODEC, "share.coordinator.state.topic.compression.codec", INT, "0", "", READ_ONLY, 0, IGNORED, \
      "The codec of the share state topic, as a number; 0 is none.") \
    X(SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR, "share.coordinator.state.topic.min.isr", SHORT, "2", ">=1", READ_ONLY, 0, HONOURED, \
      "Replicas of the share state topic that must be in sync.") \
    X(SHARE_COORDINATOR_STATE_TOPIC_NUM_PARTITIONS, "share.coordinator.state.topic.num.partitions", INT, "50", ">=1", READ_ONLY, 0, HONOURED, \
      "Partitions of the share state topic.") \
    X(SHARE_COORDINATOR_STATE_TOPIC_PRUNE_INTERVAL_MS, "share.coordinator.state.topic.prune.interval.ms", INT, "300000", ">=1", READ_ONLY, 1, IGNORED, \
      "How often superseded share state is deleted.") \
    X(SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR, "share.coordinator.state.topic.replication.factor", SHORT, "3", ">=1", READ_ONLY, 0, HONOURED, \
      "Replicas of the share state topic.") \
    X(SHARE_COORDINATOR_STATE_TOPIC_SEGMENT_BYTES, "share.coordinator.state.topic.segment.bytes", INT, "104857600", ">=1", READ_ONLY, 0, HONOURED, \
      "Segment size of the share state topic.") \
    X(SHARE_COORDINATOR_THREADS, "share.coordinator.threads", INT, "1", ">=1", READ_ONLY, 0, MEANINGLESS, \
      "Threads of Kafka's share coordinator.") \
    X(SHARE_COORDINATOR_WRITE_TIMEOUT_MS, "share.coordinator.write.timeout.ms", INT, "5000", ">=1", READ_ONLY, 0, IGNORED, \
      "How long writing share state may take.") \
    X(SHARE_FETCH_PURGATORY_PURGE_INTERVAL_REQUESTS, "share.fetch.purgatory.purge.interval.requests", INT, "1000", "", READ_ONLY, 0, MEANINGLESS, \
      "When Kafka tidies its list of waiting share fetches.") \
    X(SOCKET_CONNECTION_SETUP_TIMEOUT_MAX_MS, "socket.connection.setup.timeout.max.ms", LONG, "30000", "", READ_ONLY, 0, IGNORED, \
      "How long connecting to another node may take at most.") \
    X(SOCKET_CONNECTION_SETUP_TIMEOUT_MS, "socket.connection.setup.timeout.ms", LONG, "10000", "", READ_ONLY, 0, IGNORED, \
      "How long the first attempt to connect to another node may take.") \
    X(SOCKET_LISTEN_BACKLOG_SIZE, "socket.listen.backlog.size", INT, "50", ">=1", READ_ONLY, 0, IGNORED, \
      "How many connections may wait to be accepted.") \
    X(SOCKET_RECEIVE_BUFFER_BYTES, "socket.receive.buffer.bytes", INT, "102400", "", READ_ONLY, 0, HONOURED, \
      "Receive buffer of a connection; -1 leaves it to the system.") \
    X(SOCKET_REQUEST_MAX_BYTES, "socket.request.max.bytes", INT, "104857600", ">=1", READ_ONLY, 0, HONOURED, \
      "The largest request that is accepted.") \
    X(SOCKET_SEND_BUFFER_BYTES, "socket.send.buffer.bytes", INT, "102400", "", READ_ONLY, 0, HONOURED, \
      "Send buffer of a connection; -1 leaves it to the system.") \
    X(SSL_ALLOW_DN_CHANGES, "ssl.allow.dn.changes", BOOLEAN, "false", "", READ_ONLY, 0, IGNORED, \
      "Whether a reloaded certificate may have another name.") \
    X(SSL_ALLOW_SAN_CHANGES, "ssl.allow.san.changes", BOOLEAN, "false", "", READ_ONLY, 0, IGNORED, \
      "Whether a reloaded certificate may have other alternative names.") \
    X(SSL_CIPHER_SUITES, "ssl.cipher.suites", LIST, "", "", PER_BROKER, 0, IGNORED, \
      "The TLS cipher suites that are offered.") \
    X(SSL_CLIENT_AUTH, "ssl.client.auth", STRING, "none", "required|requested|none", PER_BROKER, 0, REFUSED, \
      "Whether clients must show a certificate.") \
    X(SSL_ENABLED_PROTOCOLS, "ssl.enabled.protocols", LIST, "TLSv1.2,TLSv1.3", "", PER_BROKER, 0, IGNORED, \
      "The TLS versions that are offered.") \
    X(SSL_ENDPOINT_IDENTIFICATION_ALGORITHM, "ssl.endpoint.identification.algorithm", STRING, "https", "", PER_BROKER, 0, IGNORED, \
      "How host names of servers are checked; empty is not at all.") \
    X(SSL_ENGINE_FACTORY_CLASS, "ssl.engine.factory.class", CLASS, NULL, "", PER_BROKER, 0, IGNORED, \
      "The Java class that makes TLS engines.") \
    X(SSL_KEY_PASSWORD, "ssl.key.password", PASSWORD, NULL, "", PER_BROKER, 0, IGNORED, \
      "Password of the private key.") \
    X(SSL_KEYMANAGER_ALGORITHM, "ssl.keymanager.algorithm", STRING, "SunX509", "", PER_BROKER, 0, IGNORED, \
      "Java's algorithm for managing keys.") \
    X(SSL_KEYSTORE_CERTIFICATE_CHAIN, "ssl.keystore.certificate.chain", PASSWORD, NULL, "", PER_BROKER, 0, IGNORED, \
      "The certificate chain as PEM text.") \
    X(SSL_KEYSTORE_KEY, "ssl.keystore.key", PASSWORD, NULL, "", PER_BROKER, 0, IGNORED, \
      "The private key as PEM text.") \
    X(SSL_KEYSTORE_LOCATION, "ssl.keystore.location", STRING, NULL, "", PER_BROKER, 0, IGNORED, \
      "File with key and certificate.") \
    X(SSL_KEYSTORE_PASSWORD, "ssl.keystore.password", PASSWORD, NULL, "", PER_BROKER, 0, IGNORED, \
      "Password of that file.") \
    X(SSL_KEYSTORE_TYPE, "ssl.keystore.type", STRING, "JKS", "", PER_BROKER, 0, IGNORED, \
      "Format of that file.") \
    X(SSL_PRINCIPAL_MAPPING_RULES, "ssl.principal.mapping.rules", STRING, "DEFAULT", "", READ_ONLY, 0, IGNORED, \
      "How names of certificates become user names.") \
    X(SSL_PROTOCOL, "ssl.protocol", STRING, "TLSv1.3", "", PER_BROKER, 0, IGNORED, \
      "Java's name of the TLS context.") \
    X(SSL_PROVIDER, "ssl.provider", STRING, NULL, "", PER_BROKER, 0, IGNORED, \
      "Java's provider of TLS.") \
    X(SSL_SECURE_RANDOM_IMPLEMENTATION, "ssl.secure.random.implementation", STRING, NULL, "", PER_BROKER, 0, IGNORED, \
      "Java's source of random numbers.") \
    X(SSL_TRUSTMANAGER_ALGORITHM, "ssl.trustmanager.algorithm", STRING, "PKIX", "", PER_BROKER, 0, IGNORED, \
      "Java's algorithm for checking certificates.") \
    X(SSL_TRUSTSTORE_CERTIFICATES, "ssl.truststore.certificates", PASSWORD, NULL, "", PER_BROKER, 0, IGNORED, \
      "Trusted certificates as PEM text.") \
    X(SSL_TRUSTSTORE_LOCATION, "ssl.truststore.location", STRING, NULL, "", PER_BROKER, 0, IGNORED, \
      "File with trusted certificates.") \
    X(SSL_TRUSTSTORE_PASSWORD, "ssl.truststore.password", PASSWORD, NULL, "", PER_BROKER, 0, IGNORED, \
      "Password of the file with trusted certificates.") \
    X(SSL_TRUSTSTORE_TYPE, "ssl.truststore.type", STRING, "JKS", "", PER_BROKER, 0, IGNORED, \
      "Format of the file with trusted certificates.") \
    X(TELEMETRY_MAX_BYTES, "telemetry.max.bytes", INT, "1048576", ">=1", READ_ONLY, 0, IGNORED, \
      "How large a client's telemetry may be.") \
    X(TRANSACTION_ABORT_TIMED_OUT_TRANSACTION_CLEANUP_INTERVAL_MS, "transaction.abort.timed.out.transaction.cleanup.interval.ms", INT, "10000", ">=1", READ_ONLY, 0, IGNORED, \
      "How often transactions that took too long are aborted.") \
    X(TRANSACTION_MAX_TIMEOUT_MS, "transaction.max.timeout.ms", INT, "900000", ">=1", READ_ONLY, 0, IGNORED, \
      "The longest transaction timeout that a producer may ask for.") \
    X(TRANSACTION_PARTITION_VERIFICATION_ENABLE, "transaction.partition.verification.enable", BOOLEAN, "true", "", CLUSTER_WIDE, 0, IGNORED, \
      "Whether a partition's part in a transaction is verified before records are appended.") \
    X(TRANSACTION_REMOVE_EXPIRED_TRANSACTION_CLEANUP_INTERVAL_MS, "transaction.remove.expired.transaction.cleanup.interval.ms", INT, "3600000", ">=1", READ_ONLY, 0, IGNORED, \
      "How often expired transactional ids are removed.") \
    X(TRANSACTION_STATE_LOG_LOAD_BUFFER_SIZE, "transaction.state.log.load.buffer.size", INT, "5242880", ">=1", READ_ONLY, 0, IGNORED, \
      "How many bytes are read at once when transaction state is loaded.") \
    X(TRANSACTION_STATE_LOG_MIN_ISR, "transaction.state.log.min.isr", INT, "2", ">=1", READ_ONLY, 0, HONOURED, \
      "Replicas of the transaction state topic that must be in sync.") \
    X(TRANSACTION_STATE_LOG_NUM_PARTITIONS, "transaction.state.log.num.partitions", INT, "50", ">=1", READ_ONLY, 0, HONOURED, \
      "Partitions of the transaction state topic; not to be changed later.") \
    X(TRANSACTION_STATE_LOG_REPLICATION_FACTOR, "transaction.state.log.replication.factor", SHORT, "3", ">=1", READ_ONLY, 0, HONOURED, \
      "Replicas of the transaction state topic.") \
    X(TRANSACTION_STATE_LOG_SEGMENT_BYTES, "transaction.state.log.segment.bytes", INT, "104857600", ">=1", READ_ONLY, 0, HONOURED, \
      "Segment size of the transaction state topic.") \
    X(TRANSACTION_TWO_PHASE_COMMIT_ENABLE, "transaction.two.phase.commit.enable", BOOLEAN, "false", "", READ_ONLY, 0, IGNORED, \
      "Whether producers may leave the outcome of a transaction to an outside coordinator.") \
    X(TRANSACTIONAL_ID_EXPIRATION_MS, "transactional.id.expiration.ms", INT, "604800000", ">=1", READ_ONLY, 0, IGNORED, \
      "After how long an unused transactional id is forgotten.") \
    X(UNCLEAN_LEADER_ELECTION_ENABLE, "unclean.leader.election.enable", BOOLEAN, "false", "", CLUSTER_WIDE, 0, HONOURED, \
      "Whether a replica that may lack records can become leader when no other is left.") \
    X(UNCLEAN_LEADER_ELECTION_INTERVAL_MS, "unclean.leader.election.interval.ms", LONG, "300000", ">=1", READ_ONLY, 1, HONOURED, \
      "How often the controller looks for partitions that need an unclean election.") \
    X(UNSTABLE_API_VERSIONS_ENABLE, "unstable.api.versions.enable", BOOLEAN, "false", "", READ_ONLY, 1, IGNORED, \
      "Whether API versions that are not final are offered.") \
    X(UNSTABLE_FEATURE_VERSIONS_ENABLE, "unstable.feature.versions.enable", BOOLEAN, "false", "", READ_ONLY, 1, IGNORED, \
      "Whether feature levels that are not final are allowed.")

#define CONFIG_TOPIC_TABLE(X) \
    X(CLEANUP_POLICY, "cleanup.policy", LIST, "delete", "compact|delete", CONFIG_LOG_CLEANUP_POLICY, 0, HONOURED, \
      "What happens to old records: \"delete\" them, \"compact\" them by key, or both.") \
    X(COMPRESSION_GZIP_LEVEL, "compression.gzip.level", INT, "-1", "1..9 or -1", CONFIG_COMPRESSION_GZIP_LEVEL, 0, HONOURED, \
      "The gzip level for batches that the broker compresses; -1 is the library's default.") \
    X(COMPRESSION_LZ4_LEVEL, "compression.lz4.level", INT, "9", "1..17", CONFIG_COMPRESSION_LZ4_LEVEL, 0, HONOURED, \
      "The lz4 level for batches that the broker compresses.") \
    X(COMPRESSION_TYPE, "compression.type", STRING, "producer", "uncompressed|zstd|lz4|snappy|gzip|producer", CONFIG_COMPRESSION_TYPE, 0, HONOURED, \
      "The codec of stored batches; \"producer\" keeps what the producer chose.") \
    X(COMPRESSION_ZSTD_LEVEL, "compression.zstd.level", INT, "3", "-131072..22", CONFIG_COMPRESSION_ZSTD_LEVEL, 0, HONOURED, \
      "The zstd level for batches that the broker compresses.") \
    X(DELETE_RETENTION_MS, "delete.retention.ms", LONG, "86400000", ">=0", CONFIG_LOG_CLEANER_DELETE_RETENTION_MS, 0, IGNORED, \
      "How long delete markers stay readable in a compacted topic.") \
    X(DURABILITY, "durability", STRING, "fsync", "fsync|page-cache", CONFIG_LOG_DURABILITY, 0, HONOURED, \
      "Whether acks=all means on the disk (fsync) or, as in Kafka, in the memory of the operating system (page-cache).") \
    X(FILE_DELETE_DELAY_MS, "file.delete.delay.ms", LONG, "60000", ">=0", CONFIG_LOG_SEGMENT_DELETE_DELAY_MS, 0, HONOURED, \
      "How long a deleted segment stays on disk.") \
    X(FLUSH_MESSAGES, "flush.messages", LONG, "9223372036854775807", ">=1", CONFIG_LOG_FLUSH_INTERVAL_MESSAGES, 0, HONOURED, \
      "After how many records a log is forced to disk.") \
    X(FLUSH_MS, "flush.ms", LONG, "9223372036854775807", ">=0", CONFIG_LOG_FLUSH_INTERVAL_MS, 0, HONOURED, \
      "After how long a log is forced to disk.") \
    X(FOLLOWER_REPLICATION_THROTTLED_REPLICAS, "follower.replication.throttled.replicas", LIST, "", "replicas", CONFIG_NONE, 0, HONOURED, \
      "Replicas whose fetching is slowed down, each partition:broker, or * for all.") \
    X(INDEX_INTERVAL_BYTES, "index.interval.bytes", INT, "4096", ">=0", CONFIG_LOG_INDEX_INTERVAL_BYTES, 0, HONOURED, \
      "How many bytes of log lie between two index entries.") \
    X(INTERNAL_SEGMENT_BYTES, "internal.segment.bytes", INT, NULL, "", CONFIG_NONE, 1, HONOURED, \
      "Segment size below the usual minimum, for tests.") \
    X(LEADER_REPLICATION_THROTTLED_REPLICAS, "leader.replication.throttled.replicas", LIST, "", "replicas", CONFIG_NONE, 0, HONOURED, \
      "Replicas that are served more slowly, each partition:broker, or * for all.") \
    X(LOCAL_RETENTION_BYTES, "local.retention.bytes", LONG, "-2", ">=-2", CONFIG_LOG_LOCAL_RETENTION_BYTES, 0, IGNORED, \
      "How many bytes of a tiered topic stay on the local disk; -2 is retention.bytes.") \
    X(LOCAL_RETENTION_MS, "local.retention.ms", LONG, "-2", ">=-2", CONFIG_LOG_LOCAL_RETENTION_MS, 0, IGNORED, \
      "How long records of a tiered topic stay on the local disk; -2 is retention.ms.") \
    X(MAX_COMPACTION_LAG_MS, "max.compaction.lag.ms", LONG, "9223372036854775807", ">=1", CONFIG_LOG_CLEANER_MAX_COMPACTION_LAG_MS, 0, IGNORED, \
      "After how long at most a record becomes subject to compaction.") \
    X(MAX_MESSAGE_BYTES, "max.message.bytes", INT, "1048588", ">=0", CONFIG_MESSAGE_MAX_BYTES, 0, HONOURED, \
      "The largest record batch that is accepted.") \
    X(MESSAGE_TIMESTAMP_AFTER_MAX_MS, "message.timestamp.after.max.ms", LONG, "3600000", ">=0", CONFIG_LOG_MESSAGE_TIMESTAMP_AFTER_MAX_MS, 0, HONOURED, \
      "How far a record's timestamp may be in the future.") \
    X(MESSAGE_TIMESTAMP_BEFORE_MAX_MS, "message.timestamp.before.max.ms", LONG, "9223372036854775807", ">=0", CONFIG_LOG_MESSAGE_TIMESTAMP_BEFORE_MAX_MS, 0, HONOURED, \
      "How far a record's timestamp may be in the past.") \
    X(MESSAGE_TIMESTAMP_TYPE, "message.timestamp.type", STRING, "CreateTime", "CreateTime|LogAppendTime", CONFIG_LOG_MESSAGE_TIMESTAMP_TYPE, 0, HONOURED, \
      "Whether records keep the producer's time (CreateTime) or get the broker's (LogAppendTime).") \
    X(MIN_CLEANABLE_DIRTY_RATIO, "min.cleanable.dirty.ratio", DOUBLE, "0.5", "0..1", CONFIG_LOG_CLEANER_MIN_CLEANABLE_RATIO, 0, IGNORED, \
      "How large the uncleaned part of a log must be before it is cleaned.") \
    X(MIN_COMPACTION_LAG_MS, "min.compaction.lag.ms", LONG, "0", ">=0", CONFIG_LOG_CLEANER_MIN_COMPACTION_LAG_MS, 0, IGNORED, \
      "For how long at least a record is left uncompacted.") \
    X(MIN_INSYNC_REPLICAS, "min.insync.replicas", INT, "1", ">=1", CONFIG_MIN_INSYNC_REPLICAS, 0, HONOURED, \
      "How many replicas must be in sync for a produce request with acks=all.") \
    X(PREALLOCATE, "preallocate", BOOLEAN, "false", "", CONFIG_LOG_PREALLOCATE, 0, IGNORED, \
      "Whether segment files get their full size when they are created.") \
    X(RECORD_VALIDATION, "record.validation", STRING, "full", "full|header", CONFIG_RECORD_VALIDATION, 0, HONOURED, \
      "Whether compressed batches are checked record by record (full) or only by their header and checksum.") \
    X(REMOTE_LOG_COPY_DISABLE, "remote.log.copy.disable", BOOLEAN, "false", "", CONFIG_NONE, 0, IGNORED, \
      "Stops copying to tiered storage; what is there stays readable.") \
    X(REMOTE_LOG_DELETE_ON_DISABLE, "remote.log.delete.on.disable", BOOLEAN, "false", "", CONFIG_NONE, 0, IGNORED, \
      "Deletes the tiered part of the topic when tiering is switched off.") \
    X(REMOTE_STORAGE_ENABLE, "remote.storage.enable", BOOLEAN, "false", "", CONFIG_NONE, 0, IGNORED, \
      "Whether old segments move to tiered storage.") \
    X(RETENTION_BYTES, "retention.bytes", LONG, "-1", "", CONFIG_LOG_RETENTION_BYTES, 0, HONOURED, \
      "How large a partition may get before its oldest segments are deleted; -1 is no limit.") \
    X(RETENTION_MS, "retention.ms", LONG, "604800000", ">=-1", CONFIG_LOG_RETENTION_MS, 0, HONOURED, \
      "How long records are kept; -1 is for ever.") \
    X(SEGMENT_BYTES, "segment.bytes", INT, "1073741824", ">=1048576", CONFIG_LOG_SEGMENT_BYTES, 0, HONOURED, \
      "How large a segment file gets.") \
    X(SEGMENT_INDEX_BYTES, "segment.index.bytes", INT, "10485760", ">=4", CONFIG_LOG_INDEX_SIZE_MAX_BYTES, 0, HONOURED, \
      "How large an index file may get.") \
    X(SEGMENT_JITTER_MS, "segment.jitter.ms", LONG, "0", ">=0", CONFIG_LOG_ROLL_JITTER_MS, 0, HONOURED, \
      "By up to how long segments begin earlier, so that not all do at once.") \
    X(SEGMENT_MS, "segment.ms", LONG, "604800000", ">=1", CONFIG_LOG_ROLL_MS, 0, HONOURED, \
      "After how long a new segment begins, even when the last is not full.") \
    X(UNCLEAN_LEADER_ELECTION_ENABLE, "unclean.leader.election.enable", BOOLEAN, "false", "", CONFIG_UNCLEAN_LEADER_ELECTION_ENABLE, 0, HONOURED, \
      "Whether a replica that may lack records can become leader when no other is left.")

#define CONFIG_GROUP_TABLE(X) \
    X(CONSUMER_ASSIGNMENT_INTERVAL_MS, "consumer.assignment.interval.ms", INT, "1000", ">=0", CONFIG_GROUP_CONSUMER_ASSIGNMENT_INTERVAL_MS, 0, IGNORED, \
      "The least time between two assignments of this group.") \
    X(CONSUMER_HEARTBEAT_INTERVAL_MS, "consumer.heartbeat.interval.ms", INT, "5000", ">=1", CONFIG_GROUP_CONSUMER_HEARTBEAT_INTERVAL_MS, 0, IGNORED, \
      "How often members of this consumer group send heartbeats.") \
    X(CONSUMER_SESSION_TIMEOUT_MS, "consumer.session.timeout.ms", INT, "45000", ">=1", CONFIG_GROUP_CONSUMER_SESSION_TIMEOUT_MS, 0, IGNORED, \
      "After how long without a heartbeat a member of this consumer group is removed.") \
    X(SHARE_ASSIGNMENT_INTERVAL_MS, "share.assignment.interval.ms", INT, "1000", ">=0", CONFIG_GROUP_SHARE_ASSIGNMENT_INTERVAL_MS, 0, IGNORED, \
      "The least time between two assignments of this share group.") \
    X(SHARE_AUTO_OFFSET_RESET, "share.auto.offset.reset", STRING, "latest", "", CONFIG_NONE, 0, IGNORED, \
      "Where a share group begins in a partition that is new to it.") \
    X(SHARE_DELIVERY_COUNT_LIMIT, "share.delivery.count.limit", INT, "5", ">=2", CONFIG_GROUP_SHARE_DELIVERY_COUNT_LIMIT, 0, IGNORED, \
      "How often a record is delivered to this share group before it is given up.") \
    X(SHARE_HEARTBEAT_INTERVAL_MS, "share.heartbeat.interval.ms", INT, "5000", ">=1", CONFIG_GROUP_SHARE_HEARTBEAT_INTERVAL_MS, 0, IGNORED, \
      "How often members of this share group send heartbeats.") \
    X(SHARE_ISOLATION_LEVEL, "share.isolation.level", STRING, "read_uncommitted", "read_committed|read_uncommitted", CONFIG_NONE, 0, IGNORED, \
      "Whether this share group sees records of open transactions.") \
    X(SHARE_PARTITION_MAX_RECORD_LOCKS, "share.partition.max.record.locks", INT, "2000", ">=100", CONFIG_GROUP_SHARE_PARTITION_MAX_RECORD_LOCKS, 0, IGNORED, \
      "How many records of one partition this share group may hold at a time.") \
    X(SHARE_RECORD_LOCK_DURATION_MS, "share.record.lock.duration.ms", INT, "30000", ">=1000", CONFIG_GROUP_SHARE_RECORD_LOCK_DURATION_MS, 0, IGNORED, \
      "How long a member of this share group holds a record before it is offered again.") \
    X(SHARE_RENEW_ACKNOWLEDGE_ENABLE, "share.renew.acknowledge.enable", BOOLEAN, "true", "", CONFIG_NONE, 0, IGNORED, \
      "Whether members of this share group may prolong a record's lock.") \
    X(SHARE_SESSION_TIMEOUT_MS, "share.session.timeout.ms", INT, "45000", ">=1", CONFIG_GROUP_SHARE_SESSION_TIMEOUT_MS, 0, IGNORED, \
      "After how long without a heartbeat a member of this share group is removed.") \
    X(STREAMS_ASSIGNMENT_INTERVAL_MS, "streams.assignment.interval.ms", INT, "1000", ">=0", CONFIG_GROUP_STREAMS_ASSIGNMENT_INTERVAL_MS, 0, IGNORED, \
      "The least time between two assignments of this streams group.") \
    X(STREAMS_HEARTBEAT_INTERVAL_MS, "streams.heartbeat.interval.ms", INT, "5000", ">=1", CONFIG_GROUP_STREAMS_HEARTBEAT_INTERVAL_MS, 0, IGNORED, \
      "How often members of this streams group send heartbeats.") \
    X(STREAMS_INITIAL_REBALANCE_DELAY_MS, "streams.initial.rebalance.delay.ms", INT, "3000", ">=0", CONFIG_GROUP_STREAMS_INITIAL_REBALANCE_DELAY_MS, 0, IGNORED, \
      "How long this streams group waits before its first assignment.") \
    X(STREAMS_NUM_STANDBY_REPLICAS, "streams.num.standby.replicas", INT, "0", ">=0", CONFIG_GROUP_STREAMS_NUM_STANDBY_REPLICAS, 0, IGNORED, \
      "Standby copies of each task of this streams group.") \
    X(STREAMS_SESSION_TIMEOUT_MS, "streams.session.timeout.ms", INT, "45000", ">=1", CONFIG_GROUP_STREAMS_SESSION_TIMEOUT_MS, 0, IGNORED, \
      "After how long without a heartbeat a member of this streams group is removed.")

#define CONFIG_CLIENT_METRICS_TABLE(X) \
    X(INTERVAL_MS, "interval.ms", INT, "300000", "100..3600000", CONFIG_NONE, 0, HONOURED, \
      "How often clients push the metrics of this subscription.") \
    X(MATCH, "match", LIST, "", "", CONFIG_NONE, 0, HONOURED, \
      "The clients this subscription is for, as key=pattern.") \
    X(METRICS, "metrics", LIST, "", "", CONFIG_NONE, 0, HONOURED, \
      "The metrics that clients push, by the start of their names; * is all.")

/* clang-format on */

#endif
