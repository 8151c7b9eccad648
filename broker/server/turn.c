#include "broker/server/turn.h"

/* One in so many parts of a request's cost goes into the average, and at most this much counts:
 * time also passes while the thread waits for a CPU, so that one slow request says little. */
#define AVERAGE_WEIGHT 4
#define AVERAGE_NS_MAX (2 * TURN_DEAR_NS)

void turn_init(struct turn *turn) {
    list_init(&turn->cheap);
    list_init(&turn->dear);
    turn_begin(turn);
}

void turn_begin(struct turn *turn) {
    turn->direct_ns = 0;
    turn->cheap_ns = 0;
    turn->dear_ns = 0;
    turn->spending = &turn->direct_ns;
}

void turn_member_init(struct turn_member *member) {
    list_init(&member->link);
    member->cost_ns = 0;
}

void turn_member_leave(struct turn_member *member) {
    list_remove(&member->link);
}

bool turn_member_waits(const struct turn_member *member) {
    return list_linked(&member->link);
}

static bool is_dear(const struct turn_member *member, size_t len) {
    return member->cost_ns >= TURN_DEAR_NS || len >= TURN_DEAR_LEN;
}

bool turn_admits(const struct turn *turn, const struct turn_member *member, size_t len) {
    return !turn_member_waits(member) && turn->direct_ns < TURN_DIRECT_NS && !is_dear(member, len);
}

void turn_line_up(struct turn *turn, struct turn_member *member, size_t len) {
    list_append(is_dear(member, len) ? &turn->dear : &turn->cheap, &member->link);
}

void turn_spend(struct turn *turn, struct turn_member *member, int64_t ns) {
    *turn->spending += ns;
    int64_t counted_ns = ns < AVERAGE_NS_MAX ? ns : AVERAGE_NS_MAX;
    member->cost_ns += (counted_ns - member->cost_ns) / AVERAGE_WEIGHT;
}

static struct turn_member *take_first(struct list *line) {
    struct turn_member *member = LIST_FIRST(line, struct turn_member, link);
    list_remove(&member->link);
    return member;
}

struct turn_member *turn_next(struct turn *turn) {
    if (!list_empty(&turn->cheap) && turn->cheap_ns < TURN_CHEAP_NS) {
        turn->spending = &turn->cheap_ns;
        return take_first(&turn->cheap);
    }
    if (!list_empty(&turn->dear) && turn->dear_ns < TURN_DEAR_SHARE_NS) {
        turn->spending = &turn->dear_ns;
        return take_first(&turn->dear);
    }
    turn->spending = &turn->direct_ns;
    return NULL;
}

bool turn_is_left(const struct turn *turn) {
    return !list_empty(&turn->cheap) || !list_empty(&turn->dear);
}
