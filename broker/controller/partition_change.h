/*
 * One change of one partition: all that changes partitions goes through this.
 *
 * Set what is wanted (the targets start as the partition is), then partition_change_emit(). It
 * completes a reassignment whose new replicas are all in sync, elects a leader where that is needed
 * and possible, keeps the eligible leader replicas (KIP-966), and emits one PartitionChangeRecord.
 *
 * Eligible leader replicas (ELR): while fewer than min.insync.replicas are in sync no record is
 * committed, so who left the ISR meanwhile still has all that ever was and may lead.
 */
#ifndef BROKER_CONTROLLER_PARTITION_CHANGE_H
#define BROKER_CONTROLLER_PARTITION_CHANGE_H

#include "broker/controller/decision.h"

#define NO_LEADER (-1)
#define NO_BROKER (-1)

enum leader_recovery { LEADER_RECOVERED = 0, LEADER_RECOVERING = 1 };

/* Whom an election may choose when nobody who is in sync, or eligible, can lead. */
enum election {
    ELECT_CLEAN,     /* nobody else */
    ELECT_PREFERRED, /* as clean, and the first replica takes over from a leader that is well */
    ELECT_UNCLEAN,   /* any replica that is there; committed records may be lost */
};

/* Broker ids; the array is never written in place. */
struct ids {
    const int32_t *ids;
    int32_t count;
};

struct partition_change {
    struct decision *d;
    const struct image_topic *topic;
    const struct image_partition *partition;
    struct ids isr; /* the targets */
    struct ids replicas;
    struct ids removing;
    struct ids adding;
    int8_t recovery; /* enum leader_recovery */
    enum election election;
    int32_t never;     /* a broker that must not lead: it is being fenced; NO_BROKER */
    int32_t as_active; /* one that may, though the image still has it as fenced; NO_BROKER */
    int32_t unclean;   /* one that may have lost records: it leaves the ELR too; NO_BROKER */
    int32_t moved;     /* one whose replica lies in `directory` now; NO_BROKER */
    struct uuid directory;

    /* After emit: the partition as it will be. */
    struct ids elr;
    int32_t leader;
    int32_t leader_epoch;
    int32_t partition_epoch;
};

/* The election is unclean when the topic's unclean.leader.election.enable says so. */
void partition_change_init(struct partition_change *change, struct decision *d,
                           const struct image_topic *topic,
                           const struct image_partition *partition);

/* Takes a broker out of the target ISR. */
void partition_change_leave(struct partition_change *change, int32_t broker);

/* Adds the record; false when nothing changes. */
bool partition_change_emit(struct partition_change *change);

bool partition_is_moving(const struct image_partition *partition);

/* Where the broker's replica lies; zero when that was never told. */
struct uuid partition_directory(const struct image_partition *partition, int32_t broker);

bool elr_enabled(const struct image *image);

/* ---- All partitions that a change of a broker concerns (partition_leaders.c) ----------------- */

/* The broker leaves every ISR and leads nothing any more: fenced, stopping, or gone. */
void partitions_without_broker(struct decision *d, int32_t broker);

/*
 * The broker did not stop cleanly, or will not come back: it may have lost records, and leaves
 * every ISR and ELR. But of a durable topic (topic_is_durable) it has all that was committed when
 * the log dir of its replica is one of `dirs`, those that it has now: it leaves only the ISR then.
 */
void partitions_of_unclean_broker(struct decision *d, int32_t broker, const struct uuid *dirs,
                                  int32_t count);

/* Partitions without a leader take this broker, which is being unfenced, where they can. */
void partitions_led_by_newcomer(struct decision *d, int32_t broker);

/* The broker's replicas in these log dirs are gone: it leaves their ISRs. */
void partitions_off_directories(struct decision *d, int32_t broker, const struct uuid *dirs,
                                int32_t count);

bool broker_leads_something(const struct image *image, int32_t broker);

#endif
