/* The network's part of a shard: the end of a turn, exchanges, and the account of frame memory. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"
#include "runtime/file.h"
#include "runtime/uv/net_internal.h"

static void on_memory_freed(struct post *post) {
    struct net_shard *net = CONTAINER_OF(post, struct net_shard, memory_post);
    atomic_store(&net->memory_posted, false);
    if (list_empty(&net->memory_waiters)) {
        return;
    }
    atomic_fetch_sub(&net->shard->machine->frame_memory_waiters, 1);
    while (!list_empty(&net->memory_waiters)) {
        struct conn *conn = LIST_FIRST(&net->memory_waiters, struct conn, memory_link);
        list_remove(&conn->memory_link);
        conn_mark_dirty(conn);
    }
}

bool frame_memory_take(struct conn *conn, size_t len, size_t max) {
    struct machine *machine = conn->net->shard->machine;
    if (max > 0 && atomic_load(&machine->frame_memory) >= max) {
        struct net_shard *net = conn->net;
        if (list_empty(&net->memory_waiters)) {
            atomic_fetch_add(&machine->frame_memory_waiters, 1);
        }
        list_remove(&conn->memory_link);
        list_append(&net->memory_waiters, &conn->memory_link);
        if (atomic_load(&machine->frame_memory) >= max) {
            return false;
        }
        /* Freed between the two looks, perhaps before the other thread could see us wait. */
        list_remove(&conn->memory_link);
        if (list_empty(&net->memory_waiters)) {
            atomic_fetch_sub(&machine->frame_memory_waiters, 1);
        }
    }
    atomic_fetch_add(&machine->frame_memory, len);
    return true;
}

void frame_memory_give(struct net_shard *net, size_t len) {
    struct machine *machine = net->shard->machine;
    size_t before = atomic_fetch_sub(&machine->frame_memory, len);
    ASSERT(before >= len);
    if (atomic_load(&machine->frame_memory_waiters) == 0) {
        return;
    }
    for (int i = 0; i < machine->shard_count; i++) {
        struct net_shard *other = machine->shards[i]->net;
        if (!atomic_exchange(&other->memory_posted, true)) {
            shard_post(machine->shards[i], &other->memory_post, on_memory_freed);
        }
    }
}

/* ---- Exchanges ------------------------------------------------------------------------------- */

static void grow_exchange_pool(struct net_shard *net) {
    struct exchange_slab *slab = NEW(struct exchange_slab);
    slab->next = net->exchange_slabs;
    net->exchange_slabs = slab;
    for (size_t i = 0; i < ARRAY_LEN(slab->exchanges); i++) {
        list_append(&net->exchange_pool, &slab->exchanges[i].link);
    }
}

struct exchange *exchange_new(struct conn *conn, size_t frame_len) {
    struct net_shard *net = conn->net;
    if (list_empty(&net->exchange_pool)) {
        grow_exchange_pool(net);
    }
    struct exchange *exchange = LIST_FIRST(&net->exchange_pool, struct exchange, link);
    list_remove(&exchange->link);
    exchange->conn = conn;
    exchange->net = net;
    exchange->reply = NULL;
    exchange->frame_len = frame_len;
    exchange->ended = false;
    list_append(&conn->exchanges, &exchange->link);
    conn->exchange_count++;
    return exchange;
}

static void exchange_recycle(struct exchange *exchange) {
    exchange->conn = NULL;
    list_prepend(&exchange->net->exchange_pool, &exchange->link);
}

struct conn *exchange_conn(const struct exchange *exchange) {
    return exchange->conn;
}

static void exchange_end(struct exchange *exchange, struct reply *reply) {
    struct net_shard *net = exchange->net;
    shard_assert_current(net->shard);
    ASSERT(!exchange->ended);
    struct conn *conn = exchange->conn;
    exchange->ended = true;
    exchange->reply = reply;
    frame_memory_give(net, exchange->frame_len);
    if (conn == NULL) {
        reply_free(reply);
        exchange_recycle(exchange);
        return;
    }
    while (!list_empty(&conn->exchanges)) {
        struct exchange *first = LIST_FIRST(&conn->exchanges, struct exchange, link);
        if (!first->ended) {
            break;
        }
        list_remove(&first->link);
        conn->exchange_count--;
        if (first->reply != NULL) {
            conn_output_append(conn, first->reply);
        }
        exchange_recycle(first);
    }
    conn_mark_dirty(conn);
}

void exchange_reply(struct exchange *exchange, struct reply *reply) {
    ASSERT(reply != NULL);
    exchange_end(exchange, reply);
}

void exchange_done(struct exchange *exchange) {
    exchange_end(exchange, NULL);
}

/* ---- The shard ------------------------------------------------------------------------------- */

/* The end of the turn, which comes now, closes on. */
static void on_closing_timer(struct timer *timer) {
}

struct net_shard *net_shard_new(struct shard *shard) {
    struct net_shard *net = NEW(struct net_shard);
    net->shard = shard;
    list_init(&net->conns);
    list_init(&net->dirty);
    list_init(&net->closing);
    timer_init(&net->closing_timer, shard, on_closing_timer);
    list_init(&net->memory_waiters);
    list_init(&net->receive_line);
    list_init(&net->cold_reads);
    list_init(&net->dials);
    list_init(&net->exchange_pool);
    return net;
}

void net_shard_turn_begin(struct net_shard *net) {
    net->flush_left = FLUSH_TURN_MAX;
    net->receive_left = RECEIVE_TURN_MAX;
}

static bool stops_with_its_listener(const struct conn *conn) {
    return conn->listener_shard != NULL && conn->listener_shard->closing;
}

/* Many end at once when a process does, and it is the kernel that has most to do then: others need
 * not wait for all of them. */
static bool finish_closing(struct net_shard *net) {
    bool any = false;
    int count = 0;
    while (!list_empty(&net->closing)) {
        struct conn *conn = LIST_FIRST(&net->closing, struct conn, closing_link);
        if (!stops_with_its_listener(conn)) {
            if (timer_running(&net->closing_timer)) {
                break;
            }
            if (++count > CLOSE_ROUND_MAX) {
                timer_start(&net->closing_timer, CLOSE_REST_MS);
                break;
            }
        }
        any = true;
        conn_finish_close(conn);
    }
    return any;
}

bool net_shard_turn_end(struct net_shard *net) {
    bool any = !list_empty(&net->dirty);
    while (!list_empty(&net->dirty)) {
        struct conn *conn = LIST_FIRST(&net->dirty, struct conn, dirty_link);
        list_remove(&conn->dirty_link);
        conn_service(conn);
    }
    conn_output_keep_limit(net);
    return finish_closing(net) || any;
}

bool net_shard_receive_in_line(struct net_shard *net) {
    bool any = !list_empty(&net->receive_line);
    while (net->receive_left > 0 && !list_empty(&net->receive_line)) {
        struct conn *conn = LIST_FIRST(&net->receive_line, struct conn, receive_link);
        list_remove(&conn->receive_link);
        conn_receive_in_line(conn);
    }
    return any;
}

void net_shard_abandon(struct net_shard *net) {
    timer_stop(&net->closing_timer);
    while (!list_empty(&net->conns)) {
        conn_destroy(LIST_FIRST(&net->conns, struct conn, link));
    }
}

void net_shard_free(struct net_shard *net) {
    dial_free_all(net);
    LIST_FOREACH_SAFE(it, &net->cold_reads) {
        struct cold_read *cold = CONTAINER_OF(it, struct cold_read, link);
        file_unref(cold->file);
        free(cold);
    }
    while (net->exchange_slabs != NULL) {
        struct exchange_slab *slab = net->exchange_slabs;
        net->exchange_slabs = slab->next;
        free(slab);
    }
    free(net->scratch);
    free(net->file_chunk);
    free(net);
}
