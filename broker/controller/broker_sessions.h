/*
 * Which brokers are alive, as the active controller hears of them: soft state that only a leader
 * has. It is a small machine without clock or connections of its own; whoever drives it tells the
 * time in monotonic ms and which connection a request came over.
 *
 * A broker is lost when it was silent for broker.session.timeout.ms, or, since a process that is
 * killed breaks its connections at once, a short while after the connection that its last request
 * came over has closed, unless it was heard of anew. Whoever drives this then fences it
 * (decide_fence_broker). A new leader grants each unfenced broker a short first grace: they learn
 * of the leader by the quorum and send a heartbeat at once.
 *
 * Shard 0.
 */
#ifndef BROKER_CONTROLLER_BROKER_SESSIONS_H
#define BROKER_CONTROLLER_BROKER_SESSIONS_H

#include <stdbool.h>
#include <stdint.h>

struct image;
struct broker_sessions;

/* How long after its connection broke a broker may still be heard of over another one. */
#define BROKER_DISCONNECT_GRACE_MS 100

/* How long a new leader waits for the first heartbeat of a broker; for that of the node that led
 * before less, since its end is the likely reason why there is a new leader. */
#define BROKER_FIRST_GRACE_MS           1000
#define BROKER_FIRST_GRACE_OF_LEADER_MS 100

/* A request that came over no connection: of this node to itself. */
#define NO_CONNECTION 0

struct broker_sessions *broker_sessions_new(int64_t session_timeout_ms);
void broker_sessions_free(struct broker_sessions *sessions);

/* This node, `self`, leads: one session for each other broker that the image has as unfenced (its
 * own lives, or has not registered yet). `led_before` is the leader of the epoch before, or -1;
 * `end_offset` that of the metadata log. */
void broker_sessions_begin(struct broker_sessions *sessions, const struct image *image,
                           int32_t self, int32_t led_before, int64_t end_offset, int64_t now_ms);

/* It leads no more: everything is forgotten. */
void broker_sessions_end(struct broker_sessions *sessions);

/* A request of this broker was accepted: a registration or a heartbeat. `metadata_offset` is what
 * it says it has applied, -1 where it does not say. Another epoch than before starts a session. */
void broker_sessions_heard(struct broker_sessions *sessions, int32_t id, int64_t epoch,
                           int64_t metadata_offset, uint64_t connection, int64_t now_ms);

/* The broker was told that it is in controlled shutdown by a record at this offset. */
void broker_sessions_stopping(struct broker_sessions *sessions, int32_t id, int64_t offset);

/* The session ends: the broker was fenced by its own wish, or unregistered. */
void broker_sessions_forget(struct broker_sessions *sessions, int32_t id);

void broker_sessions_connection_closed(struct broker_sessions *sessions, uint64_t connection,
                                       int64_t now_ms);

/* Whether that incarnation is alive as far as is known: a registration of another one with its id
 * is refused. False as soon as its connection closed. */
bool broker_sessions_alive(const struct broker_sessions *sessions, int32_t id, int64_t epoch,
                           int64_t now_ms);

/* Whether every unfenced broker has applied the metadata from which on this one is in controlled
 * shutdown, so that nobody takes it for a leader any more. */
bool broker_sessions_stop_seen(const struct broker_sessions *sessions, const struct image *image,
                               int32_t id);

/* When broker_sessions_lost() is to be asked next; INT64_MAX: not before something happens. */
int64_t broker_sessions_deadline(const struct broker_sessions *sessions);

/* This node itself stood still until now (suspended, or out of processor time): what the brokers
 * sent meanwhile has not been read yet, so each gets the first grace anew. */
void broker_sessions_excuse(struct broker_sessions *sessions, int64_t now_ms);

/* Ends one session whose time is up and returns the broker's id, -1 when there is none. The caller
 * fences the broker if it still has this epoch and is not fenced, and asks again. */
int32_t broker_sessions_lost(struct broker_sessions *sessions, int64_t now_ms, int64_t *epoch);

#endif
