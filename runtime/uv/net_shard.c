#include "runtime/uv/internal.h"
struct net_shard *net_shard_new(struct shard *shard) {
    return NULL;
}
bool net_shard_turn_end(struct net_shard *net) {
    return false;
}
void net_shard_abandon(struct net_shard *net) {
}
void net_shard_free(struct net_shard *net) {
}
