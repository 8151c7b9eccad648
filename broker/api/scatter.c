#include "broker/api/scatter.h"

#include "broker/server/request.h"

void scatter_init(struct scatter *scatter, struct request *request,
                  void (*run)(struct scatter_part *part), void (*done)(struct scatter *scatter)) {
    int shard_count = request->at->node->shard_count;
    *scatter = (struct scatter){.request = request, .run = run, .done = done};
    scatter->parts =
        arena_array(&request->arena, (size_t)shard_count, sizeof(struct scatter_part *));
}

struct scatter_part *scatter_add(struct scatter *scatter, int shard_index,
                                 struct scatter_item *item) {
    struct request *request = scatter->request;
    struct scatter_part *part = scatter->parts[shard_index];
    if (part == NULL) {
        part = ARENA_NEW(&request->arena, struct scatter_part);
        part->scatter = scatter;
        part->shard = &request->at->node->shards[shard_index];
        list_init(&part->items);
        part->arena = &request->arena;
        if (part->shard != request->at) {
            struct request_arena *own = ARENA_NEW(&request->arena, struct request_arena);
            request_add_arena(request, own);
            part->arena = &own->arena;
        }
        scatter->parts[shard_index] = part;
        scatter->part_count++;
    }
    list_append(&part->items, &item->link);
    return part;
}

struct scatter_part *scatter_next_part(const struct scatter *scatter,
                                       const struct scatter_part *after) {
    int shard_count = scatter->request->at->node->shard_count;
    for (int i = after == NULL ? 0 : after->shard->index + 1; i < shard_count; i++) {
        if (scatter->parts[i] != NULL) {
            return scatter->parts[i];
        }
    }
    return NULL;
}

static void part_arrived(struct scatter *scatter) {
    ASSERT(scatter->left > 0);
    if (--scatter->left == 0) {
        scatter->done(scatter);
    }
}

static void part_run_posted(struct post *post) {
    struct scatter_part *part = CONTAINER_OF(post, struct scatter_part, post);
    part->scatter->run(part);
}

static void part_done_posted(struct post *post) {
    part_arrived(CONTAINER_OF(post, struct scatter_part, post)->scatter);
}

void scatter_start(struct scatter *scatter) {
    const struct node_shard *here = scatter->request->at;
    ASSERT(scatter->left == 0);
    scatter->left = scatter->part_count + 1;
    struct scatter_part *part = NULL;
    while ((part = scatter_next_part(scatter, part)) != NULL) {
        if (part->shard != here) {
            shard_post(part->shard->shard, &part->post, part_run_posted);
        }
    }
    if (scatter->parts[here->index] != NULL) {
        scatter->run(scatter->parts[here->index]);
    }
    part_arrived(scatter);
}

void scatter_part_done(struct scatter_part *part) {
    const struct node_shard *home = part->scatter->request->at;
    if (part->shard == home) {
        part_arrived(part->scatter);
    } else {
        shard_post(home->shard, &part->post, part_done_posted);
    }
}
