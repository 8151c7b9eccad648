#include "tests/sim/damage.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "protocol/records.h"

#define EPOCH_AT 12 /* in a batch: the leader epoch */

const char *const damage_kind_names[DAMAGE_KIND_COUNT] = {
    "empty",   "truncated", "flipped",   "missing",    "foreign",     "renamed",
    "doubled", "misplaced", "directory", "unreadable", "bad sectors",
};

static const char *const file_suffixes[] = {".tmp", ".swap", ".cleaned", ".deleted", ".old"};
static const char *const directory_suffixes[] = {".0123456789abcdef0123456789abcdef-delete",
                                                 ".0123456789abcdef0123456789abcdef-future",
                                                 ".0123456789abcdef0123456789abcdef-stray"};

static bool ends_with(const char *path, const char *suffix) {
    size_t len = strlen(path);
    size_t suffix_len = strlen(suffix);
    return len >= suffix_len && strcmp(path + len - suffix_len, suffix) == 0;
}

/* ---- Images ---------------------------------------------------------------------------------- */

static void add_file(void *ctx, const char *path, bool directory, struct slice content) {
    struct damage_image *image = ctx;
    image->files = xrealloc(image->files, (size_t)(image->file_count + 1) * sizeof(*image->files));
    uint8_t *copy = xmalloc(content.len + 1);
    if (content.len > 0) {
        memcpy(copy, content.data, content.len);
    }
    image->files[image->file_count++] = (struct damage_file){
        .path = xstrdup(path), .directory = directory, .content = slice_make(copy, content.len)};
}

static int by_path(const void *a, const void *b) {
    return strcmp(((const struct damage_file *)a)->path, ((const struct damage_file *)b)->path);
}

static void list_files(struct damage_image *image, struct machine *machine) {
    sim_disk_walk(machine, add_file, image);
    qsort(image->files, (size_t)image->file_count, sizeof(*image->files), by_path);
}

static void copy_file(const struct damage_image *image, struct machine *machine, const char *from,
                      const char *to) {
    for (int i = 0; i < image->file_count; i++) {
        if (strcmp(image->files[i].path, from) == 0) {
            int err = sim_disk_write(machine, to, image->files[i].content);
            ASSERT(err == 0);
        }
    }
}

static void copy_directory(const struct damage_image *image, struct machine *machine,
                           const char *from, const char *to) {
    int err = sim_disk_mkdir(machine, to);
    ASSERT(err == 0);
    size_t len = strlen(from);
    for (int i = 0; i < image->file_count; i++) {
        const struct damage_file *file = &image->files[i];
        if (strncmp(file->path, from, len) == 0 && file->path[len] == '/' && !file->directory) {
            char path[512];
            snprintf(path, sizeof(path), "%s%s", to, file->path + len);
            err = sim_disk_write(machine, path, file->content);
            ASSERT(err == 0);
        }
    }
}

/* What interrupted work of this broker or of Kafka leaves behind; none of it may matter. */
static void add_leftovers(struct damage_image *image, struct machine *machine) {
    static const char segment[] = "data/codecs-0/00000000000000000021.log";
    static const struct {
        const char *from;
        const char *to;
    } copies[] = {
        {segment, "data/codecs-0/00000000000000000007.log.deleted"},
        {segment, "data/codecs-0/00000000000000000021.log.cleaned"},
        {segment, "data/codecs-0/00000000000000000021.log.swap"},
        {"data/codecs-0/00000000000000000021.index",
         "data/codecs-0/00000000000000000021.index.cleaned"},
        {"data/codecs-0/leader-epoch-checkpoint", "data/codecs-0/leader-epoch-checkpoint.tmp"},
        {"data/cut-0/00000000000000000015.snapshot",
         "data/cut-0/00000000000000000003.snapshot.deleted"},
        {"data/recovery-point-offset-checkpoint", "data/recovery-point-offset-checkpoint.tmp"},
        {"data/meta.properties", "data/meta.properties.tmp"},
        {"data/__cluster_metadata-0/quorum-state", "data/__cluster_metadata-0/quorum-state.tmp"},
    };
    for (size_t i = 0; i < ARRAY_LEN(copies); i++) {
        copy_file(image, machine, copies[i].from, copies[i].to);
    }
    copy_directory(image, machine, "data/cut-0",
                   "data/cut-0.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-delete");
    copy_directory(image, machine, "data/cut-0",
                   "data/cut-0.bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb-future");
    copy_directory(image, machine, "data/cut-0",
                   "data/cut-0.cccccccccccccccccccccccccccccccc-stray");
}

static void free_files(struct damage_image *image) {
    for (int i = 0; i < image->file_count; i++) {
        free(image->files[i].path);
        free((void *)(uintptr_t)image->files[i].content.data);
    }
    free(image->files);
    image->files = NULL;
    image->file_count = 0;
}

static bool take_truth(struct damage_image *image) {
    struct node_world *world = node_world_new(2, 1, script_overrides, SCRIPT_OVERRIDE_COUNT);
    sim_disk_restore(world->node.machine, image->disk, NULL);
    script_view_init(&image->truth);
    bool good = node_world_start(world) == 0;
    if (good) {
        view_take(&image->truth, world);
        good = !image->truth.lost_contact;
    }
    node_world_free(world);
    return good;
}

struct damage_image *damage_image_new(const char *name, bool clean, bool leftovers) {
    struct node_world *world = node_world_new(1, 1, script_overrides, SCRIPT_OVERRIDE_COUNT);
    bool good = script_run(world, clean);
    struct damage_image *image = NEW(struct damage_image);
    image->name = name;
    image->clean = clean;
    list_files(image, world->node.machine);
    if (leftovers) {
        add_leftovers(image, world->node.machine);
        free_files(image);
        list_files(image, world->node.machine);
    }
    image->disk = sim_disk_save(world->node.machine);
    node_world_free(world);
    if (!good || !take_truth(image)) {
        damage_image_free(image);
        return NULL;
    }
    return image;
}

void damage_image_free(struct damage_image *image) {
    free_files(image);
    sim_disk_free(image->disk);
    view_release(&image->truth);
    free(image);
}

/* ---- Damage ---------------------------------------------------------------------------------- */

static bool named_by_offset(const char *path) {
    const char *name = strrchr(path, '/');
    return name != NULL && strspn(name + 1, "0123456789") == 20;
}

bool damage_cannot_be_told(const struct damage_image *image, const struct damage *damage) {
    if (damage->kind != DAMAGE_FOREIGN || damage->param >= image->file_count) {
        return false;
    }
    const char *to = image->files[damage->file].path;
    const char *from = image->files[damage->param].path;
    if (!named_by_offset(to) || !named_by_offset(from)) {
        return false;
    }
    bool same_offset = strncmp(strrchr(to, '/'), strrchr(from, '/'), 21) == 0;
    bool compacted = strstr(to, "__consumer_offsets") != NULL;
    /* Snapshots of the metadata are batches as well. */
    bool batches = strstr(from, ".log") != NULL || strstr(from, ".checkpoint") != NULL;
    bool segments = strstr(to, ".log") != NULL && batches;
    bool snapshots = strstr(to, ".snapshot") != NULL && strstr(from, ".snapshot") != NULL;
    return (segments && (same_offset || compacted)) || (snapshots && compacted);
}

int64_t damage_param_count(const struct damage_image *image, enum damage_kind kind, int index) {
    const struct damage_file *file = &image->files[index];
    int64_t len = (int64_t)file->content.len;
    bool top = strchr(file->path, '/') == NULL;
    switch (kind) {
    case DAMAGE_EMPTY:
        return file->directory || len == 0 ? 0 : 1;
    case DAMAGE_TRUNCATED:
        return file->directory || len <= 1 ? 0 : len - 1;
    case DAMAGE_FLIPPED:
        return file->directory ? 0 : len * 8;
    case DAMAGE_FOREIGN:
        return file->directory ? 0 : image->file_count + 2;
    case DAMAGE_RENAMED:
    case DAMAGE_DOUBLED:
        return top               ? 0
               : file->directory ? (int64_t)ARRAY_LEN(directory_suffixes)
                                 : (int64_t)ARRAY_LEN(file_suffixes);
    case DAMAGE_MISPLACED:
        return !file->directory && named_by_offset(file->path) ? 1 : 0;
    case DAMAGE_MISSING:
        return top ? 0 : 1; /* nothing at all is a new node */
    case DAMAGE_DIRECTORY:
    case DAMAGE_UNREADABLE:
        return 1;
    default:
        return file->directory ? 0 : 1;
    }
}

static void put(struct machine *machine, const char *path, struct slice content) {
    int err = sim_disk_write(machine, path, content);
    ASSERT(err == 0);
}

static void apply_foreign(const struct damage_image *image, const struct damage *damage,
                          struct machine *machine) {
    const struct damage_file *file = &image->files[damage->file];
    if (damage->param < image->file_count) {
        put(machine, file->path, image->files[damage->param].content);
        return;
    }
    /* As long as it was, and longer. */
    size_t len = file->content.len + (damage->param == image->file_count ? 0 : 1000);
    uint8_t *noise = xmalloc(len + 1);
    uint64_t state = (uint64_t)damage->file * 2654435761u + 12345;
    for (size_t i = 0; i < len; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        noise[i] = (uint8_t)(state >> 56);
    }
    put(machine, file->path, slice_make(noise, len));
    free(noise);
}

static void apply_flip(const struct damage_file *file, int64_t bit, struct machine *machine) {
    int err = sim_disk_flip(machine, file->path, bit / 8, (uint8_t)(1 << (bit % 8)));
    ASSERT(err == 0);
}

/* A copy under the next offset: "00000000000000000021.log" as "00000000000000000022.log". */
static void apply_misplaced(const struct damage_file *file, struct machine *machine) {
    const char *name = strrchr(file->path, '/') + 1;
    char path[512];
    snprintf(path, sizeof(path), "%.*s%020" PRId64 "%s", (int)(name - file->path), file->path,
             (int64_t)strtoll(name, NULL, 10) + 1, name + 20);
    put(machine, path, file->content);
}

static void apply_suffix(const struct damage_image *image, const struct damage *damage,
                         struct machine *machine) {
    const struct damage_file *file = &image->files[damage->file];
    char path[512];
    snprintf(path, sizeof(path), "%s%s", file->path,
             (file->directory ? directory_suffixes : file_suffixes)[damage->param]);
    if (damage->kind == DAMAGE_RENAMED) {
        int err = sim_disk_rename(machine, file->path, path);
        ASSERT(err == 0);
    } else if (file->directory) {
        copy_directory(image, machine, file->path, path);
    } else {
        put(machine, path, file->content);
    }
}

void damage_apply(const struct damage_image *image, const struct damage *damage,
                  struct machine *machine) {
    const struct damage_file *file = &image->files[damage->file];
    int err = 0;
    switch (damage->kind) {
    case DAMAGE_EMPTY:
        put(machine, file->path, SLICE_LIT(""));
        break;
    case DAMAGE_TRUNCATED:
        put(machine, file->path, slice_make(file->content.data, (size_t)damage->param + 1));
        break;
    case DAMAGE_FLIPPED:
        apply_flip(file, damage->param, machine);
        break;
    case DAMAGE_FOREIGN:
        apply_foreign(image, damage, machine);
        break;
    case DAMAGE_RENAMED:
    case DAMAGE_DOUBLED:
        apply_suffix(image, damage, machine);
        break;
    case DAMAGE_MISPLACED:
        apply_misplaced(file, machine);
        break;
    case DAMAGE_MISSING:
        err = sim_disk_remove(machine, file->path);
        break;
    case DAMAGE_DIRECTORY:
        err = sim_disk_remove(machine, file->path);
        if (err == 0 && file->directory) {
            err = sim_disk_write(machine, file->path, SLICE_LIT("not a directory"));
        } else if (err == 0) {
            err = sim_disk_mkdir(machine, file->path);
        }
        break;
    case DAMAGE_UNREADABLE:
        err = sim_disk_break(machine, file->path, -EACCES, 0);
        break;
    default:
        err = sim_disk_break(machine, file->path, 0, -EIO);
        break;
    }
    ASSERT(err == 0);
}

/* ---- What it may cost ------------------------------------------------------------------------ */

/* The directory of a partition, with a slash behind it. */
static void partition_path(const struct view_partition *partition, char path[300]) {
    snprintf(path, 300, "data/%s-%d/", partition->topic, partition->partition);
}

static bool below(const char *path, const char *directory) {
    return strncmp(path, directory, strlen(directory)) == 0;
}

/* The newest file of a directory with that suffix; -1 when there is none. */
static int newest(const struct damage_image *image, const char *directory, const char *suffix) {
    int found = -1;
    for (int i = 0; i < image->file_count; i++) {
        if (below(image->files[i].path, directory) && ends_with(image->files[i].path, suffix)) {
            found = i;
        }
    }
    return found;
}

static int64_t offset_in_name(const struct damage_image *image, int file) {
    return strtoll(strrchr(image->files[file].path, '/') + 1, NULL, 10);
}

static int64_t recovery_point(const struct damage_image *image,
                              const struct view_partition *partition) {
    int file = newest(image, "data/", "recovery-point-offset-checkpoint");
    char line[300];
    snprintf(line, sizeof(line), "\n%s %d ", partition->topic, partition->partition);
    struct slice text = image->files[file].content;
    const char *at = memmem(text.data, text.len, line, strlen(line));
    return at == NULL ? 0 : strtoll(at + strlen(line), NULL, 10);
}

/* Where the batches end that the damage leaves whole, when nothing whole follows on it; else -1. */
static int64_t end_of_whole(const struct damage_image *image, const struct damage *damage) {
    const struct damage_file *file = &image->files[damage->file];
    int64_t damaged_at = damage->kind == DAMAGE_TRUNCATED ? damage->param + 1
                         : damage->kind == DAMAGE_FLIPPED ? damage->param / 8
                                                          : 0;
    int64_t end = offset_in_name(image, damage->file);
    struct slice left = file->content;
    struct batch batch;
    while (batch_parse(left, &batch) == BATCH_OK) {
        int64_t batch_end = (int64_t)(left.data - file->content.data) + (int64_t)batch_size(&batch);
        if (damaged_at < batch_end) {
            bool last = batch_size(&batch) == left.len;
            return damage->kind == DAMAGE_FLIPPED && !last ? -1 : end;
        }
        end = batch_last_offset(&batch) + 1;
        left = slice_make(left.data + batch_size(&batch), left.len - batch_size(&batch));
    }
    return end;
}

static int64_t last_batch_at(struct slice bytes) {
    int64_t at = 0;
    struct batch batch;
    struct slice left = bytes;
    while (batch_parse(left, &batch) == BATCH_OK) {
        at = (int64_t)(left.data - bytes.data);
        left = slice_make(left.data + batch_size(&batch), left.len - batch_size(&batch));
    }
    return at;
}

/* The base offset of the batch whose leader epoch the flip is in; -1 when it is elsewhere. */
static int64_t flipped_epoch_of(const struct damage_image *image, const struct damage *damage) {
    struct slice content = image->files[damage->file].content;
    struct slice left = content;
    struct batch batch;
    while (damage->kind == DAMAGE_FLIPPED && batch_parse(left, &batch) == BATCH_OK) {
        int64_t byte = damage->param / 8 - (int64_t)(left.data - content.data);
        if (byte < (int64_t)batch_size(&batch)) {
            return byte >= EPOCH_AT && byte < EPOCH_AT + 4 ? batch.base_offset : -1;
        }
        left = slice_make(left.data + batch_size(&batch), left.len - batch_size(&batch));
    }
    return -1;
}

/* Epochs of another log that begin above this log's start look like those of a log whose older
 * records are being deleted: what came before them is not known any more. */
static bool epochs_begin_late(const struct damage_image *image, const struct damage *damage,
                              const struct view_partition *partition) {
    if (damage->kind != DAMAGE_FOREIGN || damage->param >= image->file_count ||
        !ends_with(image->files[damage->file].path, "/leader-epoch-checkpoint") ||
        !ends_with(image->files[damage->param].path, "/leader-epoch-checkpoint")) {
        return false;
    }
    struct slice text = image->files[damage->param].content;
    char copy[64];
    long long offset = 0;
    snprintf(copy, sizeof(copy), "%.*s", (int)text.len, (const char *)text.data);
    return sscanf(copy, "%*d %*d %*d %lld", &offset) == 1 && offset > partition->start;
}

/* No checksum covers the epoch of a batch. Where epochs change, a flip may leave them in order: of
 * the first batch of an epoch, and of the last. */
static void allow_epoch(const struct damage_image *image, const struct damage *damage, int index,
                        struct view_allowance *allowance) {
    const struct view_partition *partition = &image->truth.partitions[index];
    struct slice bytes = buffer_slice(&partition->bytes);
    struct slice left = bytes;
    struct batch batch;
    char directory[300];
    partition_path(partition, directory);
    int64_t offset = flipped_epoch_of(image, damage);
    if (!below(image->files[damage->file].path, directory)) {
        return;
    }
    if (epochs_begin_late(image, damage, partition)) {
        allowance->epoch_at[index] = (int64_t)bytes.len;
    }
    if (offset < 0) {
        return;
    }
    int32_t before = 0;
    while (batch_parse(left, &batch) == BATCH_OK && batch.base_offset != offset) {
        before = batch.partition_leader_epoch;
        left = slice_make(left.data + batch_size(&batch), left.len - batch_size(&batch));
    }
    if (left.len == 0) {
        return;
    }
    struct slice behind = slice_make(left.data + batch_size(&batch), left.len - batch_size(&batch));
    struct batch next;
    bool first = batch.partition_leader_epoch != before;
    bool last = batch_parse(behind, &next) == BATCH_OK &&
                next.partition_leader_epoch != batch.partition_leader_epoch;
    if (first || last) {
        allowance->epoch_at[index] = (int64_t)(left.data - bytes.data) + EPOCH_AT;
    }
}

static bool tears_tail(enum damage_kind kind) {
    return kind == DAMAGE_EMPTY || kind == DAMAGE_TRUNCATED || kind == DAMAGE_FLIPPED ||
           kind == DAMAGE_MISSING || kind == DAMAGE_FOREIGN || kind == DAMAGE_RENAMED;
}

static void allow_tail(const struct damage_image *image, const struct damage *damage, int index,
                       struct view_allowance *allowance) {
    const struct view_partition *partition = &image->truth.partitions[index];
    char directory[300];
    partition_path(partition, directory);
    if (damage->file != newest(image, directory, ".log")) {
        return;
    }
    int64_t end = end_of_whole(image, damage);
    if (damage->kind == DAMAGE_FLIPPED && end >= 0) {
        /* No checksum covers the epoch of a batch that nothing follows. */
        allowance->epoch_at[index] = last_batch_at(buffer_slice(&partition->bytes)) + EPOCH_AT;
    }
    int snapshot = newest(image, directory, ".snapshot");
    int64_t sealed = snapshot < 0 ? 0 : offset_in_name(image, snapshot);
    int64_t synced = recovery_point(image, partition);
    synced = sealed > synced ? sealed : synced;
    if (end >= 0) {
        allowance->end_min[index] = end > synced ? end : synced;
        allowance->committed = strcmp(partition->topic, "__consumer_offsets") == 0;
    }
}

/* The two files that say where a log starts; the lower one counts when they contradict. */
static void allow_start(const struct damage_image *image, const struct damage *damage,
                        struct view_allowance *allowance) {
    const char *path = image->files[damage->file].path;
    for (int i = 0; i < image->truth.partition_count; i++) {
        char directory[300];
        partition_path(&image->truth.partitions[i], directory);
        allowance->start_lower[i] =
            ends_with(path, "/log-start-offset-checkpoint") ||
            (below(path, directory) && ends_with(path, "/leader-epoch-checkpoint")) ||
            allowance->epoch_at[i] >= 0; /* leader epochs are made from the log */
    }
}

void damage_allow(const struct damage_image *image, const struct damage *damage,
                  struct view_allowance *allowance) {
    *allowance = (struct view_allowance){0};
    for (int i = 0; i < image->truth.partition_count; i++) {
        allowance->end_min[i] = image->truth.partitions[i].end;
        allowance->epoch_at[i] = -1;
        allow_epoch(image, damage, i, allowance);
    }
    allow_start(image, damage, allowance);
    if (image->clean || !tears_tail(damage->kind)) {
        return;
    }
    for (int i = 0; i < image->truth.partition_count; i++) {
        allow_tail(image, damage, i, allowance);
    }
    if (damage->file == newest(image, "data/__cluster_metadata-0/", ".log") &&
        end_of_whole(image, damage) >= 0) {
        allowance->topics = true;
        allowance->committed = true;
    }
}
