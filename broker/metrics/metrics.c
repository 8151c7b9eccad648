#include "broker/metrics/metrics.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/list.h"
#include "base/memory.h"
#include "broker/config/config.h"
#include "broker/metrics/health.h"
#include "broker/metrics/node_part.h"
#include "broker/metrics/part.h"
#include "broker/metrics/remote_ends.h"
#include "broker/metrics/render.h"
#include "broker/node.h"
#include "protocol/compression.h"
#include "runtime/file.h"
#include "runtime/http.h"
#include "runtime/log.h"

#define CONNECTIONS_MAX             64
#define CONNECTIONS_PER_ADDRESS_MAX 32

/* A page is given out for so long. */
#define PAGE_MS 1000

/* How long a page is waited for: a loop that does not come round is /livez' to tell. */
#define PATIENCE_MS 10000

/* What a loop looks at in one turn: topics, partitions, groups, offsets. Well below a millisecond.
 */
#define TURN_MAX 500

#define CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* One that waits for a page. */
struct waiter {
    struct list link;
    struct http_exchange *exchange;
    bool gzip;
};

/* A question to a shard, which answers it in as many turns of its loop as it takes. */
struct question {
    struct post post;
    struct job *job;
    struct node_shard *shard;
    int64_t took_ns; /* all turns together */
    int64_t turn_ns; /* the longest of them */
};

/* The making of a page. */
struct job {
    struct metrics *metrics;
    struct question questions[SHARD_COUNT_MAX];
    struct metrics_part *parts[SHARD_COUNT_MAX];
    int left; /* questions without an answer */
    struct node_part *node_part;
    struct render_costs costs;
    bool plain; /* wanted, as the next */
    bool gzip;
    struct work work;
    struct arena arena; /* of what follows */
    struct remote_ends remote;
    struct buffer text;
    struct buffer packed;
    int64_t took_ns;
    size_t bytes;
};

struct metrics {
    struct node *node;
    struct health *health;
    struct http_server *http; /* NULL while not open */
    struct http_page *plain;  /* the last page; NULL when it is too old */
    struct http_page *gzip;
    struct timer forget;
    struct list waiters;
    struct timer patience;
    struct job *job;
    struct remote_asker *asker;
    struct node_part_before before;
    struct render_costs costs;
};

/* ---- Making a page --------------------------------------------------------------------------- */

static void job_free(struct job *job) {
    if (job == NULL) {
        return;
    }
    for (int i = 0; i < SHARD_COUNT_MAX; i++) {
        part_free(job->parts[i]);
    }
    node_part_free(job->node_part);
    remote_ends_release(&job->remote);
    arena_release(&job->arena);
    buffer_release(&job->text);
    buffer_release(&job->packed);
    free(job);
}

static void look_at_dirs(struct machine *machine, struct node_part *part) {
    for (int32_t i = 0; i < part->dir_count; i++) {
        struct node_dir *dir = &part->dirs[i];
        if (disk_usage(machine, dir->path, &dir->total_bytes, &dir->free_bytes) != 0) {
            dir->total_bytes = 0;
            dir->free_bytes = 0;
        }
    }
}

static void job_render(struct job *job) {
    struct machine *machine = job->metrics->node->machine;
    int64_t began_ns = clock_now_ns(machine);
    struct process_usage usage;
    struct arena scratch;
    arena_init(&scratch, SIZE_MAX);
    process_usage(machine, &usage);
    look_at_dirs(machine, job->node_part);
    struct render render = {
        .out = &job->text,
        .parts = job->parts,
        .part_count = job->node_part->shard_count,
        .node = job->node_part,
        .remote = &job->remote,
        .usage = &usage,
        .costs = &job->costs,
        .arena = &scratch,
    };
    render_page(&render);
    job->bytes = job->text.len;
    arena_release(&scratch);
    if (job->gzip && !compress(COMPRESSION_GZIP, INT_MIN, buffer_slice(&job->text), &job->packed)) {
        buffer_release(&job->packed);
        job->plain = true;
    }
    if (!job->plain) {
        buffer_release(&job->text);
    }
    job->took_ns += clock_now_ns(machine) - began_ns;
}

/* On a worker, as the next. Where nobody else has to be asked, the page is made at once. */
static void job_look(struct work *work) {
    struct job *job = CONTAINER_OF(work, struct job, work);
    struct machine *machine = job->metrics->node->machine;
    int64_t began_ns = clock_now_ns(machine);
    if (job->node_part->each_partition) {
        remote_ends_find(&job->remote, job->parts, job->node_part->shard_count, &job->arena);
    }
    job->took_ns = clock_now_ns(machine) - began_ns;
    if (job->remote.count == 0) {
        job_render(job);
    }
}

static void job_run(struct work *work) {
    job_render(CONTAINER_OF(work, struct job, work));
}

/* Takes the buffer's memory; NULL when there is none. */
static struct http_page *page_of(struct buffer *buffer, const char *encoding) {
    if (buffer->data == NULL) {
        return NULL;
    }
    struct http_page *page = http_page_new(200, CONTENT_TYPE, encoding, buffer->data, buffer->len);
    buffer_init(buffer, buffer->max);
    return page;
}

static void pages_forget(struct metrics *metrics) {
    http_page_unref(metrics->plain);
    http_page_unref(metrics->gzip);
    metrics->plain = NULL;
    metrics->gzip = NULL;
}

static void forget_fired(struct timer *timer) {
    pages_forget(CONTAINER_OF(timer, struct metrics, forget));
}

/* The page for who takes gzip or not; NULL when there is none. */
static struct http_page *page_for(const struct metrics *metrics, bool gzip) {
    return gzip && metrics->gzip != NULL ? metrics->gzip : metrics->plain;
}

static void job_begin(struct metrics *metrics);

/* Answers those for whom there is a page; all of them, with `text`, where that is not NULL. */
static void answer_waiters(struct metrics *metrics, const char *text) {
    LIST_FOREACH_SAFE(it, &metrics->waiters) {
        struct waiter *waiter = CONTAINER_OF(it, struct waiter, link);
        struct http_page *page = page_for(metrics, waiter->gzip);
        if (page == NULL && text == NULL) {
            continue;
        }
        struct http_exchange *exchange = waiter->exchange;
        list_remove(&waiter->link);
        free(waiter);
        http_reply(exchange, page != NULL ? http_page_ref(page) : http_page_text(503, text));
    }
    if (list_empty(&metrics->waiters)) {
        timer_stop(&metrics->patience);
    }
}

static void job_done(struct work *work) {
    struct job *job = CONTAINER_OF(work, struct job, work);
    struct metrics *metrics = job->metrics;
    metrics->job = NULL;
    metrics->costs = job->costs;
    metrics->costs.pages++;
    metrics->costs.render_ns += job->took_ns;
    metrics->costs.bytes = job->bytes;
    if (metrics->http != NULL) {
        pages_forget(metrics);
        metrics->plain = page_of(&job->text, NULL);
        metrics->gzip = page_of(&job->packed, "gzip");
        timer_start(&metrics->forget, PAGE_MS);
        answer_waiters(metrics, NULL);
        if (!list_empty(&metrics->waiters)) {
            job_begin(metrics); /* they came late, and take no gzip */
        }
    }
    job_free(job);
}

static void ends_known(void *ctx) {
    struct job *job = ctx;
    work_submit(job->metrics->node->shards[0].shard, &job->work, job_run, job_done);
}

static void job_looked(struct work *work) {
    struct job *job = CONTAINER_OF(work, struct job, work);
    if (job->remote.count == 0) {
        job_done(work);
    } else {
        remote_asker_ask(job->metrics->asker, &job->remote, ends_known, job);
    }
}

static void question_took(struct question *question, int64_t ns) {
    question->took_ns += ns;
    question->turn_ns = ns > question->turn_ns ? ns : question->turn_ns;
}

static void question_back(struct post *post) {
    struct question *question = CONTAINER_OF(post, struct question, post);
    struct job *job = question->job;
    struct render_costs *costs = &job->costs;
    costs->collect_ns += question->took_ns;
    costs->turn_ns = question->turn_ns > costs->turn_ns ? question->turn_ns : costs->turn_ns;
    if (--job->left == 0) {
        work_submit(job->metrics->node->shards[0].shard, &job->work, job_look, job_looked);
    }
}

static void question_there(struct post *post) {
    struct question *question = CONTAINER_OF(post, struct question, post);
    struct node_shard *shard = question->shard;
    struct metrics_part **part = &question->job->parts[shard->index];
    int64_t began_ns = clock_now_ns(shard->node->machine);
    if (*part == NULL) {
        *part = part_new(shard);
    } else {
        (void)part_collect(*part, shard, TURN_MAX);
    }
    question_took(question, clock_now_ns(shard->node->machine) - began_ns);
    if (part_is_whole(*part)) {
        shard_post(shard->node->shards[0].shard, post, question_back);
    } else {
        shard_post(shard->shard, post, question_there);
    }
}

/* Of what shard 0 alone knows: in turns too, before the shards are asked. */
static void job_collect_node(struct post *post) {
    struct question *question = CONTAINER_OF(post, struct question, post);
    struct job *job = question->job;
    struct metrics *metrics = job->metrics;
    struct node *node = metrics->node;
    int64_t began_ns = clock_now_ns(node->machine);
    if (job->node_part == NULL) {
        job->node_part = node_part_new(node, &metrics->before);
        job->node_part->ready = health_unready(metrics->health) == NULL;
    } else {
        (void)node_part_collect(job->node_part, node->shards[0].image, TURN_MAX);
    }
    question_took(question, clock_now_ns(node->machine) - began_ns);
    if (!job->node_part->whole) {
        shard_post(node->shards[0].shard, post, job_collect_node);
        return;
    }
    for (int i = 0; i < node->shard_count; i++) {
        shard_post(node->shards[i].shard, &job->questions[i].post, question_there);
    }
}

static void job_begin(struct metrics *metrics) {
    struct node *node = metrics->node;
    struct job *job = NEW(struct job);
    metrics->job = job;
    job->metrics = metrics;
    job->left = node->shard_count;
    job->costs = metrics->costs;
    job->costs.turn_ns = 0;
    buffer_init(&job->text, SIZE_MAX);
    buffer_init(&job->packed, SIZE_MAX);
    (void)buffer_reserve(&job->text, job->costs.bytes + job->costs.bytes / 8);
    arena_init(&job->arena, SIZE_MAX);
    hmap_init(&job->remote.by_name);
    LIST_FOREACH(it, &metrics->waiters) {
        const struct waiter *waiter = CONTAINER_OF(it, struct waiter, link);
        job->gzip |= waiter->gzip;
        job->plain |= !waiter->gzip;
    }
    for (int i = 0; i < node->shard_count; i++) {
        job->questions[i] = (struct question){.job = job, .shard = &node->shards[i]};
    }
    job_collect_node(&job->questions[0].post);
}

static void patience_fired(struct timer *timer) {
    struct metrics *metrics = CONTAINER_OF(timer, struct metrics, patience);
    answer_waiters(metrics, "the node is too busy\n");
}

static void answer_metrics(struct metrics *metrics, struct http_exchange *exchange, bool gzip) {
    struct http_page *page = page_for(metrics, gzip);
    if (page != NULL) {
        http_reply(exchange, http_page_ref(page));
        return;
    }
    struct waiter *waiter = NEW(struct waiter);
    *waiter = (struct waiter){.exchange = exchange, .gzip = gzip};
    list_append(&metrics->waiters, &waiter->link);
    if (!timer_running(&metrics->patience)) {
        timer_start(&metrics->patience, PATIENCE_MS);
    }
    if (metrics->job == NULL) {
        job_begin(metrics);
    }
}

/* ---- Serving --------------------------------------------------------------------------------- */

static void on_get(struct http_exchange *exchange, const char *path, bool gzip, void *ctx) {
    struct metrics *metrics = ctx;
    if (strcmp(path, "/metrics") == 0) {
        answer_metrics(metrics, exchange, gzip);
    } else if (strcmp(path, "/livez") == 0 || strcmp(path, "/healthz") == 0) {
        health_answer_live(metrics->health, exchange);
    } else if (strcmp(path, "/readyz") == 0) {
        health_answer_ready(metrics->health, exchange);
    } else {
        http_reply(exchange, http_page_text(404, "here are /metrics, /livez, /readyz, /healthz\n"));
    }
}

struct metrics *metrics_new(struct node *node) {
    struct metrics *metrics = NEW(struct metrics);
    struct shard *shard = node->shards[0].shard;
    metrics->node = node;
    metrics->health = health_new(node);
    metrics->asker = remote_asker_new(node);
    list_init(&metrics->waiters);
    timer_init(&metrics->forget, shard, forget_fired);
    timer_init(&metrics->patience, shard, patience_fired);
    return metrics;
}

void metrics_free(struct metrics *metrics) {
    if (metrics != NULL) {
        metrics_close(metrics);
        health_free(metrics->health);
        job_free(metrics->job);
        remote_asker_free(metrics->asker);
        free(metrics);
    }
}

int metrics_open(struct metrics *metrics, struct errmsg *errmsg) {
    struct http_options options = {
        .connections_max = CONNECTIONS_MAX,
        .connections_per_address_max = CONNECTIONS_PER_ADDRESS_MAX,
        .on_get = on_get,
        .ctx = metrics,
    };
    const struct node *node = metrics->node;
    if (!config_metrics_listener(node->config, &options.host, &options.port)) {
        return 0;
    }
    int error = http_open(node->machine, &options, &metrics->http, errmsg);
    if (error != 0) {
        errmsg_prefix(errmsg, "metrics.listener");
        return error;
    }
    LOG_INFO(node->machine, "metrics", "serving pages", "host=%s port=%d", options.host,
             http_port(metrics->http));
    return 0;
}

void metrics_close(struct metrics *metrics) {
    pages_forget(metrics);
    timer_stop(&metrics->forget);
    answer_waiters(metrics, "stopping\n");
    health_close(metrics->health);
    remote_asker_close(metrics->asker);
    http_close(metrics->http);
    metrics->http = NULL;
}

int metrics_port(const struct metrics *metrics) {
    return metrics->http != NULL ? http_port(metrics->http) : -1;
}
