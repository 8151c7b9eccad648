/* Streams of random numbers out of one seed: one for each concern, so that a draw more in one place
 * does not change all others. xoshiro256** (Blackman, Vigna), seeded by splitmix64. */
#ifndef RUNTIME_SIM_RANDOM_H
#define RUNTIME_SIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct random_stream {
    uint64_t state[4];
};

void random_stream_init(struct random_stream *stream, uint64_t seed, uint64_t concern);
uint64_t random_stream_next(struct random_stream *stream);

/* Uniform in [low, high]. */
int64_t random_stream_range(struct random_stream *stream, int64_t low, int64_t high);

/* True for `per_mille` of 1000 draws. Draws nothing for 0. */
bool random_stream_chance(struct random_stream *stream, int per_mille);

#endif
