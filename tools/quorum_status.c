#include "tools/quorum_status.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "protocol/errors.h"
#include "protocol/generated/describe_quorum_request.h"
#include "protocol/generated/describe_quorum_response.h"
#include "tools/client/rpc.h"

#define DESCRIBE_QUORUM 55
#define HOST_MAX        256

/* Cuts the first address off; false when it is none. */
static bool take_address(const char **list, char host[HOST_MAX], uint16_t *port) {
    const char *end = strchrnul(*list, ',');
    const char *colon = memrchr(*list, ':', (size_t)(end - *list));
    int64_t number;
    if (colon == NULL || colon - *list >= HOST_MAX ||
        !slice_parse_i64(slice_make(colon + 1, (size_t)(end - colon - 1)), &number) || number < 1 ||
        number > UINT16_MAX) {
        return false;
    }
    memcpy(host, *list, (size_t)(colon - *list));
    host[colon - *list] = '\0';
    *port = (uint16_t)number;
    *list = *end == ',' ? end + 1 : end;
    return true;
}

static void print_replicas(const char *title, int64_t high_watermark,
                           const struct describe_quorum_response_replica_state *replicas,
                           int32_t count) {
    for (int32_t i = 0; i < count; i++) {
        printf("%s %d at offset %" PRId64 "%s\n", title, replicas[i].replica_id,
               replicas[i].log_end_offset,
               replicas[i].log_end_offset < high_watermark ? " (behind)" : "");
    }
}

static bool print_quorum(const struct describe_quorum_response *response) {
    int16_t error = response->error_code;
    if (error == 0 && response->topics_count == 1 && response->topics[0].partitions_count == 1) {
        const struct describe_quorum_response_partition_data *p =
            &response->topics[0].partitions[0];
        error = p->error_code;
        if (error == 0) {
            printf(
                "active controller: node %d in epoch %d, metadata committed up to offset %" PRId64
                "\n",
                p->leader_id, p->leader_epoch, p->high_watermark);
            print_replicas("   voter", p->high_watermark, p->current_voters,
                           p->current_voters_count);
            print_replicas("   observer", p->high_watermark, p->observers, p->observers_count);
            return true;
        }
    }
    fprintf(stderr, "the quorum is not described: %s\n", error_name(error));
    return false;
}

/* False when this broker cannot tell. */
static bool ask(const char *host, uint16_t port) {
    int fd = tcp_connect(host, port, true);
    if (fd < 0) {
        return false; /* one of several nodes is down */
    }
    close(fd);
    struct rpc rpc;
    if (!rpc_open(&rpc, host, port)) {
        rpc_close(&rpc);
        return false;
    }
    struct describe_quorum_request_partition_data partition = {.partition_index = 0};
    struct describe_quorum_request_topic_data topic = {
        .topic_name = SLICE_LIT("__cluster_metadata"),
        .partitions = &partition,
        .partitions_count = 1,
    };
    struct describe_quorum_request request;
    message_init(&describe_quorum_request_desc, &request);
    request.topics = &topic;
    request.topics_count = 1;
    int16_t version = rpc_version(&rpc, DESCRIBE_QUORUM, 2);
    const struct describe_quorum_response *response =
        version < 0 ? NULL : rpc_call(&rpc, DESCRIBE_QUORUM, version, &request);
    bool told = response != NULL && print_quorum(response);
    rpc_close(&rpc);
    return told;
}

int quorum_status_main(int argc, char **argv) {
    const char *list = argc == 1 ? argv[0] : "";
    do {
        char host[HOST_MAX];
        uint16_t port;
        if (!take_address(&list, host, &port)) {
            fputs("usage: barnabasctl quorum HOST:PORT[,HOST:PORT]...\n", stderr);
            return EXIT_FAILURE;
        }
        if (ask(host, port)) {
            return EXIT_SUCCESS;
        }
    } while (*list != '\0');
    fputs("no broker tells of the quorum\n", stderr);
    return EXIT_FAILURE;
}
