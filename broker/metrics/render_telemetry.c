/*
 * What clients have pushed (broker/telemetry/): kafka_client_<name>, with who the client is. The
 * names are the clients' own; a prefix keeps them apart from the node's.
 */
#include <stdlib.h>
#include <string.h>

#include "broker/metrics/render.h"
#include "broker/metrics/text.h"

static int compare(const void *a, const void *b) {
    const struct node_client_series *left = a;
    const struct node_client_series *right = b;
    int order = strcmp(left->family, right->family);
    return order != 0 ? order : slice_compare(left->labels, right->labels);
}

void render_telemetry(struct render *render) {
    const struct node_part *node = render->node;
    struct node_client_series *series = node->client_series;
    struct buffer *out = render->out;
    text_single(out, "barnabas_telemetry_clients", "gauge",
                "Clients that were heard of, and may push metrics.", node->telemetry_clients);
    text_single(out, "barnabas_telemetry_series_left_out", "gauge",
                "Series of clients for which there was no room.", node->client_series_left_out);
    qsort(series, (size_t)node->client_series_count, sizeof(*series), compare);
    for (int32_t i = 0; i < node->client_series_count && render_has_room(render); i++) {
        const struct node_client_series *last = i > 0 ? &series[i - 1] : NULL;
        bool same = last != NULL && strcmp(last->family, series[i].family) == 0;
        if (!same) {
            text_family(out, series[i].family, series[i].counter ? "counter" : "gauge",
                        "Pushed by a client.");
        }
        /* Two names of a client may become one. */
        if (!same || !slice_equal(last->labels, series[i].labels)) {
            text_real(out, series[i].family, series[i].labels, series[i].value);
        }
    }
}
