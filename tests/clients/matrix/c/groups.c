/* Scenarios about consumer groups. All members are polled in turn by one thread. */
#include "matrix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARTITIONS = 6, MOST = 20000 };

struct member {
    rd_kafka_t *consumer; /* NULL: it has left */
    bool owns[PARTITIONS];
    int owned;
    bool incremental;         /* whether its assignment ever changed in steps */
    int changes;              /* calls of the callback */
    int64_t next[PARTITIONS]; /* to be committed; 0: nothing */
    bool committing;          /* a commit is not answered yet */
    bool read[MOST];          /* by number */
};

struct crowd {
    const char *topic;
    struct member *members[3];
    int count;
    rd_kafka_t *producer; /* NULL: nothing is produced */
    rd_kafka_t *watcher;  /* asks what is committed */
    int sent;
};

static void changed(rd_kafka_t *consumer, rd_kafka_resp_err_t event,
                    rd_kafka_topic_partition_list_t *partitions, void *opaque) {
    struct member *member = opaque;
    bool gained = event == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    const char *protocol = rd_kafka_rebalance_protocol(consumer); /* NULL when it is closing */
    bool incremental = protocol != NULL && strcmp(protocol, "COOPERATIVE") == 0;
    rd_kafka_error_t *error = NULL;

    member->changes++;
    member->incremental |= incremental;
    for (int i = 0; i < partitions->cnt; i++) {
        int partition = partitions->elems[i].partition;
        member->owned += (gained ? 1 : 0) - (member->owns[partition] ? 1 : 0);
        member->owns[partition] = gained;
        member->next[partition] = 0;
    }
    if (!incremental) {
        rd_kafka_assign(consumer, gained ? partitions : NULL);
    } else if (gained) {
        error = rd_kafka_incremental_assign(consumer, partitions);
    } else {
        error = rd_kafka_incremental_unassign(consumer, partitions);
    }
    if (error != NULL) {
        fail("changing the assignment: %s", rd_kafka_error_string(error));
    }
}

/* A commit that comes while the group changes is tried again in the next turn. */
static void commit_answered(rd_kafka_t *consumer, rd_kafka_resp_err_t error,
                            rd_kafka_topic_partition_list_t *offsets, void *opaque) {
    struct member *member = opaque;
    bool changing = error == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION ||
                    error == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID ||
                    error == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS || error < 0;

    (void)consumer;
    member->committing = false;
    for (int i = 0; error == RD_KAFKA_RESP_ERR_NO_ERROR && i < offsets->cnt; i++) {
        int64_t *next = &member->next[offsets->elems[i].partition];
        if (offsets->elems[i].err == RD_KAFKA_RESP_ERR_NO_ERROR &&
            *next == offsets->elems[i].offset) {
            *next = 0;
        }
    }
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR && !changing) {
        fail("committing: %s", rd_kafka_err2str(error));
    }
}

static struct member *join(const char *topic, const char *group, const char *assignor,
                           const char *instance) {
    struct member *member = calloc(1, sizeof(*member));
    char why[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    const char *const settings[][2] = {
        {"bootstrap.servers", bootstrap},
        {"group.id", group},
        {"enable.auto.commit", "false"},
        {"auto.offset.reset", "earliest"},
        {"partition.assignment.strategy", assignor},
        {"group.instance.id", instance},
    };

    if (member == NULL) {
        fail("no memory");
    }
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        if (settings[i][1] != NULL && rd_kafka_conf_set(conf, settings[i][0], settings[i][1], why,
                                                        sizeof(why)) != RD_KAFKA_CONF_OK) {
            fail("%s", why);
        }
    }
    rd_kafka_conf_set_rebalance_cb(conf, changed);
    rd_kafka_conf_set_offset_commit_cb(conf, commit_answered);
    rd_kafka_conf_set_opaque(conf, member);
    member->consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why));
    if (member->consumer == NULL) {
        fail("%s", why);
    }
    rd_kafka_poll_set_consumer(member->consumer);
    rd_kafka_topic_partition_list_t *topics = at(topic, RD_KAFKA_PARTITION_UA, 0);
    expect_error(rd_kafka_subscribe(member->consumer, topics), RD_KAFKA_RESP_ERR_NO_ERROR,
                 "subscribing");
    rd_kafka_topic_partition_list_destroy(topics);
    return member;
}

static void leave(struct member *member) {
    close_consumer(member->consumer);
    member->consumer = NULL;
}

/* Not awaited: the client keeps a commit behind its join, which waits for the other members. */
static void commit_next(struct member *member, const char *topic) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(PARTITIONS);

    for (int p = 0; p < PARTITIONS; p++) {
        if (member->next[p] > 0) {
            rd_kafka_topic_partition_list_add(list, topic, p)->offset = member->next[p];
        }
    }
    if (list->cnt > 0 && !member->committing) {
        expect_error(rd_kafka_commit(member->consumer, list, 1), RD_KAFKA_RESP_ERR_NO_ERROR,
                     "sending a commit");
        member->committing = true;
    }
    rd_kafka_topic_partition_list_destroy(list);
}

static void work(struct member *member, const char *topic) {
    rd_kafka_message_t *message;

    while ((message = next_record(member->consumer, 2)) != NULL) {
        int number = number_of(message);
        if (number >= 0 && number < MOST) {
            member->read[number] = true;
        }
        member->next[message->partition] = message->offset + 1;
        rd_kafka_message_destroy(message);
    }
    commit_next(member, topic);
}

/* One round: a record is sent, and each member does what there is to do. */
static void turn(struct crowd *crowd) {
    char text[16];

    if (crowd->producer != NULL && crowd->sent < MOST) {
        snprintf(text, sizeof(text), "%d", crowd->sent);
        produce_text(crowd->producer, crowd->topic, crowd->sent % PARTITIONS, text);
        crowd->sent++;
    }
    for (int i = 0; i < crowd->count; i++) {
        if (crowd->members[i]->consumer != NULL) {
            work(crowd->members[i], crowd->topic);
        }
    }
}

static bool shared_out(const struct crowd *crowd) {
    int owners[PARTITIONS] = {0};

    for (int i = 0; i < crowd->count; i++) {
        const struct member *member = crowd->members[i];
        if (member->consumer != NULL && member->owned == 0) {
            return false;
        }
        for (int p = 0; member->consumer != NULL && p < PARTITIONS; p++) {
            owners[p] += member->owns[p] ? 1 : 0;
        }
    }
    for (int p = 0; p < PARTITIONS; p++) {
        if (owners[p] != 1) {
            return false;
        }
    }
    return true;
}

static bool all_read(const struct crowd *crowd) {
    for (int number = 0; number < crowd->sent; number++) {
        bool read = false;
        for (int i = 0; i < crowd->count; i++) {
            read |= crowd->members[i]->read[number];
        }
        if (!read) {
            return false;
        }
    }
    return true;
}

/* What a member read and could not commit any more, the next owner reads again. */
static bool all_committed(const struct crowd *crowd) {
    for (int p = 0; p < PARTITIONS; p++) {
        int64_t end = (crowd->sent - p + PARTITIONS - 1) / PARTITIONS;
        if (committed(crowd->watcher, crowd->topic, p) != end) {
            return false;
        }
    }
    return true;
}

static void turn_until(struct crowd *crowd, bool (*condition)(const struct crowd *),
                       const char *what) {
    const int64_t deadline = now_ms() + TIMEOUT_MS;

    while (!condition(crowd)) {
        if (now_ms() > deadline) {
            fail("waited in vain: %s", what);
        }
        turn(crowd);
    }
}

/* Three members come one after the other, one goes. Returns whether partitions moved in steps. */
static bool rebalances(const char *topic, const char *group, const char *assignor) {
    struct crowd crowd = {.topic = topic, .producer = new_producer(NULL)};

    while (crowd.count < 3) {
        crowd.members[crowd.count++] = join(topic, group, assignor, NULL);
        turn_until(&crowd, shared_out, "the members share");
    }
    leave(crowd.members[1]);
    turn_until(&crowd, shared_out, "the others share what one left");
    expect_error(flush(crowd.producer), RD_KAFKA_RESP_ERR_NO_ERROR, "producing");
    rd_kafka_destroy(crowd.producer);
    crowd.producer = NULL;
    turn_until(&crowd, all_read, "every record is read");
    crowd.watcher = new_consumer(group, NULL);
    turn_until(&crowd, all_committed, "every commit is taken");
    close_consumer(crowd.watcher);
    leave(crowd.members[0]);
    leave(crowd.members[2]);
    return crowd.members[0]->incremental;
}

void eager(const char *topic, const char *group) {
    expect_number(rebalances(topic, group, "roundrobin"), false, "moving in steps");
}

void cooperative(const char *topic, const char *group) {
    expect_number(rebalances(topic, group, "cooperative-sticky"), true, "moving in steps");
}

static void expect_same_partitions(const struct member *member, const bool *wanted,
                                   const char *what) {
    if (memcmp(member->owns, wanted, sizeof(member->owns)) != 0) {
        fail("%s: it owns others", what);
    }
}

void static_members(const char *topic, const char *group) {
    struct crowd crowd = {.topic = topic, .count = 1};
    bool kept[PARTITIONS], left[PARTITIONS];

    crowd.members[0] = join(topic, group, NULL, "stays"); /* the first one leads */
    turn_until(&crowd, shared_out, "the first member owns all");
    crowd.members[crowd.count++] = join(topic, group, NULL, "goes");
    turn_until(&crowd, shared_out, "two static members share");
    memcpy(kept, crowd.members[0]->owns, sizeof(kept));
    memcpy(left, crowd.members[1]->owns, sizeof(left));
    int changes = crowd.members[0]->changes;
    leave(crowd.members[1]);
    crowd.members[1] = join(topic, group, NULL, "goes");
    turn_until(&crowd, shared_out, "they share again");
    crowd.producer = new_producer(NULL);
    while (crowd.sent < 60) {
        turn(&crowd);
    }
    expect_error(flush(crowd.producer), RD_KAFKA_RESP_ERR_NO_ERROR, "producing");
    rd_kafka_destroy(crowd.producer);
    crowd.producer = NULL;
    turn_until(&crowd, all_read, "every record is read");
    expect_same_partitions(crowd.members[0], kept, "the member that stayed");
    expect_same_partitions(crowd.members[1], left, "the member that is back");
    expect_number(crowd.members[0]->changes, changes, "changes for the member that stayed");
    leave(crowd.members[0]);
    leave(crowd.members[1]);
}

void many_groups(const char *topic, const char *group) {
    enum { GROUPS = 50 };
    char own[GROUPS][300];

    fill(topic, (int[]){50, 50}, 2, 0);
    for (int g = 0; g < GROUPS; g++) {
        snprintf(own[g], sizeof(own[g]), "%s-%d", group, g);
        rd_kafka_t *consumer = new_consumer(own[g], NULL);
        rd_kafka_topic_partition_list_t *topics = at(topic, RD_KAFKA_PARTITION_UA, 0);
        rd_kafka_subscribe(consumer, topics);
        rd_kafka_topic_partition_list_destroy(topics);
        for (int i = 0; i < 100; i++) {
            rd_kafka_message_t *message = next_record(consumer, TIMEOUT_MS);
            if (message == NULL) {
                fail("group %d has read only %d records", g, i);
            }
            rd_kafka_message_destroy(message);
        }
        expect_error(commit(consumer, topic, 0, g), RD_KAFKA_RESP_ERR_NO_ERROR, "committing");
        expect_error(commit(consumer, topic, 1, 50 - g), RD_KAFKA_RESP_ERR_NO_ERROR, "committing");
        close_consumer(consumer);
    }
    for (int g = 0; g < GROUPS; g++) {
        rd_kafka_t *consumer = new_consumer(own[g], NULL);
        expect_number(committed(consumer, topic, 0), g, "a group's offset");
        expect_number(committed(consumer, topic, 1), 50 - g, "a group's offset");
        close_consumer(consumer);
    }
}
