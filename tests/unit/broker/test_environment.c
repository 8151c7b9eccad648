/* Variables of containers, in three dialects, against the server.properties they stand for. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/config/config.h"
#include "broker/config/environment.h"
#include "runtime/machine.h"

static struct machine *machine;
static struct errmsg errmsg;
static struct buffer text;
static char root[] = "/tmp/barnabas-environment-XXXXXX";

static void set_up(void) {
    machine = machine_new(1, 1);
    buffer_init(&text, SIZE_MAX);
    cr_assert_not_null(mkdtemp(root));
}

static void tear_down(void) {
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", root);
    cr_assert_eq(system(command), 0);
    buffer_release(&text);
    machine_free(machine);
}

TestSuite(environment, .init = set_up, .fini = tear_down);

/* A file below the root, and the folders it is in. */
static void put(const char *path, const char *content) {
    char command[512];
    snprintf(command, sizeof(command), "mkdir -p $(dirname %s%s)", root, path);
    cr_assert_eq(system(command), 0);
    snprintf(command, sizeof(command), "%s%s", root, path);
    FILE *file = fopen(command, "w");
    cr_assert_not_null(file);
    fputs(content, file);
    fclose(file);
}

/* Without what stands in the first line: the dialect. */
static const char *print(enum environment_dialect dialect, const char *const *variables) {
    buffer_reset(&text);
    int err = environment_properties(machine, variables, dialect, root, &text, &errmsg);
    cr_assert_eq(err, 0, "%s", errmsg.text);
    buffer_put_u8(&text, '\0');
    const char *end = strchr((const char *)text.data, '\n');
    cr_assert_not_null(end);
    return end + 1;
}

#define PRINT(dialect, ...) print(dialect, (const char *const[]){__VA_ARGS__, NULL})

#define APACHE_START  "log.dirs=/var/lib/kafka/data\n# from variables\n"
#define BITNAMI_START "log.dirs=/bitnami/kafka/data\n# from variables\n"

Test(environment, without_variables_only_the_place_of_data_is_said) {
    cr_assert_str_eq(PRINT(ENVIRONMENT_APACHE, "PATH=/bin"), "log.dirs=/var/lib/kafka/data\n");
    cr_assert_str_eq(PRINT(ENVIRONMENT_CONFLUENT, "PATH=/bin"), "log.dirs=/var/lib/kafka/data\n");
    cr_assert_str_eq(PRINT(ENVIRONMENT_BITNAMI, "PATH=/bin"), "log.dirs=/bitnami/kafka/data\n");
}

Test(environment, underscores_stand_for_what_keys_are_made_of) {
    cr_assert_str_eq(PRINT(ENVIRONMENT_APACHE, "KAFKA_NUM_PARTITIONS=3",
                           "KAFKA_LISTENER_NAME_A__B_MAX_CONNECTIONS=5", "KAFKA_X___Y=1",
                           "KAFKA_P____Q=2"),
                     APACHE_START "listener.name.a_b.max.connections=5\n"
                                  "num.partitions=3\n"
                                  "p-.q=2\n"
                                  "x-y=1\n");
}

Test(environment, variables_of_bitnami_win_over_those_of_apache) {
    cr_assert_str_eq(PRINT(ENVIRONMENT_BITNAMI, "KAFKA_CFG_NUM_PARTITIONS=3",
                           "KAFKA_NUM_PARTITIONS=4", "KAFKA_LOGS_DIRS=/a",
                           "KAFKA_MAX_MESSAGE_BYTES=5", "KAFKA_MESSAGE_MAX_BYTES=6"),
                     BITNAMI_START "log.dirs=/a\nmessage.max.bytes=6\nnum.partitions=3\n");
}

Test(environment, listeners_named_like_a_protocol_keep_their_names) {
    cr_assert_str_eq(PRINT(ENVIRONMENT_BITNAMI,
                           "KAFKA_CFG_LISTENER_NAME_SASL_SSL_MAX_CONNECTIONS=5",
                           "KAFKA_CFG_LISTENER_NAME_SASL_PLAINTEXT_MAX_CONNECTIONS=6"),
                     BITNAMI_START "listener.name.sasl_plaintext.max.connections=6\n"
                                   "listener.name.sasl_ssl.max.connections=5\n");
}

Test(environment, what_is_for_a_jvm_or_for_the_image_is_no_key) {
    cr_assert_str_eq(
        PRINT(ENVIRONMENT_BITNAMI, "KAFKA_HEAP_OPTS=-Xmx1g", "KAFKA_OPTS=-D", "KAFKA_JMX_PORT=9999",
              "KAFKA_LOG4J_ROOT_LOGLEVEL=DEBUG", "KAFKA_LOG4J_LOGGERS=a=b",
              "KAFKA_TOOLS_LOG4J_LOGLEVEL=x", "KAFKA_JVM_PERFORMANCE_OPTS=", "KAFKA_GC_LOG_OPTS=",
              "JAVA_TOOL_OPTIONS=", "ALLOW_PLAINTEXT_LISTENER=yes", "BITNAMI_DEBUG=true",
              "KAFKA_CLIENT_USERS=user", "KAFKA_CLIENT_PASSWORDS=secret",
              "KAFKA_INTER_BROKER_USER=user", "KAFKA_INTER_BROKER_PASSWORD=secret",
              "KAFKA_CONTROLLER_USER=user", "KAFKA_CONTROLLER_PASSWORD=secret",
              "KAFKA_TLS_TYPE=PEM", "KAFKA_HOME=/opt/bitnami/kafka", "KAFKA_VERSION=4.0.0"),
        "log.dirs=/bitnami/kafka/data\n");
}

Test(environment, addresses_of_services_are_no_keys) {
    cr_assert_str_eq(PRINT(ENVIRONMENT_APACHE, "KAFKA_SERVICE_HOST=10.0.0.1",
                           "KAFKA_SERVICE_PORT=9092", "KAFKA_SERVICE_PORT_TCP_CLIENT=9092",
                           "KAFKA_PORT=tcp://10.0.0.1:9092", "KAFKA_PORT_9092_TCP=tcp://10.0.0.1:9",
                           "KAFKA_PORT_9092_TCP_ADDR=10.0.0.1", "KAFKA_PORT_9092_TCP_PORT=9092",
                           "KAFKA_PORT_9092_TCP_PROTO=tcp",
                           "KAFKA_CONTROLLER_0_EXTERNAL_SERVICE_HOST=10.0.0.1"),
                     "log.dirs=/var/lib/kafka/data\n");
}

Test(environment, the_first_named_cluster_id_counts) {
    cr_assert_str_eq(PRINT(ENVIRONMENT_APACHE, "CLUSTER_ID=4L6g3nShT-eMCtK--X86sw"),
                     APACHE_START "barnabas.cluster.id=4L6g3nShT-eMCtK--X86sw\n");
    cr_assert_str_eq(
        PRINT(ENVIRONMENT_BITNAMI, "CLUSTER_ID=c", "KAFKA_KRAFT_CLUSTER_ID=b", "KAFKA_CLUSTER_ID="),
        BITNAMI_START "barnabas.cluster.id=b\n");
    put("/id", "4L6g3nShT-eMCtK--X86sw\n");
    char variable[128];
    snprintf(variable, sizeof(variable), "KAFKA_CLUSTER_ID_FILE=%s/id", root);
    cr_assert_str_eq(PRINT(ENVIRONMENT_BITNAMI, variable),
                     BITNAMI_START "barnabas.cluster.id=4L6g3nShT-eMCtK--X86sw\n");
}

Test(environment, a_file_that_cannot_be_read_is_named) {
    const char *const variables[] = {"KAFKA_CLUSTER_ID_FILE=/missing/id", NULL};
    cr_assert_eq(
        environment_properties(machine, variables, ENVIRONMENT_BITNAMI, root, &text, &errmsg),
        -ENOENT);
    cr_assert_not_null(strstr(errmsg.text, "KAFKA_CLUSTER_ID_FILE=/missing/id"));
}

Test(environment, nodes_of_apaches_image_find_one_another_without_an_id) {
    cr_assert_str_eq(PRINT(ENVIRONMENT_APACHE, "KAFKA_CONTROLLER_QUORUM_VOTERS=1@a:1,2@b:1"),
                     APACHE_START "barnabas.cluster.id=5L6g3nShT-eMCtK--X86sw\n"
                                  "controller.quorum.voters=1@a:1,2@b:1\n");
}

Test(environment, listeners_follow_from_the_advertised_ones) {
    const char *advertised = "KAFKA_ADVERTISED_LISTENERS=A://kafka:9092,B://[::1]:29092,C";
    cr_assert_str_eq(PRINT(ENVIRONMENT_CONFLUENT, advertised),
                     APACHE_START "advertised.listeners=A://kafka:9092,B://[::1]:29092,C\n"
                                  "listeners=A://0.0.0.0:9092,B://0.0.0.0:29092,C\n");
    cr_assert_str_eq(PRINT(ENVIRONMENT_APACHE, "KAFKA_ADVERTISED_LISTENERS=auto"),
                     APACHE_START "advertised.listeners=auto\n");
    cr_assert_str_eq(
        PRINT(ENVIRONMENT_APACHE, "KAFKA_ADVERTISED_LISTENERS=A://a:1", "KAFKA_LISTENERS=A://:1"),
        APACHE_START "advertised.listeners=A://a:1\nlisteners=A://:1\n");
}

Test(environment, a_mounted_file_replaces_bitnamis_variables) {
    put("/bitnami/kafka/config/server.properties", "num.partitions=7");
    const char *printed = PRINT(ENVIRONMENT_BITNAMI, "KAFKA_CFG_NUM_PARTITIONS=3",
                                "KAFKA_CLUSTER_ID=4L6g3nShT-eMCtK--X86sw");
    cr_assert_not_null(strstr(printed, "num.partitions=7\n"));
    cr_assert_null(strstr(printed, "num.partitions=3"));
    cr_assert_not_null(strstr(printed, "barnabas.cluster.id=4L6g3nShT-eMCtK--X86sw\n"));
}

Test(environment, apaches_variables_are_added_to_a_mounted_file) {
    put("/mnt/shared/config/server.properties", "num.partitions=7\nlog.dirs=/x\n");
    const char *printed = PRINT(ENVIRONMENT_APACHE, "KAFKA_NUM_PARTITIONS=3");
    const char *mounted = strstr(printed, "num.partitions=7\nlog.dirs=/x\n");
    cr_assert_not_null(mounted);
    cr_assert_not_null(strstr(mounted, "num.partitions=3\n"), "the last one counts");
}

Test(environment, a_place_that_a_variable_names_is_looked_at_first) {
    put("/bitnami/kafka/config/server.properties", "num.partitions=7");
    put("/elsewhere/server.properties", "num.partitions=8");
    cr_assert_not_null(strstr(PRINT(ENVIRONMENT_BITNAMI, "KAFKA_MOUNTED_CONF_DIR=/elsewhere"),
                              "num.partitions=8"));
}

Test(environment, data_that_apaches_image_had_is_found) {
    put("/tmp/kraft-combined-logs/meta.properties", "");
    cr_assert_str_eq(PRINT(ENVIRONMENT_APACHE, "A="), "log.dirs=/tmp/kraft-combined-logs\n");
    cr_assert_str_eq(PRINT(ENVIRONMENT_CONFLUENT, "A="), "log.dirs=/var/lib/kafka/data\n");
}

Test(environment, a_value_cannot_end_its_line) {
    cr_assert_str_eq(PRINT(ENVIRONMENT_APACHE, "KAFKA_A=x\ny=z", "KAFKA_B=back\\", "KAFKA_C=\\\\"),
                     APACHE_START "a=x\\ny=z\nb=back\\\\\nc=\\\\\n");
}

Test(environment, the_dialect_follows_from_the_variables) {
    cr_assert_str_eq(PRINT(ENVIRONMENT_AUTO, "KAFKA_CFG_NODE_ID=1"), BITNAMI_START "node.id=1\n");
    cr_assert_str_eq(PRINT(ENVIRONMENT_AUTO, "KAFKA_NODE_ID=1"), APACHE_START "node.id=1\n");
    enum environment_dialect dialect;
    cr_assert(environment_dialect_find("confluent", &dialect));
    cr_assert_eq(dialect, ENVIRONMENT_CONFLUENT);
    cr_assert_not(environment_dialect_find("redpanda", &dialect));
}

Test(environment, the_text_is_a_configuration) {
    PRINT(ENVIRONMENT_BITNAMI, "KAFKA_CFG_NODE_ID=0", "KAFKA_CFG_PROCESS_ROLES=controller,broker",
          "KAFKA_CFG_LISTENERS=PLAINTEXT://:9092,CONTROLLER://:9093",
          "KAFKA_CFG_LISTENER_SECURITY_PROTOCOL_MAP=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
          "KAFKA_CFG_CONTROLLER_QUORUM_VOTERS=0@kafka:9093",
          "KAFKA_CFG_CONTROLLER_LISTENER_NAMES=CONTROLLER", "KAFKA_CFG_NO_SUCH_KEY=1");
    struct config *config = NULL;
    int err =
        config_load_text(machine, slice_str((const char *)text.data), NULL, 0, &config, &errmsg);
    cr_assert_eq(err, 0, "%s", errmsg.text);
    cr_assert_eq(config_int(config, CONFIG_NODE_ID), 0);
    cr_assert_str_eq(config_log_dir(config, 0), "/bitnami/kafka/data");
    cr_assert(config_is_alone(config));
    config_free(config);
}
