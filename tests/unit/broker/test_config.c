/* Loading of a configuration: files, overrides, and what is refused. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "broker/config/config.h"
#include "runtime/machine.h"

static struct machine *machine;
static struct errmsg errmsg;

static void set_up(void) {
    machine = machine_new(1, 1);
}

static void tear_down(void) {
    machine_free(machine);
}

TestSuite(config, .init = set_up, .fini = tear_down);

static struct config *load(const char *const *overrides, int count) {
    struct config *config = NULL;
    int err = config_load(machine, NULL, overrides, count, &config, &errmsg);
    cr_assert_eq(err, 0, "%s", errmsg.text);
    return config;
}

#define LOAD(...)                                                                                  \
    load((const char *const[]){__VA_ARGS__},                                                       \
         (int)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)))

static void refuse(const char *const *overrides, int count, const char *named,
                   const char *allowed) {
    struct config *config = NULL;
    int err = config_load(machine, NULL, overrides, count, &config, &errmsg);
    cr_assert_eq(err, -EINVAL, "%s was accepted", overrides[count - 1]);
    cr_assert_null(config);
    cr_assert(strstr(errmsg.text, named) != NULL, "\"%s\" does not say %s", errmsg.text, named);
    cr_assert(strstr(errmsg.text, allowed) != NULL, "\"%s\" does not say %s", errmsg.text, allowed);
    cr_assert_null(strchr(errmsg.text, '\n'));
}

#define REFUSE(named, allowed, ...)                                                                \
    refuse((const char *const[]){__VA_ARGS__},                                                     \
           (int)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)), named, allowed)

/* A file that the process removes again. */
static struct config *load_text(const char *text, int expected) {
    char path[] = "/tmp/barnabas-test-XXXXXX";
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    struct config *config = NULL;
    int err = config_load(machine, path, NULL, 0, &config, &errmsg);
    unlink(path);
    cr_assert_eq(err, expected, "%s", errmsg.text);
    return config;
}

/* ---- What starts ----------------------------------------------------------------------------- */

Test(config, without_a_file_a_single_node_has_kafkas_defaults) {
    struct config *config = load(NULL, 0);
    cr_assert_eq(config_int(config, CONFIG_NODE_ID), 1);
    cr_assert_eq(config_int(config, CONFIG_MESSAGE_MAX_BYTES), 1048588);
    cr_assert_eq(config_int(config, CONFIG_LOG_RETENTION_MS), 168 * 3600000ll);
    cr_assert_eq(config_int(config, CONFIG_LOG_ROLL_MS), 168 * 3600000ll);
    cr_assert_eq(config_int(config, CONFIG_LOG_FLUSH_INTERVAL_MS), INT64_MAX);
    cr_assert(config_bool(config, CONFIG_AUTO_CREATE_TOPICS_ENABLE));
    cr_assert_eq(config_int(config, CONFIG_OFFSETS_TOPIC_REPLICATION_FACTOR), 1);
    cr_assert_not(config_is_set(config, CONFIG_NODE_ID));
    cr_assert_eq(config_listener_count(config), 1);
    cr_assert_str_eq(config_listener_at(config, 0)->name, "PLAINTEXT");
    cr_assert_str_eq(config_listener_at(config, 0)->host, "");
    cr_assert_eq(config_listener_at(config, 0)->port, 9092);
    cr_assert_neq(config_advertised(config, 0)->host[0], '\0');
    cr_assert_eq(config_log_dir_count(config), 1);
    cr_assert_str_eq(config_log_dir(config, 0), "/tmp/kafka-logs");
    cr_assert_str_eq(config_metadata_dir(config), "/tmp/kafka-logs");
    config_free(config);
}

Test(config, kafkas_own_example_for_kraft_is_accepted) {
    struct config *config =
        load_text("process.roles=broker,controller\n"
                  "node.id=1\n"
                  "controller.quorum.bootstrap.servers=localhost:9093\n"
                  "listeners=PLAINTEXT://:9092,CONTROLLER://:9093\n"
                  "inter.broker.listener.name=PLAINTEXT\n"
                  "advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093\n"
                  "controller.listener.names=CONTROLLER\n"
                  "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,"
                  "SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL\n"
                  "num.network.threads=3\n"
                  "num.io.threads=8\n"
                  "socket.send.buffer.bytes=102400\n"
                  "log.dirs=/tmp/kraft-combined-logs\n"
                  "offsets.topic.replication.factor=1\n"
                  "share.coordinator.state.topic.replication.factor=1\n"
                  "transaction.state.log.min.isr=1\n"
                  "log.segment.bytes=1073741824\n",
                  0);
    cr_assert_eq(config_listener_count(config), 2);
    cr_assert_not(config_listener_at(config, 0)->controller);
    cr_assert(config_listener_at(config, 1)->controller);
    cr_assert_str_eq(config_advertised(config, 0)->host, "localhost");
    config_log_warnings(config, machine);
    config_free(config);
}

Test(config, the_last_of_two_values_counts_and_an_override_wins) {
    struct config *config = load_text("num.partitions=2\nnum.partitions=3\n", 0);
    cr_assert_eq(config_int(config, CONFIG_NUM_PARTITIONS), 3);
    config_free(config);
    config = LOAD("num.partitions=2", "num.partitions=5");
    cr_assert_eq(config_int(config, CONFIG_NUM_PARTITIONS), 5);
    cr_assert(config_is_set(config, CONFIG_NUM_PARTITIONS));
    config_free(config);
}

Test(config, the_finer_unit_wins) {
    struct config *config = LOAD("log.retention.hours=1");
    cr_assert_eq(config_int(config, CONFIG_LOG_RETENTION_MS), 3600000);
    config_free(config);
    config = LOAD("log.retention.hours=1", "log.retention.minutes=2");
    cr_assert_eq(config_int(config, CONFIG_LOG_RETENTION_MS), 120000);
    config_free(config);
    config = LOAD("log.retention.hours=1", "log.retention.minutes=2", "log.retention.ms=3");
    cr_assert_eq(config_int(config, CONFIG_LOG_RETENTION_MS), 3);
    config_free(config);
    config = LOAD("log.retention.hours=-1");
    cr_assert_eq(config_int(config, CONFIG_LOG_RETENTION_MS), -1);
    config_free(config);
}

Test(config, broker_id_is_another_name_of_node_id) {
    struct config *config = LOAD("broker.id=7");
    cr_assert_eq(config_int(config, CONFIG_NODE_ID), 7);
    config_free(config);
}

Test(config, log_dirs_wins_over_log_dir_and_the_first_holds_the_metadata) {
    struct config *config = LOAD("log.dir=/x", "log.dirs=/a, /b");
    cr_assert_eq(config_log_dir_count(config), 2);
    cr_assert_str_eq(config_log_dir(config, 1), "/b");
    cr_assert_str_eq(config_metadata_dir(config), "/a");
    config_free(config);
    config = LOAD("log.dir=/x", "metadata.log.dir=/m");
    cr_assert_str_eq(config_log_dir(config, 0), "/x");
    cr_assert_str_eq(config_metadata_dir(config), "/m");
    config_free(config);
}

Test(config, listeners_may_have_names_and_ipv6_hosts) {
    struct config *config = LOAD("listeners=Internal://[::1]:0,EXT://127.0.0.1:9094",
                                 "listener.security.protocol.map=internal:PLAINTEXT,EXT:plaintext",
                                 "advertised.listeners=EXT://example.com:443");
    cr_assert_str_eq(config_listener_at(config, 0)->name, "INTERNAL");
    cr_assert_str_eq(config_listener_at(config, 0)->host, "::1");
    cr_assert_eq(config_listener_at(config, 0)->port, 0);
    cr_assert_str_eq(config_advertised(config, 0)->host, "::1");
    cr_assert_str_eq(config_advertised(config, 1)->host, "example.com");
    cr_assert_eq(config_advertised(config, 1)->port, 443);
    config_free(config);
}

Test(config, topics_to_ensure_have_partitions_replicas_and_configs) {
    struct config *config =
        LOAD("barnabas.topics=a:6, b:3:1;retention.ms=1000;cleanup.policy=compact,c");
    cr_assert_eq(config_topic_count(config), 3);
    const struct config_topic *b = config_topic_at(config, 1);
    cr_assert(slice_equal_str(b->name, "b"));
    cr_assert_eq(b->partitions, 3);
    cr_assert_eq(b->replication_factor, 1);
    cr_assert_eq(b->config_count, 2);
    cr_assert(slice_equal_str(b->config_names[0], "retention.ms"));
    cr_assert(slice_equal_str(b->config_values[1], "compact"));
    cr_assert_eq(config_topic_at(config, 0)->replication_factor, -1);
    cr_assert_eq(config_topic_at(config, 2)->partitions, -1);
    config_free(config);
}

Test(config, unknown_and_ignored_keys_do_not_stop_a_start) {
    struct config *config =
        LOAD("no.such.key=1", "log.cleaner.threads=2", "num.io.threads=99",
             "listener.name.plaintext.max.connections=5", "sasl.jaas.config=secret");
    config_log_warnings(config, machine);
    config_free(config);
}

/* ---- What is refused ------------------------------------------------------------------------- */

Test(config, a_bad_value_names_key_value_and_what_is_allowed) {
    REFUSE("num.partitions=none", "at least 1", "num.partitions=none");
    REFUSE("log.durability=maybe", "fsync, page-cache", "log.durability=maybe");
    REFUSE("log.retention.ms=0", "at least 1 or -1", "log.retention.ms=0");
    REFUSE("auto.create.topics.enable=ja", "true or false", "auto.create.topics.enable=ja");
    REFUSE("--override", "key=value", "num.partitions");
    REFUSE("group.min.session.timeout.ms=9", "at most group.max.session.timeout.ms=8",
           "group.min.session.timeout.ms=9", "group.max.session.timeout.ms=8");
}

Test(config, an_error_in_a_file_names_its_line) {
    cr_assert_null(load_text("# comment\nnum.partitions=2\nmessage.max.bytes=big\n", -EINVAL));
    cr_assert(strstr(errmsg.text, "line 3") != NULL, "%s", errmsg.text);
    struct config *config = NULL;
    cr_assert_eq(config_load(machine, "/no/such/file", NULL, 0, &config, &errmsg), -ENOENT);
    cr_assert(strstr(errmsg.text, "/no/such/file") != NULL);
}

Test(config, what_would_weaken_safety_is_refused) {
    REFUSE("authorizer.class.name", "not to set it",
           "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer");
    REFUSE("ssl.client.auth=required", "none", "ssl.client.auth=required");
    REFUSE("SSL", "PLAINTEXT", "listeners=SSL://:9093");
    REFUSE("SASL_SSL", "PLAINTEXT", "listeners=EXT://:9093",
           "listener.security.protocol.map=EXT:SASL_SSL");
    REFUSE("security.inter.broker.protocol=SSL", "PLAINTEXT", "security.inter.broker.protocol=SSL");
}

Test(config, a_node_that_names_no_quorum_but_itself_is_alone) {
    static const char *const alone[] = {
        "controller.quorum.voters=1@a:9093",
        "controller.quorum.bootstrap.servers=localhost:9093",
    };
    struct config *config = load(NULL, 0);
    cr_assert(config_is_alone(config));
    cr_assert(config_is_broker(config) && config_is_controller(config));
    config_free(config);
    for (size_t i = 0; i < ARRAY_LEN(alone); i++) {
        config = LOAD("listeners=PLAINTEXT://:9092,CONTROLLER://:9093",
                      "controller.listener.names=CONTROLLER", alone[i]);
        cr_assert(config_is_alone(config), "%s", alone[i]);
        cr_assert_eq(config_int(config, CONFIG_OFFSETS_TOPIC_REPLICATION_FACTOR), 1);
        config_free(config);
    }
}

Test(config, a_cluster_names_its_voters_or_where_they_are) {
    struct config *config = LOAD("listeners=PLAINTEXT://:9092,CONTROLLER://:9093", "node.id=2",
                                 "controller.listener.names=CONTROLLER",
                                 "controller.quorum.voters=1@a:9093,2@[::1]:9094, 3@c:9095");
    cr_assert_not(config_is_alone(config));
    cr_assert_eq(config_int(config, CONFIG_OFFSETS_TOPIC_REPLICATION_FACTOR), 3);
    cr_assert_eq(config_voter_count(config), 3);
    cr_assert_eq(config_voter_at(config, 1)->id, 2);
    cr_assert_str_eq(config_voter_at(config, 1)->host, "::1");
    cr_assert_eq(config_voter_at(config, 2)->port, 9095);
    cr_assert_str_eq(config_inter_broker_listener(config), "PLAINTEXT");
    config_free(config);
    config = LOAD("process.roles=broker", "controller.listener.names=CONTROLLER",
                  "controller.quorum.bootstrap.servers=a:1,b:2");
    cr_assert(config_is_broker(config) && !config_is_controller(config));
    cr_assert_eq(config_bootstrap_server_count(config), 2);
    cr_assert_str_eq(config_bootstrap_server_at(config, 1)->host, "b");
    config_free(config);
    config = LOAD("process.roles=controller", "controller.listener.names=CONTROLLER",
                  "listeners=CONTROLLER://:9093", "controller.quorum.bootstrap.servers=a:1");
    cr_assert_not(config_is_broker(config));
    cr_assert_null(config_inter_broker_listener(config));
    config_free(config);
}

Test(config, impossible_clusters_are_refused) {
    REFUSE("controller.quorum.voters=2@a:9093", "1@host:port", "controller.quorum.voters=2@a:9093");
    REFUSE("controller.quorum.voters=a:9093", "id@host:port", "controller.quorum.voters=a:9093");
    REFUSE("controller.quorum.voters=1@a:b", "id@host:port", "controller.quorum.voters=1@a:b");
    REFUSE("controller.quorum.voters", "each once", "controller.quorum.voters=1@a:1,1@b:1");
    REFUSE("controller.quorum.bootstrap.servers=a", "host:port",
           "controller.quorum.bootstrap.servers=a");
    REFUSE("broker.id=2", "node.id", "node.id=1", "broker.id=2");
    REFUSE("process.roles=broker", "controller.quorum.bootstrap.servers", "process.roles=broker");
    REFUSE("controller.quorum.voters", "a list without it", "process.roles=broker",
           "controller.quorum.voters=1@a:1");
    REFUSE("controller.listener.names", "such as CONTROLLER",
           "controller.quorum.voters=1@a:1,2@b:1");
    REFUSE("controller.listener.names=X", "CONTROLLER://", "controller.listener.names=X",
           "controller.quorum.voters=1@a:1,2@b:1");
    REFUSE("listeners", "other listeners", "process.roles=broker",
           "listeners=PLAINTEXT://:1,CONTROLLER://:2", "controller.listener.names=CONTROLLER",
           "controller.quorum.voters=2@b:1");
    REFUSE("listeners", "only those", "process.roles=controller",
           "listeners=PLAINTEXT://:1,CONTROLLER://:2", "controller.listener.names=CONTROLLER",
           "controller.quorum.voters=1@b:1");
}

Test(config, one_port_may_have_listeners_of_both_families) {
    config_free(LOAD("listeners=A://127.0.0.1:1,B://[::1]:1",
                     "listener.security.protocol.map=A:PLAINTEXT,B:PLAINTEXT"));
}

Test(config, what_a_client_is_told_depends_on_its_connection) {
    for (int given = 0; given < 2; given++) {
        struct config *config =
            LOAD("listeners=A://:1,B://127.0.0.1:2,C://0.0.0.0:3",
                 "listener.security.protocol.map=A:PLAINTEXT,B:PLAINTEXT,C:PLAINTEXT",
                 given ? "advertised.listeners=auto,C://example.com:3"
                       : "advertised.listeners=C://example.com:3");
        cr_assert_str_eq(config_told_host(config, 0, "127.0.0.2", "127.0.0.1"), "127.0.0.2");
        cr_assert_null(config_told_host(config, 1, "127.0.0.1", "127.0.0.1"), "it has an address");
        cr_assert_null(config_told_host(config, 2, "127.0.0.1", "127.0.0.1"), "one was given");
        cr_assert_str_eq(config_advertised(config, 2)->host, "example.com");
        cr_assert_str_neq(config_advertised(config, 0)->host, "", "other nodes need one");
        config_free(config);
    }
}

Test(config, a_port_may_be_advertised_without_an_address) {
    struct config *config =
        LOAD("listeners=PLAINTEXT://:9092", "advertised.listeners=PLAINTEXT://:19092");
    cr_assert_eq(config_advertised(config, 0)->port, 19092);
    cr_assert_str_neq(config_advertised(config, 0)->host, "");
    cr_assert_str_eq(config_told_host(config, 0, "127.0.0.2", "127.0.0.1"), "127.0.0.2");
    config_free(config);
}

Test(config, impossible_listeners_are_refused) {
    static const char *const bad[] = {
        "listeners=9092",
        "listeners=PLAINTEXT://:port",
        "listeners=PLAINTEXT://:65536",
        "listeners=://:9092",
        "listeners=PLAINTEXT://a:b:1",
        "listeners=PLAINTEXT://:1,PLAINTEXT://:2",
        "listeners=PLAINTEXT://:1,OTHER://:1",
        "listeners=PLAINTEXT://:1,OTHER://localhost:1",
        "listeners=PLAINTEXT://127.0.0.1:1,OTHER://0.0.0.0:1",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        REFUSE("listeners", "allowed", bad[i]);
    }
    REFUSE("advertised.listeners", "address of this machine",
           "advertised.listeners=PLAINTEXT://0.0.0.0:9092");
    REFUSE("advertised.listeners", "advertised.listeners=auto",
           "advertised.listeners=PLAINTEXT://[::]:9092");
    REFUSE("inter.broker.listener.name=PLAINTEXT", "only the first",
           "inter.broker.listener.name=PLAINTEXT", "security.inter.broker.protocol=PLAINTEXT");
    REFUSE("inter.broker.listener.name=CONTROLLER", "another listener",
           "listeners=PLAINTEXT://:1,CONTROLLER://:2", "controller.listener.names=CONTROLLER",
           "inter.broker.listener.name=CONTROLLER");
    REFUSE("advertised.listeners", "names of listeners", "advertised.listeners=EXT://a:1");
    REFUSE("inter.broker.listener.name=X", "name of listeners", "inter.broker.listener.name=X");
    REFUSE("listeners", "at least one", "listeners=CONTROLLER://:9093",
           "controller.listener.names=CONTROLLER");
    REFUSE("listener.security.protocol.map", "EXT", "listeners=EXT://:1");
}

Test(config, impossible_topics_are_refused) {
    static const char *const bad[] = {
        "barnabas.topics=a:0",
        "barnabas.topics=a:x",
        "barnabas.topics=a:1:1:1",
        "barnabas.topics=a/b:1",
        "barnabas.topics=a:1,,b:1",
        "barnabas.topics=a:1;retention.ms",
        "barnabas.topics=a:1,a:2",

        "barnabas.topics=a;retention.ms=x",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        REFUSE("barnabas.topics", "allowed", bad[i]);
    }
    REFUSE("barnabas.topics", "no.such.key", "barnabas.topics=a:1;no.such.key=1");
}

Test(config, a_secret_is_not_repeated_in_an_error) {
    struct config *config = NULL;
    const char *const overrides[] = {"delegation.token.secret.key=hush", "num.partitions=x"};
    cr_assert_eq(config_load(machine, NULL, overrides, 2, &config, &errmsg), -EINVAL);
    cr_assert_null(strstr(errmsg.text, "hush"));
}
