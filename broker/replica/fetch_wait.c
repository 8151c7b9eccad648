#include "broker/replica/fetch_wait.h"

#include "broker/replica/replica_manager.h"
#include "runtime/file.h"

void fetch_wait_init(struct fetch_wait *wait, struct replica_manager *manager,
                     struct fetch_interest *interests, int64_t wake_bytes, enum fetch_limit limit,
                     bool leader_only, void (*fn)(struct fetch_wait *wait)) {
    *wait = (struct fetch_wait){
        .manager = manager,
        .interests = interests,
        .wake_bytes = wake_bytes,
        .limit = limit,
        .leader_only = leader_only,
        .fn = fn,
    };
    list_init(&wait->woken);
}

static void fetch_wait_leave(struct fetch_wait *wait) {
    for (int i = 0; i < wait->count; i++) {
        list_remove(&wait->interests[i].link);
    }
    wait->count = 0;
}

static void fetch_wait_wake(struct fetch_wait *wait) {
    fetch_wait_leave(wait);
    if (!list_linked(&wait->woken)) {
        list_append(&wait->manager->woken, &wait->woken);
        deferred_schedule(&wait->manager->drain);
    }
}

void fetch_wait_cancel(struct fetch_wait *wait) {
    fetch_wait_leave(wait);
    list_remove(&wait->woken);
}

void fetch_wait_add(struct fetch_wait *wait, struct uuid topic_id, int32_t index, int64_t offset,
                    size_t bytes_max, int64_t seen, int64_t bytes) {
    if (list_linked(&wait->woken)) {
        return;
    }
    enum kafka_error error;
    struct partition *partition =
        replica_reader(wait->manager, topic_id, index, wait->leader_only, &error);
    if (partition == NULL || partition_fetch_limit(partition, wait->limit) != seen) {
        fetch_wait_wake(wait);
        return;
    }
    struct fetch_interest *interest = &wait->interests[wait->count++];
    *interest = (struct fetch_interest){
        .wait = wait,
        .offset = offset,
        .log_start = log_start_offset(partition->log),
        .bytes_max = bytes_max,
        .bytes = bytes,
    };
    list_append(&partition->fetches, &interest->link);
}

/* Bytes that a fetch would get here now; -1 when it would get an error. */
static int64_t interest_measure(struct partition *partition,
                                const struct fetch_interest *interest) {
    struct log_range range;
    int64_t limit = partition_fetch_limit(partition, interest->wait->limit);
    if (log_read(partition->log, interest->offset, limit, interest->bytes_max, true, &range) != 0) {
        return -1;
    }
    file_unref(range.file);
    return (int64_t)range.len;
}

/* Whether the wait has enough now. */
static bool interest_satisfied(struct partition *partition, struct fetch_interest *interest) {
    struct fetch_wait *wait = interest->wait;
    int64_t log_start = log_start_offset(partition->log);
    bool deleted = wait->limit == FETCH_TO_LOG_END && interest->log_start != log_start;
    if (interest->offset < log_start || deleted) {
        return true; /* replicas delete too */
    }
    if (interest->offset >= partition_fetch_limit(partition, wait->limit)) {
        return false;
    }
    if (wait->wake_bytes <= 1) {
        return true;
    }
    int64_t bytes = interest_measure(partition, interest);
    if (bytes < 0) {
        return true;
    }
    wait->bytes += bytes - interest->bytes;
    interest->bytes = bytes;
    return wait->bytes >= wait->wake_bytes;
}

void partition_wake_fetches(struct partition *partition) {
    if (partition->state != PARTITION_ONLINE) {
        partition_wake_all_fetches(partition);
        return;
    }
    /* One wait may have several interests here, and leaves with all of them. */
    struct list looked_at;
    list_init(&looked_at);
    while (!list_empty(&partition->fetches)) {
        struct fetch_interest *interest =
            LIST_FIRST(&partition->fetches, struct fetch_interest, link);
        list_remove(&interest->link);
        list_append(&looked_at, &interest->link);
        if (interest_satisfied(partition, interest)) {
            fetch_wait_wake(interest->wait);
        }
    }
    list_splice(&partition->fetches, &looked_at);
}

void partition_wake_all_fetches(struct partition *partition) {
    while (!list_empty(&partition->fetches)) {
        fetch_wait_wake(LIST_FIRST(&partition->fetches, struct fetch_interest, link)->wait);
    }
}

void fetch_waits_run(struct replica_manager *manager) {
    while (!list_empty(&manager->woken)) {
        struct fetch_wait *wait = LIST_FIRST(&manager->woken, struct fetch_wait, woken);
        list_remove(&wait->woken);
        wait->fn(wait);
    }
}
