#include "tests/sim/crash_states.h"

#include "base/assert.h"
#include "runtime/sim/disk.h"
#include "runtime/sim/random.h"

#define DEPTH_MAX 4096

/* A walk through the tree of choices: what was picked at each level, and of how many. Which choices
 * come later depends on the ones before, so the tree is discovered on the way. */
struct enumeration {
    struct disk_choices choices;
    bool drawn;
    struct random_stream random;
    int depth;
    int known; /* levels that are given; deeper ones begin with 0 */
    int64_t picked[DEPTH_MAX];
    int64_t bound[DEPTH_MAX];
};

static int64_t pick(struct disk_choices *choices, int64_t bound) {
    struct enumeration *walk = CONTAINER_OF(choices, struct enumeration, choices);
    if (walk->drawn) {
        return random_stream_range(&walk->random, 0, bound - 1);
    }
    ASSERT(walk->depth < DEPTH_MAX);
    int level = walk->depth++;
    if (level >= walk->known) {
        walk->picked[level] = 0;
        walk->known = level + 1;
    }
    walk->bound[level] = bound;
    ASSERT(walk->picked[level] < bound);
    return walk->picked[level];
}

/* The next leaf of the tree; false when there is none. */
static bool advance(struct enumeration *walk) {
    int level = walk->depth - 1;
    while (level >= 0 && walk->picked[level] + 1 == walk->bound[level]) {
        level--;
    }
    if (level < 0) {
        return false;
    }
    walk->picked[level]++;
    walk->known = level + 1;
    return true;
}

/* Whether the tree has more than `limit` leaves, to judge by the sizes of its choices. */
static bool too_many(const struct enumeration *walk, uint64_t limit) {
    double product = 1;
    for (int i = 0; i < walk->depth; i++) {
        product *= (double)walk->bound[i];
    }
    return product > (double)limit;
}

uint64_t crash_states_each(struct machine *machine, const struct disk *saved, uint64_t limit,
                           uint64_t seed, void (*check)(void *ctx, uint64_t number), void *ctx,
                           bool *exhaustive) {
    struct enumeration walk = {.choices = {.pick = pick}};
    random_stream_init(&walk.random, seed, 1);
    sim_disk_restore(machine, saved, &walk.choices);
    walk.drawn = too_many(&walk, limit);
    *exhaustive = !walk.drawn;
    uint64_t number = 0;
    bool more = true;
    while (more && number < limit) {
        walk.depth = 0;
        sim_disk_restore(machine, saved, &walk.choices);
        check(ctx, number++);
        more = walk.drawn || advance(&walk);
    }
    *exhaustive = *exhaustive && !more;
    return number;
}
