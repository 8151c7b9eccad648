/* Fetch sessions (KIP-227): ids, epochs, room, and what an incremental answer names. */
#include <criterion/criterion.h>

#include "broker/replica/fetch_session.h"
#include "replica_world.h"

static struct fetch_sessions *sessions;

static void set_up(void) {
    memset(&world, 0, sizeof(world));
    sessions = fetch_sessions_new(&world.machine, 1, 3, 6); /* 2 slots */
}

static void tear_down(void) {
    fetch_sessions_free(sessions);
}

TestSuite(fetch_session, .init = set_up, .fini = tear_down);

static struct fetch_wanted wanted(const char *topic, int32_t partition) {
    return (struct fetch_wanted){.topic = slice_str(topic), .partition = partition};
}

/* A session of `count` partitions of "t", nobody's but the cache's. */
static int32_t create(int64_t now_ms, int32_t count) {
    struct fetch_wanted list[8];
    for (int32_t i = 0; i < count; i++) {
        list[i] = wanted("t", i);
    }
    struct fetch_session *session =
        fetch_session_create(sessions, now_ms, false, false, list, count);
    if (session == NULL) {
        return 0;
    }
    int32_t id = session->id;
    fetch_session_unref(session);
    return id;
}

static enum kafka_error go_on(int64_t now_ms, int32_t id, int32_t epoch) {
    enum kafka_error error;
    struct fetch_session *session =
        fetch_session_continue(sessions, now_ms, id, epoch, false, &error);
    if (session != NULL) {
        fetch_session_unref(session);
    }
    return error;
}

Test(fetch_session, an_id_names_the_shard_that_has_the_session) {
    int32_t id = create(0, 1);
    cr_assert_gt(id, 0);
    cr_assert_eq(fetch_session_shard(id, 3), 1);
}

Test(fetch_session, epochs_count_up_from_one_and_wrap_to_one) {
    struct fetch_wanted one = wanted("t", 0);
    struct fetch_session *session = fetch_session_create(sessions, 0, false, false, &one, 1);
    cr_assert_eq(go_on(0, session->id, 2), ERROR_INVALID_FETCH_SESSION_EPOCH);
    cr_assert_eq(go_on(0, session->id, 1), ERROR_NONE);
    cr_assert_eq(go_on(0, session->id, 1), ERROR_INVALID_FETCH_SESSION_EPOCH);
    session->epoch = INT32_MAX;
    cr_assert_eq(go_on(0, session->id, INT32_MAX), ERROR_NONE);
    cr_assert_eq(session->epoch, 1);
    fetch_session_unref(session);
}

Test(fetch_session, names_and_ids_do_not_mix) {
    int32_t id = create(0, 1);
    enum kafka_error error;
    cr_assert_null(fetch_session_continue(sessions, 0, id, 1, true, &error));
    cr_assert_eq(error, ERROR_FETCH_SESSION_TOPIC_ID_ERROR);
    cr_assert_eq(go_on(0, id + 3, 1), ERROR_FETCH_SESSION_ID_NOT_FOUND);
}

Test(fetch_session, a_full_cache_refuses_until_a_session_is_idle_long_enough) {
    int32_t first = create(0, 1);
    int32_t second = create(1, 1);
    cr_assert_eq(create(FETCH_SESSION_EVICTION_MS, 1), 0);
    cr_assert_eq(go_on(FETCH_SESSION_EVICTION_MS, first, 1), ERROR_NONE);
    int32_t third = create(FETCH_SESSION_EVICTION_MS + 2, 1);
    cr_assert_gt(third, 0);
    cr_assert_eq(go_on(0, second, 1), ERROR_FETCH_SESSION_ID_NOT_FOUND);
    cr_assert_eq(go_on(0, first, 2), ERROR_NONE);
    cr_assert_eq(fetch_sessions_count(sessions), 2);
}

Test(fetch_session, a_larger_session_pushes_out_an_old_smaller_one_in_use) {
    int32_t small = create(0, 2);
    int32_t large = create(0, 5);
    int64_t now_ms = FETCH_SESSION_EVICTION_MS;
    cr_assert_eq(go_on(now_ms, small, 1), ERROR_NONE);
    cr_assert_eq(go_on(now_ms, large, 1), ERROR_NONE);
    cr_assert_eq(create(now_ms, 2), 0);
    cr_assert_gt(create(now_ms, 3), 0);
    cr_assert_eq(go_on(now_ms, small, 2), ERROR_FETCH_SESSION_ID_NOT_FOUND);
    cr_assert_eq(go_on(now_ms, large, 2), ERROR_NONE);
}

Test(fetch_session, an_evicted_session_lives_while_a_fetch_uses_it) {
    struct fetch_wanted one = wanted("t", 0);
    struct fetch_session *session = fetch_session_create(sessions, 0, false, false, &one, 1);
    fetch_sessions_close(sessions, session->id);
    cr_assert_eq(fetch_sessions_count(sessions), 0);
    cr_assert_not_null(fetch_session_find(session, UUID_ZERO, SLICE_LIT("t"), 0));
    struct fetch_wanted more = wanted("t", 1);
    cr_assert_not(fetch_session_want(session, &more));
    fetch_session_unref(session);
}

Test(fetch_session, only_news_is_told) {
    struct fetch_wanted list[] = {wanted("t", 0), wanted("t", 1), wanted("t", 0)};
    struct fetch_session *session = fetch_session_create(sessions, 0, false, false, list, 3);
    cr_assert_eq(session->partitions.count, 2);
    struct fetch_cached *cached = fetch_session_find(session, UUID_ZERO, SLICE_LIT("t"), 0);
    struct fetch_told told = {.high_watermark = 3, .log_start = 0};
    cr_assert(fetch_session_tell(session, cached, &told));
    cr_assert_not(fetch_session_tell(session, cached, &told));
    told.log_start = 1;
    cr_assert(fetch_session_tell(session, cached, &told));
    told.has_records = true;
    cr_assert(fetch_session_tell(session, cached, &told));
    cr_assert_eq(session->order.prev, &cached->link, "not moved to the end");
    told.has_records = false;
    told.error = ERROR_NOT_LEADER_OR_FOLLOWER;
    cr_assert(fetch_session_tell(session, cached, &told));
    cr_assert(fetch_session_tell(session, cached, &told));
    told.error = ERROR_NONE;
    cr_assert(fetch_session_tell(session, cached, &told), "the end of an error is news");
    fetch_session_forget(session, UUID_ZERO, SLICE_LIT("t"), 0);
    cr_assert_null(fetch_session_find(session, UUID_ZERO, SLICE_LIT("t"), 0));
    fetch_session_unref(session);
}

Test(fetch_session, a_replica_pushes_out_a_consumer_and_no_consumer_a_replica) {
    struct fetch_wanted one = wanted("t", 0);
    int64_t old = FETCH_SESSION_EVICTION_MS;
    create(0, 3);
    create(0, 4);
    for (int i = 0; i < 2; i++) {
        struct fetch_session *session = fetch_session_create(sessions, old, false, true, &one, 1);
        cr_assert_not_null(session, "though it is smaller");
        fetch_session_unref(session);
    }
    cr_assert_eq(create(2 * old, 4), 0);
}
