/*
 * What is to be done with the log dirs at start: the metadata image says what there has to be, the
 * dirs' contents what there is. Each partition of the image that this node replicates becomes a job
 * to load its log, or to make it. What lies in the dirs and belongs to no job is set aside as
 * stray, or removed when it was being deleted.
 *
 * A partition must not begin anew beside its own records, so what looks like damage is refused: the
 * partition is offline, and nothing is touched, when
 *
 *   - its directory has another topic id, and no topic with that id was removed;
 *   - its directory has the name of one that was set aside, while the topic lives;
 *   - it has no directory, and a checkpoint says that there were records.
 *
 * While a dir is offline, what is nowhere else may lie there: it is offline too, and no log is made
 * for it in another dir, unless the metadata says that it belongs there.
 *
 * A copy that was on its way to another dir ("-future") is removed, and the move begins again,
 * while the partition's own directory is there. Where that was set aside for it already, it is
 * complete, and gets the name.
 *
 * What the checkpoints say of a partition counts only if they were written after its directory was
 * made: names come again when topics are made anew.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "broker/config/config.h"
#include "broker/metadata/image.h"
#include "broker/replica/log_manager_internal.h"

/* Whether a topic with this id is known to have been deleted. In a cluster the metadata is what a
 * majority holds, and a snapshot may have come in the place of the record that deleted it. */
static bool was_removed(const struct log_manager *manager, struct uuid id) {
    return !config_is_alone(manager->node->config) ||
           image_has_removed_id(manager->node->shards[0].image, id);
}

static struct load_job *job_new(struct log_manager *manager, int dir, const char *name) {
    struct load_job *job = NEW(struct load_job);
    const char *parent = manager->dirs[dir].path;
    size_t size = strlen(parent) + 1 + strlen(name) + 1;
    job->path = xmalloc(size);
    snprintf(job->path, size, "%s/%s", parent, name);
    job->manager = manager;
    job->dir = dir;
    job->move_to = -1;
    list_append(&manager->jobs, &job->link);
    return job;
}

static bool replicated_here(const struct node *node, const struct image_partition *partition,
                            struct uuid *directory) {
    for (int32_t i = 0; i < partition->replica_count; i++) {
        if (partition->replicas[i] == node->id) {
            *directory = partition->directories == NULL ? UUID_ZERO : partition->directories[i];
            return true;
        }
    }
    return false;
}

/* The partition directories of all dirs, by topic id and partition. */
struct found {
    struct hmap_node node;
    const struct log_dir_entry *entry;
    int dir;
};

static uint64_t found_hash(struct uuid topic_id, int32_t partition) {
    return hash_combine(uuid_hash(topic_id), (uint64_t)(uint32_t)partition);
}

static const struct found *find(const struct hmap *map, struct uuid topic_id, int32_t partition) {
    HMAP_FOREACH_HASH(node, map, found_hash(topic_id, partition)) {
        const struct found *found = CONTAINER_OF(node, struct found, node);
        if (found->entry->partition == partition && uuid_equal(found->entry->topic_id, topic_id)) {
            return found;
        }
    }
    return NULL;
}

/* -EINVAL when one partition lies in two dirs: nobody can tell which is the right one. */
static int index_entries(struct log_manager *manager, struct hmap *map, struct errmsg *errmsg) {
    for (int i = 0; i < manager->dir_count; i++) {
        struct log_dir *dir = &manager->dirs[i];
        for (int j = 0; j < dir->entry_count; j++) {
            const struct log_dir_entry *entry = &dir->entries[j];
            if (entry->kind != LOG_DIR_PARTITION || uuid_is_zero(entry->topic_id)) {
                continue;
            }
            const struct found *other = find(map, entry->topic_id, entry->partition);
            if (other != NULL) {
                errmsg_set(errmsg, "%s lies in two log dirs, %s and %s", entry->name,
                           manager->dirs[other->dir].path, dir->path);
                return -EINVAL;
            }
            struct found *found = ARENA_NEW(&dir->arena, struct found);
            *found = (struct found){.entry = entry, .dir = i};
            hmap_insert(map, &found->node, found_hash(entry->topic_id, entry->partition));
        }
    }
    return 0;
}

/* ---- Partitions ------------------------------------------------------------------------------ */

/* A directory whose name is that of the partition, whatever else it says of itself. */
static const struct log_dir_entry *find_named(const struct log_manager *manager,
                                              const struct image_topic *topic, int32_t partition,
                                              int *dir) {
    for (int i = 0; i < manager->dir_count; i++) {
        const struct log_dir_entry *entry =
            log_dir_entry_named(&manager->dirs[i], topic->name, partition);
        if (entry != NULL) {
            *dir = i;
            return entry;
        }
    }
    return NULL;
}

/* A directory of this very partition that was set aside. */
static const struct log_dir_entry *find_aside(const struct log_manager *manager,
                                              const struct image_topic *topic, int32_t partition,
                                              int *dir) {
    for (int i = 0; i < manager->dir_count; i++) {
        for (int j = 0; j < manager->dirs[i].entry_count; j++) {
            const struct log_dir_entry *entry = &manager->dirs[i].entries[j];
            if (entry->kind != LOG_DIR_PARTITION && entry->partition == partition &&
                uuid_equal(entry->topic_id, topic->id)) {
                *dir = i;
                return entry;
            }
        }
    }
    return NULL;
}

/* The copy of a partition that was on its way to another dir. */
static const struct log_dir_entry *find_future(const struct log_manager *manager,
                                               const struct image_topic *topic, int32_t partition,
                                               int *dir) {
    for (int i = 0; i < manager->dir_count; i++) {
        for (int j = 0; j < manager->dirs[i].entry_count; j++) {
            const struct log_dir_entry *entry = &manager->dirs[i].entries[j];
            if (entry->kind == LOG_DIR_FUTURE && entry->partition == partition &&
                uuid_equal(entry->topic_id, topic->id)) {
                *dir = i;
                return entry;
            }
        }
    }
    return NULL;
}

/* A copy that was about to take the partition's place: where it came from was set aside for it. */
static const struct log_dir_entry *find_promoted(const struct log_manager *manager,
                                                 const struct image_topic *topic, int32_t partition,
                                                 int *dir, int *from) {
    int at = -1;
    const struct log_dir_entry *future = find_future(manager, topic, partition, &at);
    for (int i = 0; i < manager->dir_count && future != NULL; i++) {
        for (int j = 0; j < manager->dirs[i].entry_count; j++) {
            const struct log_dir_entry *entry = &manager->dirs[i].entries[j];
            if (entry->kind == LOG_DIR_DELETED && log_dir_is_pair(entry->name, future->name)) {
                *dir = at;
                *from = i;
                return future;
            }
        }
    }
    return NULL;
}

/* Whether a directory of that name was set aside for another topic: a line of the checkpoints may
 * still be about that one, and the metadata may have forgotten it in a snapshot. */
static bool had_namesake(const struct log_manager *manager, const struct image_topic *topic,
                         int32_t partition) {
    for (int i = 0; i < manager->dir_count; i++) {
        for (int j = 0; j < manager->dirs[i].entry_count; j++) {
            const struct log_dir_entry *entry = &manager->dirs[i].entries[j];
            if (entry->kind != LOG_DIR_PARTITION && entry->partition == partition &&
                slice_equal(entry->topic, topic->name) && !uuid_equal(entry->topic_id, topic->id)) {
                return true;
            }
        }
    }
    return false;
}

/* What the checkpoints say, as far as it is about the directory that is there. */
static void use_checkpoints(struct load_job *job, const struct known_offsets *known,
                            const struct log_dir_entry *entry) {
    const int64_t *written_ms = job->manager->dirs[job->dir].checkpoint_ms;
    int64_t made_ms = entry == NULL ? 0 : entry->created_ms;
    if (known == NULL) {
        return;
    }
    if (written_ms[CHECKPOINT_KIND_RECOVERY_POINT] >= made_ms) {
        job->options.recovery_point = known->recovery_point;
        job->options.recovery_point_known = known->recovery_point_known;
    }
    if (written_ms[CHECKPOINT_KIND_LOG_START] >= made_ms) {
        /* A log that starts with its first segment has no line. */
        bool listed = written_ms[CHECKPOINT_KIND_LOG_START] > 0;
        job->options.log_start_offset = known->log_start < 0 && listed ? 0 : known->log_start;
    }
    if (written_ms[CHECKPOINT_KIND_HIGH_WATERMARK] >= made_ms) {
        job->options.high_watermark = known->high_watermark;
    }
}

/* There is no directory of that name and id. One of that name alone (`named`), which is set aside,
 * is what the checkpoints tell of. */
static void plan_missing(struct load_job *job, const struct image_topic *topic,
                         const struct log_dir_entry *named) {
    const struct log_manager *manager = job->manager;
    const struct image *image = manager->node->shards[0].image;
    int dir = -1;
    const struct log_dir_entry *aside = find_aside(manager, topic, job->partition, &dir);
    const struct known_offsets *known = NULL;
    for (int i = 0; i < manager->dir_count && known == NULL; i++) {
        known = log_dir_offsets(&manager->dirs[i], topic->name, job->partition);
        dir = known != NULL ? i : dir;
    }
    if (named != NULL && !was_removed(manager, named->topic_id)) {
        errmsg_set(&job->errmsg,
                   "%s has another topic id than the metadata, and no such topic was deleted",
                   job->path);
        job->result = -ESTALE;
    } else if (aside != NULL) {
        errmsg_set(&job->errmsg, "%s is missing; its records lie in %s", job->path, aside->name);
        job->result = -EUCLEAN;
    } else if (named == NULL && known != NULL &&
               (known->recovery_point > 0 || known->high_watermark > 0) &&
               !image_has_removed_name(image, topic->name) &&
               !had_namesake(manager, topic, job->partition)) {
        errmsg_set(&job->errmsg, "%s is missing, and there were records in it", job->path);
        job->result = -EUCLEAN;
    }
    if (job->result != 0 && known != NULL && named == NULL) {
        job->dir = dir;
        use_checkpoints(job, known, NULL);
    }
}

/* An offline dir where a partition that is nowhere else may lie; -1 for none. */
static int offline_dir_of(const struct log_manager *manager, struct uuid directory) {
    int offline = -1;
    for (int i = 0; i < manager->dir_count; i++) {
        const struct log_dir *dir = &manager->dirs[i];
        if (!uuid_is_zero(directory) && uuid_equal(dir->id, directory)) {
            return dir->online ? -1 : i;
        }
        offline = !dir->online && offline < 0 ? i : offline;
    }
    return offline;
}

static void plan_partition(struct log_manager *manager, const struct hmap *entries,
                           const struct image_topic *topic, int32_t partition) {
    struct uuid directory;
    if (!replicated_here(manager->node, image_partition(topic, partition), &directory)) {
        return;
    }
    int dir = -1;
    int offline = -1;
    const struct found *found = find(entries, topic->id, partition);
    const struct log_dir_entry *named = find_named(manager, topic, partition, &dir);
    const struct log_dir_entry *entry = found != NULL ? found->entry : NULL;
    const struct log_dir_entry *promoted = NULL;
    int promoted_from = -1;
    if (found == NULL && named == NULL) {
        promoted = find_promoted(manager, topic, partition, &dir, &promoted_from);
    }
    if (promoted != NULL) {
        entry = promoted;
    } else if (found != NULL) {
        dir = found->dir;
    } else if (named != NULL && uuid_is_zero(named->topic_id)) {
        entry =
            named; /* loading writes partition.metadata if it is missing, and refuses nonsense */
    } else if (named == NULL) {
        offline = offline_dir_of(manager, directory);
        dir = offline >= 0 ? offline : log_dir_pick(manager, directory);
    }
    ASSERT(dir >= 0); /* one at least is online */
    char name[256 + 12];
    snprintf(name, sizeof(name), "%.*s-%" PRId32, SLICE_ARG(topic->name), partition);
    struct load_job *job = job_new(manager, dir, name);
    job->topic = topic->name;
    job->topic_id = topic->id;
    job->partition = partition;
    log_options_of(manager, topic->name, topic->id, dir, &job->options);
    job->promoted = promoted;
    job->promoted_from = promoted_from;
    if (found != NULL && find_future(manager, topic, partition, &job->move_to) != NULL &&
        job->move_to == dir) {
        job->move_to = -1;
    }
    job->options.clean &= entry != NULL;
    job->options.epoch_limit = image_partition(topic, partition)->leader_epoch + 1;
    job->options.replicated = image_partition(topic, partition)->replica_count > 1;
    if (entry != NULL) {
        /* Without partition.metadata its making was interrupted, and nothing is known of it. */
        bool namesakes = uuid_is_zero(entry->topic_id) && had_namesake(manager, topic, partition);
        if (!namesakes) {
            use_checkpoints(job, log_dir_offsets(&manager->dirs[dir], topic->name, partition),
                            entry);
        }
    } else if (offline >= 0) {
        errmsg_set(&job->errmsg, "%s is offline", manager->dirs[dir].path);
        job->result = -ENODEV;
    } else {
        plan_missing(job, topic, named);
    }
    manager->dirs[dir].partition_count++;
}

/* ---- What nobody wants ----------------------------------------------------------------------- */

/* Whether the image has this topic, and this node a replica of it. */
static bool lives_here(const struct node *node, const struct image_topic *topic,
                       int32_t partition) {
    struct uuid directory;
    return topic != NULL && partition < topic->partition_count &&
           replicated_here(node, image_partition(topic, partition), &directory);
}

/* Whether the partition's own directory is there, of this very topic. */
static bool has_directory(const struct log_manager *manager, const struct image_topic *topic,
                          int32_t partition) {
    int dir = -1;
    const struct log_dir_entry *named = find_named(manager, topic, partition, &dir);
    return named != NULL && uuid_equal(named->topic_id, topic->id);
}

/* Whether a directory may be cleared away: nothing may that could hold a live partition. */
static bool unwanted(const struct log_manager *manager, const struct log_dir_entry *entry) {
    const struct node *node = manager->node;
    const struct image *image = node->shards[0].image;
    int dir = -1;
    if (entry->kind == LOG_DIR_DELETED) {
        const struct image_topic *topic = image_topic_by_id(image, entry->topic_id);
        return !lives_here(node, topic, entry->partition) ||
               find_named(manager, topic, entry->partition, &dir) != NULL;
    }
    if (entry->kind == LOG_DIR_FUTURE) {
        const struct image_topic *topic = image_topic_by_id(image, entry->topic_id);
        return !lives_here(node, topic, entry->partition) ||
               has_directory(manager, topic, entry->partition);
    }
    if (entry->kind != LOG_DIR_PARTITION) {
        return false;
    }
    const struct image_topic *topic = image_topic_by_name(image, entry->topic);
    return !lives_here(node, topic, entry->partition) ||
           (!uuid_equal(topic->id, entry->topic_id) && !uuid_is_zero(entry->topic_id) &&
            was_removed(manager, entry->topic_id));
}

static void plan_clearing(struct log_manager *manager, int dir) {
    for (int i = 0; i < manager->dirs[dir].entry_count; i++) {
        const struct log_dir_entry *entry = &manager->dirs[dir].entries[i];
        if (unwanted(manager, entry)) {
            job_new(manager, dir, entry->name)->entry = entry;
        }
    }
}

/* Partitions of topics that the metadata has never heard of, and nothing else: it is lost. */
static int check_metadata(const struct log_manager *manager, struct errmsg *errmsg) {
    const struct image *image = manager->node->shards[0].image;
    for (int i = 0; i < manager->dir_count && image->topics_by_id.count == 0; i++) {
        for (int j = 0; j < manager->dirs[i].entry_count; j++) {
            const struct log_dir_entry *entry = &manager->dirs[i].entries[j];
            if (entry->kind == LOG_DIR_PARTITION && !image_has_removed_id(image, entry->topic_id)) {
                errmsg_set(
                    errmsg,
                    "log dir %s holds %s, but the metadata log knows of no topic: it is lost",
                    manager->dirs[i].path, entry->name);
                return -EUCLEAN;
            }
        }
    }
    return 0;
}

int log_manager_plan(struct log_manager *manager, struct errmsg *errmsg) {
    struct hmap entries;
    hmap_init(&entries);
    int err = index_entries(manager, &entries, errmsg);
    if (err == 0) {
        err = check_metadata(manager, errmsg);
    }
    for (int i = 0; err == 0 && i < manager->dir_count; i++) {
        plan_clearing(manager, i);
    }
    const struct image *image = manager->node->shards[0].image;
    HMAP_FOREACH(it, &image->topics_by_id) {
        const struct image_topic *topic = CONTAINER_OF(it, struct image_topic, by_id);
        for (int32_t p = 0; err == 0 && p < topic->partition_count; p++) {
            plan_partition(manager, &entries, topic, p);
        }
    }
    hmap_release(&entries);
    return err;
}
