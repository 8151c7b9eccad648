/*
 * Prints random messages, one a line: name, version, bytes in hex. MessageEcho.java reads them with
 * Kafka's own classes and writes them again; the bytes must be the same.
 *
 *     message_samples SEED ROUNDS
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "protocol/message.h"

/* SplitMix64. */
static uint64_t draw(void *ctx) {
    uint64_t *state = ctx;
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void print_sample(const struct message_desc *desc, int16_t version, uint64_t *seed) {
    struct message_dice dice = {draw, seed};
    struct arena arena;
    struct buffer out;
    arena_init(&arena, SIZE_MAX);
    buffer_init(&out, SIZE_MAX);
    void *message = arena_alloc(&arena, message_size(desc));
    message_random(desc, version, &dice, &arena, message);
    if (message_encode(desc, version, message, &out, NULL) != MESSAGE_OK) {
        fprintf(stderr, "cannot encode %s %d\n", message_name(desc), version);
        exit(1);
    }
    printf("%s %d ", message_name(desc), version);
    for (size_t i = 0; i < out.len; i++) {
        printf("%02x", out.data[i]);
    }
    printf("\n");
    arena_release(&arena);
    buffer_release(&out);
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: message_samples SEED ROUNDS\n");
        return 2;
    }
    uint64_t seed = strtoull(argv[1], NULL, 10);
    long rounds = strtol(argv[2], NULL, 10);
    for (size_t i = 0; message_at(i) != NULL; i++) {
        const struct message_desc *desc = message_at(i);
        for (int16_t version = message_min_version(desc); version <= message_max_version(desc);
             version++) {
            for (long round = 0; round < rounds; round++) {
                print_sample(desc, version, &seed);
            }
        }
    }
    return 0;
}
