/*
 * Opening the log dirs, on a worker: all of it blocks, and nothing else runs yet.
 *
 * Every dir is locked first, so that a second process stops before it reads or writes anything.
 * Then the identities in meta.properties are compared with one another and with node.id. If no dir
 * has one and none holds partitions, this is a new node: it gets a cluster id, and each dir an
 * identity, the metadata dir first; so a crash in between leaves a state in which the rest is
 * formatted at the next start. Dirs that were added later get an identity as well.
 *
 * A dir whose disk fails is left out, offline, as long as it is not the metadata's and not the
 * last: the node serves what lies in the others. What is wrong with a dir's contents or its owner
 * ends the start all the same.
 *
 * Last, each dir's clean-shutdown marker is read and removed (from here on, whatever happens, is
 * not a clean shutdown), and its checkpoints and contents are read.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "broker/config/config.h"
#include "broker/metadata/image.h"
#include "broker/replica/log_manager_internal.h"
#include "runtime/file.h"
#include "runtime/log.h"

static const char metadata_log_name[] = TOPIC_CLUSTER_METADATA "-0";

/* The sentence of an errno, with what to do where that is not obvious. */
static void explain(struct errmsg *errmsg, const char *what, const char *path, int err) {
    const char *hint = "";
    if (err == -EROFS) {
        hint = ": the file system is read-only";
    } else if (err == -ENOSPC) {
        hint = ": the disk is full";
    } else if (err == -EACCES || err == -EPERM) {
        hint = ": this user may not write there";
    }
    errmsg_set(errmsg, "cannot %s log dir %s: %s%s", what, path, strerror(-err), hint);
}

/* The result of a step of opening the dir: 0 when the dir is left out instead, offline. */
static int leave_out(struct log_dir *dir, int err, struct errmsg *errmsg) {
    struct log_manager *manager = dir->manager;
    if (dir->index == manager->metadata_dir || !log_dir_error_is_of_disk(err)) {
        return err;
    }
    dir->online = false;
    LOG_ERROR(manager->node->machine, "storage", "log dir offline", "dir=%s reason=\"%s\"",
              dir->path, errmsg->text[0] != '\0' ? errmsg->text : strerror(-err));
    return 0;
}

/* ---- Locks ----------------------------------------------------------------------------------- */

static int lock_dir(struct log_dir *dir, struct errmsg *errmsg) {
    struct machine *machine = dir->manager->node->machine;
    int err = path_mkdir_parents(machine, dir->path);
    if (err != 0) {
        explain(errmsg, "create", dir->path, err);
        return err;
    }
    err = log_dir_lock(machine, dir->path, &dir->lock);
    if (err == -EAGAIN) {
        errmsg_set(errmsg, "log dir %s is in use by another process", dir->path);
    } else if (err != 0) {
        explain(errmsg, "lock", dir->path, err);
    }
    return err;
}

/* ---- Identity -------------------------------------------------------------------------------- */

struct identity {
    struct meta_properties meta;
    bool formatted;
};

/* A dir without meta.properties that holds partitions is somebody's data. */
static int check_unformatted(const struct log_dir *dir, struct errmsg *errmsg) {
    struct machine *machine = dir->manager->node->machine;
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    struct log_dir_entry *entries;
    int count = 0;
    int err = log_dir_list(machine, dir->path, &arena, &entries, &count, errmsg);
    enum path_kind kind = PATH_MISSING;
    if (err == 0) {
        const char *path = arena_printf(&arena, "%s/%s", dir->path, metadata_log_name);
        err = path_kind(machine, path, &kind);
        if (err != 0) {
            explain(errmsg, "read", dir->path, err);
        }
    }
    if (err == 0 && (count > 0 || kind != PATH_MISSING)) {
        errmsg_set(errmsg, "log dir %s holds partitions but no meta.properties", dir->path);
        err = -EINVAL;
    }
    arena_release(&arena);
    return err;
}

static int read_identity(const struct log_dir *dir, struct identity *out, struct errmsg *errmsg) {
    int err = meta_properties_read(dir->manager->node->machine, dir->path, &out->meta, errmsg);
    if (err == -ENOENT) {
        return check_unformatted(dir, errmsg);
    }
    if (err != 0) {
        if (err != -EINVAL) {
            explain(errmsg, "read", dir->path, err);
        }
        return err;
    }
    out->formatted = true;
    return 0;
}

static int check_owner(const struct log_dir *dir, const struct identity *identity,
                       const char *cluster_id, struct errmsg *errmsg) {
    int32_t node_id = dir->manager->node->id;
    if (identity->meta.node_id != node_id) {
        errmsg_set(errmsg, "log dir %s belongs to node %" PRId32 ", but node.id is %" PRId32,
                   dir->path, identity->meta.node_id, node_id);
        return -EINVAL;
    }
    if (strcmp(identity->meta.cluster_id, cluster_id) != 0) {
        errmsg_set(errmsg, "log dir %s belongs to cluster %s, the metadata dir to cluster %s",
                   dir->path, identity->meta.cluster_id, cluster_id);
        return -EINVAL;
    }
    return 0;
}

/* Gives the dir an identity, or completes the one of an older release. */
static int write_identity(struct log_dir *dir, struct identity *identity, struct errmsg *errmsg) {
    struct node *node = dir->manager->node;
    if (identity->formatted && !uuid_is_zero(identity->meta.directory_id)) {
        dir->id = identity->meta.directory_id;
        return 0;
    }
    identity->meta.node_id = node->id;
    memcpy(identity->meta.cluster_id, node->cluster_id, sizeof(node->cluster_id));
    identity->meta.directory_id = random_uuid(node->machine);
    /* The process that made the dir may have been killed before it had synced the dir's name. Where
     * the parent may not be read, it was not this node that made it. */
    int err = directory_sync_parent(node->machine, dir->path);
    if (err == 0 || err == -EACCES) {
        err = meta_properties_write(node->machine, dir->path, &identity->meta);
    }
    if (err != 0) {
        explain(errmsg, "format", dir->path, err);
        return err;
    }
    identity->formatted = true;
    dir->id = identity->meta.directory_id;
    char text[UUID_TEXT_LEN + 1];
    LOG_INFO(node->machine, "storage", "log dir formatted", "dir=%s directory_id=%s", dir->path,
             uuid_format(dir->id, text));
    return 0;
}

/*
 * Which cluster this is: the metadata dir's, which the configuration may name as well. A new node
 * draws an id when it is alone; in a cluster all nodes have to agree, so somebody has to say it.
 */
static int settle_cluster(struct node *node, const struct log_dir *dir,
                          const struct identity *first, struct errmsg *errmsg) {
    struct slice given = config_string(node->config, CONFIG_BARNABAS_CLUSTER_ID);
    if (given.len >= sizeof(node->cluster_id)) {
        errmsg_set(errmsg, "barnabas.cluster.id=%.*s is not valid; allowed: at most %zu characters",
                   SLICE_ARG(given), sizeof(node->cluster_id) - 1);
        return -EINVAL;
    }
    if (first->formatted) {
        memcpy(node->cluster_id, first->meta.cluster_id, sizeof(node->cluster_id));
        if (given.len > 0 && !slice_equal_str(given, node->cluster_id)) {
            errmsg_set(errmsg, "log dir %s belongs to cluster %s, but barnabas.cluster.id is %.*s",
                       dir->path, node->cluster_id, SLICE_ARG(given));
            return -EINVAL;
        }
        return 0;
    }
    if (given.len > 0) {
        (void)snprintf(node->cluster_id, sizeof(node->cluster_id), "%.*s", SLICE_ARG(given));
        return 0;
    }
    if (config_is_alone(node->config)) {
        uuid_format(random_uuid(node->machine), node->cluster_id);
        return 0;
    }
    errmsg_set(errmsg,
               "log dir %s is not formatted, and which cluster it belongs to is not known: run "
               "barnabasctl format with the cluster's id, or set barnabas.cluster.id",
               dir->path);
    return -EINVAL;
}

static int settle_identities(struct log_manager *manager, struct identity *identities,
                             struct errmsg *errmsg) {
    struct node *node = manager->node;
    const struct log_dir *metadata_dir = &manager->dirs[manager->metadata_dir];
    struct identity *first = &identities[manager->metadata_dir];
    int cluster = settle_cluster(node, metadata_dir, first, errmsg);
    if (cluster != 0) {
        return cluster;
    }
    for (int i = 0; i < manager->all_dir_count; i++) {
        if (!identities[i].formatted || !manager->dirs[i].online) {
            continue;
        }
        if (!first->formatted) {
            errmsg_set(errmsg, "log dir %s has a meta.properties, the metadata dir %s has none",
                       manager->dirs[i].path, metadata_dir->path);
            return -EINVAL;
        }
        int err = check_owner(&manager->dirs[i], &identities[i], node->cluster_id, errmsg);
        if (err != 0) {
            return err;
        }
    }
    int err = write_identity(&manager->dirs[manager->metadata_dir], first, errmsg);
    for (int i = 0; err == 0 && i < manager->all_dir_count; i++) {
        if (!manager->dirs[i].online) {
            continue;
        }
        err = leave_out(&manager->dirs[i],
                        write_identity(&manager->dirs[i], &identities[i], errmsg), errmsg);
        for (int j = 0; err == 0 && j < i; j++) {
            if (uuid_equal(manager->dirs[i].id, manager->dirs[j].id)) {
                errmsg_set(errmsg, "log dirs %s and %s have the same directory.id",
                           manager->dirs[j].path, manager->dirs[i].path);
                err = -EINVAL;
            }
        }
    }
    return err;
}

/* ---- Contents -------------------------------------------------------------------------------- */

static uint64_t partition_hash(struct slice topic, int32_t partition) {
    return hash_combine(hash_bytes(topic), (uint64_t)(uint32_t)partition);
}

struct known_offsets *log_dir_offsets(const struct log_dir *dir, struct slice topic,
                                      int32_t partition) {
    HMAP_FOREACH_HASH(node, &dir->offsets, partition_hash(topic, partition)) {
        struct known_offsets *known = CONTAINER_OF(node, struct known_offsets, node);
        if (known->partition == partition && slice_equal(known->topic, topic)) {
            return known;
        }
    }
    return NULL;
}

const struct log_dir_entry *log_dir_entry_named(const struct log_dir *dir, struct slice topic,
                                                int32_t partition) {
    HMAP_FOREACH_HASH(node, &dir->names, partition_hash(topic, partition)) {
        const struct named_entry *named = CONTAINER_OF(node, struct named_entry, node);
        if (named->entry->partition == partition && slice_equal(named->entry->topic, topic)) {
            return named->entry;
        }
    }
    return NULL;
}

static void index_names(struct log_dir *dir) {
    for (int i = 0; i < dir->entry_count; i++) {
        const struct log_dir_entry *entry = &dir->entries[i];
        if (entry->kind == LOG_DIR_PARTITION) {
            struct named_entry *named = ARENA_NEW(&dir->arena, struct named_entry);
            named->entry = entry;
            hmap_insert(&dir->names, &named->node, partition_hash(entry->topic, entry->partition));
        }
    }
}

static struct known_offsets *ensure_offsets(struct log_dir *dir, struct slice topic,
                                            int32_t partition) {
    struct known_offsets *known = log_dir_offsets(dir, topic, partition);
    if (known == NULL) {
        known = ARENA_NEW(&dir->arena, struct known_offsets);
        known->topic = topic;
        known->partition = partition;
        known->log_start = -1;
        known->high_watermark = -1;
        hmap_insert(&dir->offsets, &known->node, partition_hash(topic, partition));
    }
    return known;
}

static int read_checkpoint(struct log_dir *dir, const char *name, enum checkpoint_kind kind,
                           struct errmsg *errmsg) {
    struct checkpoint_entry *entries;
    int count;
    int err = checkpoint_read(dir->manager->node->machine, dir->path, name, &dir->arena, &entries,
                              &count, &dir->checkpoint_ms[kind]);
    if (err != 0) {
        explain(errmsg, "read the checkpoints of", dir->path, err);
        return err;
    }
    for (int i = 0; i < count; i++) {
        struct known_offsets *known = ensure_offsets(dir, entries[i].topic, entries[i].partition);
        if (kind == CHECKPOINT_KIND_RECOVERY_POINT) {
            known->recovery_point = entries[i].offset;
            known->recovery_point_known = true;
        } else if (kind == CHECKPOINT_KIND_LOG_START) {
            known->log_start = entries[i].offset;
        } else {
            known->high_watermark = entries[i].offset;
        }
    }
    return 0;
}

static int read_dir(struct log_dir *dir, struct errmsg *errmsg) {
    struct machine *machine = dir->manager->node->machine;
    int err = clean_shutdown_read(machine, dir->path, &dir->clean, &dir->broker_epoch);
    if (!dir->clean) {
        dir->broker_epoch = -1;
    }
    if (err == 0 && dir->clean) {
        err = clean_shutdown_remove(machine, dir->path);
    }
    if (err != 0) {
        explain(errmsg, "open", dir->path, err);
        return err;
    }
    if (dir->index >= dir->manager->dir_count) {
        return 0; /* holds only the metadata log */
    }
    err = read_checkpoint(dir, CHECKPOINT_RECOVERY_POINT, CHECKPOINT_KIND_RECOVERY_POINT, errmsg);
    if (err == 0) {
        err = read_checkpoint(dir, CHECKPOINT_LOG_START, CHECKPOINT_KIND_LOG_START, errmsg);
    }
    if (err == 0) {
        err =
            read_checkpoint(dir, CHECKPOINT_HIGH_WATERMARK, CHECKPOINT_KIND_HIGH_WATERMARK, errmsg);
    }
    if (err == 0) {
        err =
            log_dir_list(machine, dir->path, &dir->arena, &dir->entries, &dir->entry_count, errmsg);
    }
    if (err == 0) {
        index_names(dir);
    }
    return err;
}

int log_dirs_open(struct log_manager *manager, struct errmsg *errmsg) {
    int err = 0;
    for (int i = 0; err == 0 && i < manager->all_dir_count; i++) {
        manager->dirs[i].online = true;
        manager->dirs[i].broker_epoch = -1;
        err = leave_out(&manager->dirs[i], lock_dir(&manager->dirs[i], errmsg), errmsg);
    }
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    struct identity *identities =
        arena_array(&arena, (size_t)manager->all_dir_count, sizeof(*identities));
    for (int i = 0; err == 0 && i < manager->all_dir_count; i++) {
        if (manager->dirs[i].online) {
            err = read_identity(&manager->dirs[i], &identities[i], errmsg);
            err = leave_out(&manager->dirs[i], err, errmsg);
        }
    }
    if (err == 0) {
        err = settle_identities(manager, identities, errmsg);
    }
    arena_release(&arena);
    for (int i = 0; err == 0 && i < manager->all_dir_count; i++) {
        if (manager->dirs[i].online) {
            err = leave_out(&manager->dirs[i], read_dir(&manager->dirs[i], errmsg), errmsg);
        }
    }
    for (int i = 0; err != 0 && i < manager->all_dir_count; i++) {
        manager->dirs[i].online = false;
    }
    return err != 0 || log_dirs_any_online(manager) ? err : -EIO;
}
