#include "runtime/conn_limits.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/hmap.h"
#include "base/memory.h"
#include "runtime/conn_rate.h"

#define HOST_SIZE 46 /* of a numeric address as text, INET6_ADDRSTRLEN */

struct address {
    struct hmap_node node;
    int conn_count;
    int connections_max; /* -1: the limit of all addresses */
    char host[HOST_SIZE];
};

struct limited_listener {
    struct conn_limit_listener values;
    int conn_count;
    struct conn_rate rate;
    int64_t busy_until_ms; /* throttled connections of a listener are let in one after another */
};

struct conn_limits {
    pthread_mutex_t lock; /* over all that follows */
    int connections_max;
    int creation_rate_max;
    int connections_per_ip_max;
    int conn_count;
    int evicting; /* of conn_count: asked to go */
    struct conn_rate rate;
    struct hmap addresses; /* of struct address: those with connections or a limit of their own */
    struct list members;   /* by conn_limit_member.link */
    int listener_count;
    struct limited_listener listeners[];
};

struct conn_limits *conn_limits_new(int listener_count) {
    size_t listeners_size = (size_t)listener_count * sizeof(struct limited_listener);
    struct conn_limits *limits = xcalloc(1, sizeof(*limits) + listeners_size);
    pthread_mutex_init(&limits->lock, NULL);
    limits->connections_max = CONN_LIMIT_NONE;
    limits->creation_rate_max = CONN_LIMIT_NONE;
    limits->connections_per_ip_max = CONN_LIMIT_NONE;
    hmap_init(&limits->addresses);
    list_init(&limits->members);
    limits->listener_count = listener_count;
    for (int i = 0; i < listener_count; i++) {
        limits->listeners[i].values = (struct conn_limit_listener){
            .connections_max = CONN_LIMIT_NONE,
            .creation_rate_max = CONN_LIMIT_NONE,
        };
    }
    return limits;
}

void conn_limits_free(struct conn_limits *limits) {
    if (limits == NULL) {
        return;
    }
    for (struct hmap_node *node = hmap_first(&limits->addresses); node != NULL;) {
        struct hmap_node *next = hmap_next(&limits->addresses, node);
        free(CONTAINER_OF(node, struct address, node));
        node = next;
    }
    hmap_release(&limits->addresses);
    pthread_mutex_destroy(&limits->lock);
    free(limits);
}

int conn_limits_count(struct conn_limits *limits) {
    pthread_mutex_lock(&limits->lock);
    int count = limits->conn_count;
    pthread_mutex_unlock(&limits->lock);
    return count;
}

/* ---- Addresses ------------------------------------------------------------------------------- */

static struct address *find_address(struct conn_limits *limits, const char *host) {
    HMAP_FOREACH_HASH(node, &limits->addresses, hash_bytes(slice_str(host))) {
        struct address *address = CONTAINER_OF(node, struct address, node);
        if (strcmp(address->host, host) == 0) {
            return address;
        }
    }
    return NULL;
}

static struct address *take_address(struct conn_limits *limits, const char *host) {
    struct address *address = find_address(limits, host);
    if (address == NULL) {
        address = NEW(struct address);
        address->connections_max = -1;
        snprintf(address->host, sizeof(address->host), "%s", host);
        hmap_insert(&limits->addresses, &address->node, hash_bytes(slice_str(host)));
    }
    return address;
}

static void drop_unused(struct conn_limits *limits, struct address *address) {
    if (address->conn_count == 0 && address->connections_max < 0) {
        hmap_remove(&limits->addresses, &address->node);
        free(address);
    }
}

bool conn_limits_enter_address(struct conn_limits *limits, const char *host) {
    pthread_mutex_lock(&limits->lock);
    struct address *address = take_address(limits, host);
    int max =
        address->connections_max >= 0 ? address->connections_max : limits->connections_per_ip_max;
    bool room = address->conn_count < max;
    address->conn_count += room;
    drop_unused(limits, address);
    pthread_mutex_unlock(&limits->lock);
    return room;
}

void conn_limits_leave_address(struct conn_limits *limits, const char *host) {
    pthread_mutex_lock(&limits->lock);
    struct address *address = find_address(limits, host);
    ASSERT(address != NULL && address->conn_count > 0);
    address->conn_count--;
    drop_unused(limits, address);
    pthread_mutex_unlock(&limits->lock);
}

static void set_addresses(struct conn_limits *limits, const struct conn_limit_values *values) {
    for (struct hmap_node *node = hmap_first(&limits->addresses); node != NULL;) {
        struct hmap_node *next = hmap_next(&limits->addresses, node);
        struct address *address = CONTAINER_OF(node, struct address, node);
        address->connections_max = -1;
        drop_unused(limits, address);
        node = next;
    }
    for (int i = 0; i < values->address_count; i++) {
        int max = values->addresses[i].connections_max;
        take_address(limits, values->addresses[i].host)->connections_max = max > 0 ? max : 0;
    }
}

/* ---- Places ---------------------------------------------------------------------------------- */

static void tell_all(struct conn_limits *limits, bool only_waiting) {
    LIST_FOREACH(it, &limits->members) {
        struct conn_limit_member *member = CONTAINER_OF(it, struct conn_limit_member, link);
        if (!only_waiting || member->waiting) {
            member->waiting = false;
            member->changed(member);
        }
    }
}

void conn_limits_set(struct conn_limits *limits, const struct conn_limit_values *values) {
    pthread_mutex_lock(&limits->lock);
    limits->connections_max = values->connections_max;
    limits->creation_rate_max = values->creation_rate_max;
    limits->connections_per_ip_max = values->connections_per_ip_max;
    set_addresses(limits, values);
    for (int i = 0; i < limits->listener_count; i++) {
        limits->listeners[i].values = values->listeners[i];
    }
    tell_all(limits, false);
    pthread_mutex_unlock(&limits->lock);
}

void conn_limits_join(struct conn_limits *limits, struct conn_limit_member *member, int listener,
                      void (*changed)(struct conn_limit_member *member)) {
    ASSERT(listener >= 0 && listener < limits->listener_count);
    member->listener = listener;
    member->waiting = false;
    member->changed = changed;
    pthread_mutex_lock(&limits->lock);
    list_append(&limits->members, &member->link);
    pthread_mutex_unlock(&limits->lock);
}

void conn_limits_part(struct conn_limits *limits, struct conn_limit_member *member) {
    pthread_mutex_lock(&limits->lock);
    list_remove(&member->link);
    pthread_mutex_unlock(&limits->lock);
}

static bool has_room(const struct conn_limits *limits, const struct limited_listener *listener) {
    return listener->conn_count < listener->values.connections_max &&
           (listener->values.is_protected || limits->conn_count < limits->connections_max);
}

static bool too_many(const struct conn_limits *limits) {
    return limits->conn_count - limits->evicting > limits->connections_max;
}

bool conn_limits_enter(struct conn_limits *limits, struct conn_limit_member *member) {
    pthread_mutex_lock(&limits->lock);
    struct limited_listener *listener = &limits->listeners[member->listener];
    bool room = has_room(limits, listener);
    member->waiting = !room;
    if (room) {
        limits->conn_count++;
        listener->conn_count++;
        if (too_many(limits)) {
            tell_all(limits, false);
        }
    }
    pthread_mutex_unlock(&limits->lock);
    return room;
}

void conn_limits_leave(struct conn_limits *limits, const struct conn_limit_member *member,
                       bool evicted) {
    pthread_mutex_lock(&limits->lock);
    struct limited_listener *listener = &limits->listeners[member->listener];
    ASSERT(limits->conn_count > 0 && listener->conn_count > 0);
    limits->conn_count--;
    listener->conn_count--;
    limits->evicting -= evicted;
    tell_all(limits, true);
    pthread_mutex_unlock(&limits->lock);
}

bool conn_limits_evict(struct conn_limits *limits, const struct conn_limit_member *member) {
    pthread_mutex_lock(&limits->lock);
    bool evict = !limits->listeners[member->listener].values.is_protected && too_many(limits);
    limits->evicting += evict;
    pthread_mutex_unlock(&limits->lock);
    return evict;
}

/* ---- Rates ----------------------------------------------------------------------------------- */

int64_t conn_limits_throttle_ms(struct conn_limits *limits, const struct conn_limit_member *member,
                                int64_t now_ms) {
    pthread_mutex_lock(&limits->lock);
    struct limited_listener *listener = &limits->listeners[member->listener];
    int64_t wait_ms = 0;
    if (listener->values.creation_rate_max != CONN_LIMIT_NONE) {
        wait_ms = conn_rate_record(&listener->rate, now_ms, listener->values.creation_rate_max);
    }
    if (limits->creation_rate_max != CONN_LIMIT_NONE && !listener->values.is_protected) {
        int64_t other_ms = conn_rate_record(&limits->rate, now_ms, limits->creation_rate_max);
        wait_ms = other_ms > wait_ms ? other_ms : wait_ms;
    }
    if (wait_ms > 0) {
        /* Each shard accepts for itself; where Kafka has one that waits for each in turn, they
         * wait for one another. */
        int64_t start_ms = listener->busy_until_ms > now_ms ? listener->busy_until_ms : now_ms;
        listener->busy_until_ms = start_ms + wait_ms;
        wait_ms = listener->busy_until_ms - now_ms;
    }
    pthread_mutex_unlock(&limits->lock);
    return wait_ms;
}
