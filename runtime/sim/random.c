#include "runtime/sim/random.h"

#include "base/assert.h"

static uint64_t split_mix(uint64_t *state) {
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t rotate(uint64_t x, int by) {
    return (x << by) | (x >> (64 - by));
}

void random_stream_init(struct random_stream *stream, uint64_t seed, uint64_t concern) {
    uint64_t state = seed;
    state = split_mix(&state) ^ concern;
    for (int i = 0; i < 4; i++) {
        stream->state[i] = split_mix(&state);
    }
}

uint64_t random_stream_next(struct random_stream *stream) {
    uint64_t *s = stream->state;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

int64_t random_stream_range(struct random_stream *stream, int64_t low, int64_t high) {
    ASSERT(low <= high);
    uint64_t span = (uint64_t)high - (uint64_t)low + 1;
    uint64_t draw = random_stream_next(stream);
    return span == 0 ? (int64_t)draw : (int64_t)((uint64_t)low + draw % span);
}

bool random_stream_chance(struct random_stream *stream, int per_mille) {
    return per_mille > 0 && random_stream_range(stream, 0, 999) < per_mille;
}
