#include "broker/metrics/render.h"

#include "broker/metrics/text.h"

bool render_has_room(struct render *render) {
    if (render->out->len > RENDER_MAX) {
        render->truncated = true;
    }
    return !render->truncated;
}

static void render_build(struct render *render) {
    struct buffer labels;
    buffer_init(&labels, SIZE_MAX);
    text_label(&labels, "version", SLICE_LIT(BARNABAS_VERSION));
    text_label_int(&labels, "node_id", render->node->id);
    text_family(render->out, "barnabas_build_info", "gauge", "Always 1; the version of the node.");
    text_int(render->out, "barnabas_build_info", buffer_slice(&labels), 1);
    buffer_release(&labels);
}

static void render_costs(struct render *render) {
    const struct render_costs *costs = render->costs;
    struct buffer *out = render->out;
    text_single(out, "barnabas_metrics_pages_total", "counter",
                "Pages of metrics made before this one.", (double)costs->pages);
    text_single(out, "barnabas_metrics_collect_seconds_total", "counter",
                "Time that the loops have spent on copying what pages are made of.",
                (double)costs->collect_ns / 1e9);
    text_single(out, "barnabas_metrics_longest_turn_seconds", "gauge",
                "The longest that a loop spent at once on copying for the page before.",
                (double)costs->turn_ns / 1e9);
    text_single(out, "barnabas_metrics_render_seconds_total", "counter",
                "Time that workers have spent on making pages.", (double)costs->render_ns / 1e9);
    text_single(out, "barnabas_metrics_page_bytes", "gauge",
                "Size of the page before, not compressed.", (double)costs->bytes);
    text_single(out, "barnabas_metrics_truncated", "gauge",
                "1 when there was no room on this page for all partitions and groups.",
                render->truncated);
}

void render_page(struct render *render) {
    render_build(render);
    render_node(render);
    render_requests(render);
    render_partitions(render);
    render_groups(render);
    render_telemetry(render);
    render_costs(render);
}
