/*
 * Each directory gets its files before meta.properties, which says that it is formatted: what was
 * interrupted is formatted again from the start.
 */
#include "tools/format.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "broker/config/config.h"
#include "broker/metadata/features.h"
#include "broker/quorum/metadata_snapshot.h"
#include "runtime/file.h"
#include "runtime/machine.h"
#include "storage/log_dir.h"
#include "tools/format_options.h"

#define CHECKPOINT_MAX ((size_t)1 << 20)

struct dir {
    const char *path;
    bool exists;
    bool formatted;
    struct meta_properties meta;
};

struct format {
    struct machine *machine;
    struct config *config;
    struct format_options options;
    struct errmsg errmsg;
    int32_t node_id;
    struct dir *dirs; /* the metadata directory among them */
    int dir_count;
    struct format_feature features[FORMAT_FEATURES_MAX];
    int feature_count;
    int16_t metadata_version;
    bool dynamic; /* kraft.version 1 */
};

static const char usage[] =
    "usage: barnabasctl format --config FILE --cluster-id ID [options]\n"
    "\n"
    "Formats the log directories of a node for the cluster that it is to be part of.\n"
    "\n"
    "  -c, --config FILE              server.properties of the node\n"
    "  -t, --cluster-id ID            the same for all nodes; see barnabasctl random-uuid\n"
    "  -s, --standalone               this node is the only controller, others may join later\n"
    "  -I, --initial-controllers LIST the controllers, the same for all nodes:\n"
    "                                 id@host:port:directory,... with a random-uuid for each\n"
    "  -N, --no-initial-controllers   the node joins controllers that are there already\n"
    "  -g, --ignore-formatted         leaves directories that are formatted as they are\n"
    "  -f, --feature NAME=LEVEL       the level of a feature; may be repeated\n"
    "  -r, --release-version RELEASE  metadata.version, such as 4.3-IV0\n"
    "  -h, --help                     prints this and exits\n";

/* ---- The directories ------------------------------------------------------------------------- */

static bool fail(const char *text) {
    fprintf(stderr, "%s\n", text);
    return false;
}

static bool is_known(const struct format *format, const char *path) {
    for (int i = 0; i < format->dir_count; i++) {
        if (strcmp(format->dirs[i].path, path) == 0) {
            return true;
        }
    }
    return false;
}

static bool read_dir(struct format *format, const char *path) {
    struct dir *dir = &format->dirs[format->dir_count++];
    *dir = (struct dir){.path = path};
    enum path_kind kind;
    int result = path_kind(format->machine, path, &kind);
    if (result != 0 || (kind != PATH_MISSING && kind != PATH_DIRECTORY)) {
        fprintf(stderr, "%s: %s\n", path, result == 0 ? "is no directory" : strerror(-result));
        return false;
    }
    dir->exists = kind == PATH_DIRECTORY;
    if (dir->exists) {
        result = meta_properties_read(format->machine, path, &dir->meta, &format->errmsg);
        if (result != 0 && result != -ENOENT) {
            return fail(format->errmsg.text);
        }
        dir->formatted = result == 0;
    }
    return true;
}

/* The configuration, and what its directories say. */
static bool open_node(struct format *format, const char *path) {
    format->machine = machine_new(1, 1);
    if (config_load(format->machine, path, NULL, 0, &format->config, &format->errmsg) != 0) {
        return fail(format->errmsg.text);
    }
    format->node_id = (int32_t)config_int(format->config, CONFIG_NODE_ID);
    int count = config_log_dir_count(format->config);
    format->dirs = xcalloc((size_t)count + 1, sizeof(*format->dirs));
    for (int i = 0; i < count; i++) {
        if (!read_dir(format, config_log_dir(format->config, i))) {
            return false;
        }
    }
    const char *metadata_dir = config_metadata_dir(format->config);
    return is_known(format, metadata_dir) || read_dir(format, metadata_dir);
}

static void close_node(struct format *format) {
    free(format->dirs);
    config_free(format->config);
    if (format->machine != NULL) {
        machine_free(format->machine);
    }
}

/* ---- What is to be written ------------------------------------------------------------------- */

static bool is_controller(const struct format *format) {
    struct slice roles = config_string(format->config, CONFIG_PROCESS_ROLES);
    return memmem(roles.data, roles.len, "controller", strlen("controller")) != NULL;
}

static const struct config_listener *controller_listener(const struct format *format) {
    for (int i = 0; i < config_listener_count(format->config); i++) {
        if (config_listener_at(format->config, i)->controller) {
            const struct config_listener *told = config_advertised(format->config, i);
            return told != NULL ? told : config_listener_at(format->config, i);
        }
    }
    return NULL;
}

/* The name that voters' endpoints have; of a broker that has no such listener, the configured. */
static struct slice controller_listener_name(const struct format *format) {
    struct slice names = config_string(format->config, CONFIG_CONTROLLER_LISTENER_NAMES);
    const uint8_t *comma = names.len == 0 ? NULL : memchr(names.data, ',', names.len);
    return comma == NULL ? names : slice_make(names.data, (size_t)(comma - names.data));
}

static bool take_voters(struct format *format) {
    struct format_options *options = &format->options;
    bool fixed = config_string(format->config, CONFIG_CONTROLLER_QUORUM_VOTERS).len > 0;
    bool asked = options->standalone || options->initial_controllers != NULL;
    if (fixed && asked) {
        return fail("controller.quorum.voters cannot be set together with --initial-controllers or "
                    "--standalone; name the controllers in controller.quorum.bootstrap.servers "
                    "instead");
    }
    if (!fixed && !asked && !options->no_initial_controllers && is_controller(format)) {
        return fail("Because controller.quorum.voters is not set on this controller, you must "
                    "specify one of the following: --standalone, --initial-controllers, or "
                    "--no-initial-controllers.");
    }
    format->dynamic = !fixed;
    if (options->standalone) {
        const struct config_listener *listener = controller_listener(format);
        if (!is_controller(format) || listener == NULL) {
            return fail("--standalone is for a node with the role of controller and a listener "
                        "that controller.listener.names names");
        }
        options->voters[0] = (struct format_voter){
            .id = format->node_id,
            .directory_id = random_uuid(format->machine),
            .host = slice_str(listener->host[0] == '\0' ? "localhost" : listener->host),
            .port = (uint16_t)listener->port,
        };
        options->voter_count = 1;
    }
    for (int i = 0; i < options->voter_count; i++) {
        options->voters[i].listener = controller_listener_name(format);
    }
    return true;
}

static const struct supported_feature *find_feature(const char *name) {
    for (const struct supported_feature *f = supported_features; f->name != NULL; f++) {
        if (strcmp(f->name, name) == 0) {
            return f;
        }
    }
    return NULL;
}

/* kraft.version is not a record of the bootstrap, but follows from how the voters are given. */
static bool check_kraft_version(const struct format *format, int16_t level) {
    if (level == (format->dynamic ? 1 : 0)) {
        return true;
    }
    return fail(format->dynamic ? "kraft.version cannot be 0 when controller.quorum.voters is empty"
                                : "kraft.version cannot be 1 when controller.quorum.voters is set");
}

static bool take_feature(struct format *format, const struct format_feature *asked) {
    const struct supported_feature *known = find_feature(asked->name);
    if (known == NULL) {
        fprintf(stderr, "Unsupported feature: %s. Supported features are:", asked->name);
        for (const struct supported_feature *f = supported_features; f->name != NULL; f++) {
            fprintf(stderr, " %s", f->name);
        }
        fputc('\n', stderr);
        return false;
    }
    if (strcmp(known->name, FEATURE_KRAFT_VERSION) == 0) {
        return check_kraft_version(format, asked->level);
    }
    bool off = asked->level == 0 && strcmp(known->name, FEATURE_METADATA_VERSION) != 0;
    if (!off && (asked->level < known->min_level || asked->level > known->max_level)) {
        fprintf(stderr, "No %s with feature level %d. Valid feature levels are from %d to %d.\n",
                known->name, asked->level, known->min_level, known->max_level);
        return false;
    }
    for (int i = 0; i < format->feature_count; i++) {
        if (strcmp(format->features[i].name, known->name) == 0) {
            format->features[i].level = asked->level;
        }
    }
    return true;
}

/* Without being asked for, ELR is on from the release on that has it by default. */
static bool check_elr(struct format *format, bool given) {
    for (int i = 0; i < format->feature_count; i++) {
        struct format_feature *feature = &format->features[i];
        if (strcmp(feature->name, FEATURE_ELR) != 0) {
            continue;
        }
        if (!given && format->metadata_version < METADATA_VERSION_ELR_DEFAULT) {
            feature->level = 0;
        }
        if (feature->level > 0 && format->metadata_version < METADATA_VERSION_ELR) {
            fprintf(stderr, "%s %d needs metadata.version %d.\n", FEATURE_ELR, feature->level,
                    METADATA_VERSION_ELR);
            return false;
        }
    }
    return true;
}

/* As Kafka's tool writes them: the other records depend on it. */
static void metadata_version_first(struct format *format) {
    for (int i = 0; i < format->feature_count; i++) {
        struct format_feature feature = format->features[i];
        if (strcmp(feature.name, FEATURE_METADATA_VERSION) == 0) {
            memmove(format->features + 1, format->features, (size_t)i * sizeof(feature));
            format->features[0] = feature;
            return;
        }
    }
}

/* The newest level of each feature, but for what was asked for. */
static bool take_features(struct format *format) {
    for (const struct supported_feature *f = supported_features; f->name != NULL; f++) {
        if (strcmp(f->name, FEATURE_KRAFT_VERSION) != 0) {
            ASSERT(format->feature_count < FORMAT_FEATURES_MAX);
            format->features[format->feature_count++] =
                (struct format_feature){f->name, f->max_level};
        }
    }
    metadata_version_first(format);
    const char *release = format->options.release;
    bool elr_given = false;
    if (release != NULL) {
        struct format_feature level = {FEATURE_METADATA_VERSION, release_level(release)};
        if (level.level < 0) {
            fprintf(stderr, "Unknown metadata.version '%s'. Supported are %s to %s.\n", release,
                    release_name(find_feature(FEATURE_METADATA_VERSION)->min_level),
                    release_name(METADATA_VERSION_LATEST));
            return false;
        }
        if (!take_feature(format, &level)) {
            return false;
        }
    }
    for (int i = 0; i < format->options.feature_count; i++) {
        if (!take_feature(format, &format->options.features[i])) {
            return false;
        }
        elr_given = elr_given || strcmp(format->options.features[i].name, FEATURE_ELR) == 0;
    }
    for (int i = 0; i < format->feature_count; i++) {
        if (strcmp(format->features[i].name, FEATURE_METADATA_VERSION) == 0) {
            format->metadata_version = format->features[i].level;
        }
    }
    if (!check_elr(format, elr_given)) {
        return false;
    }
    int kept = 0;
    for (int i = 0; i < format->feature_count; i++) {
        if (format->features[i].level > 0) {
            format->features[kept++] = format->features[i];
        }
    }
    format->feature_count = kept;
    return true;
}

/* Directories that are formatted must be of this node and cluster. */
static bool check_formatted(const struct format *format) {
    for (int i = 0; i < format->dir_count; i++) {
        const struct dir *dir = &format->dirs[i];
        if (!dir->formatted) {
            continue;
        }
        if (strcmp(dir->meta.cluster_id, format->options.cluster_id) != 0) {
            fprintf(stderr, "Invalid cluster.id in: %s/meta.properties. Expected %s, but read %s\n",
                    dir->path, format->options.cluster_id, dir->meta.cluster_id);
            return false;
        }
        if (dir->meta.node_id != format->node_id) {
            fprintf(stderr, "Invalid node.id in: %s/meta.properties. Expected %d, but read %d\n",
                    dir->path, format->node_id, dir->meta.node_id);
            return false;
        }
        if (!format->options.ignore_formatted) {
            fprintf(stderr,
                    "Log directory %s is already formatted. Use --ignore-formatted to ignore this "
                    "directory and format the others.\n",
                    dir->path);
            return false;
        }
    }
    return true;
}

/* ---- Writing --------------------------------------------------------------------------------- */

static const struct format_voter *own_voter(const struct format *format) {
    for (int i = 0; i < format->options.voter_count; i++) {
        if (format->options.voters[i].id == format->node_id) {
            return &format->options.voters[i];
        }
    }
    return NULL;
}

static int write_voters(struct format *format, const char *path) {
    char *dir = NULL;
    int len = asprintf(&dir, "%s/__cluster_metadata-0", path);
    ASSERT(len >= 0);
    int result = path_mkdir_parents(format->machine, dir);
    struct buffer bytes;
    buffer_init(&bytes, CHECKPOINT_MAX);
    if (result == 0) {
        checkpoint_of_voters(format->options.voters, format->options.voter_count,
                             clock_wall_ms(format->machine), &bytes);
        result = snapshot_write(format->machine, dir, SNAPSHOT_BOOTSTRAP, buffer_slice(&bytes));
    }
    if (result == 0) {
        result = directory_sync(format->machine, path);
    }
    buffer_release(&bytes);
    free(dir);
    return result;
}

static int write_features(struct format *format, const char *path) {
    char *file = NULL;
    int len = asprintf(&file, "%s/bootstrap.checkpoint", path);
    ASSERT(len >= 0);
    struct buffer bytes;
    buffer_init(&bytes, CHECKPOINT_MAX);
    checkpoint_of_features(format->features, format->feature_count, clock_wall_ms(format->machine),
                           &bytes);
    int result = file_replace(format->machine, file, buffer_slice(&bytes));
    buffer_release(&bytes);
    free(file);
    return result;
}

static bool write_dir(struct format *format, const struct dir *dir) {
    bool metadata = strcmp(dir->path, config_metadata_dir(format->config)) == 0;
    const struct format_voter *own = metadata ? own_voter(format) : NULL;
    bool voters = metadata && format->options.voter_count > 0;
    const char *what = !metadata     ? "data directory"
                       : !voters     ? "metadata directory"
                       : own == NULL ? "dynamic metadata directory"
                                     : "dynamic metadata voter directory";
    printf("Formatting %s %s with metadata.version %s.\n", what, dir->path,
           release_name(format->metadata_version));
    struct meta_properties meta = {
        .node_id = format->node_id,
        .directory_id = own != NULL ? own->directory_id : random_uuid(format->machine),
    };
    int len = snprintf(meta.cluster_id, sizeof(meta.cluster_id), "%s", format->options.cluster_id);
    if (len < 0 || (size_t)len >= sizeof(meta.cluster_id)) {
        return fail("the cluster id is too long");
    }
    int result = path_mkdir_parents(format->machine, dir->path);
    if (result == 0) {
        result = directory_sync_parent(format->machine, dir->path);
    }
    if (result == 0) {
        result = write_features(format, dir->path);
    }
    if (result == 0 && voters) {
        result = write_voters(format, dir->path);
    }
    if (result == 0) {
        result = meta_properties_write(format->machine, dir->path, &meta);
    }
    if (result != 0) {
        fprintf(stderr, "Cannot format %s: %s\n", dir->path, strerror(-result));
    }
    return result == 0;
}

static bool format_dirs(struct format *format) {
    if (!open_node(format, format->options.config) || !take_voters(format) ||
        !take_features(format) || !check_formatted(format)) {
        return false;
    }
    int written = 0;
    for (int i = 0; i < format->dir_count; i++) {
        if (!format->dirs[i].formatted) {
            if (!write_dir(format, &format->dirs[i])) {
                return false;
            }
            written++;
        }
    }
    if (written == 0) {
        puts("All of the log directories are already formatted.");
    }
    return true;
}

int format_main(int argc, char **argv) {
    struct format format = {0};
    if (!format_options_parse(argc, argv, &format.options, &format.errmsg)) {
        fprintf(stderr, "barnabasctl format: %s\n", format.errmsg.text);
        return EXIT_FAILURE;
    }
    if (format.options.help) {
        fputs(usage, stdout);
        return EXIT_SUCCESS;
    }
    bool ok = format_dirs(&format);
    close_node(&format);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- info, random-uuid ----------------------------------------------------------------------- */

static int print_info(const struct format *format) {
    const struct meta_properties *first = NULL;
    int problems = 0;
    for (int i = 0; i < format->dir_count; i++) {
        const struct dir *dir = &format->dirs[i];
        if (dir->exists && first == NULL) {
            puts("Found log directories:");
            first = &dir->meta;
        }
        if (dir->exists) {
            printf("  %s\n", dir->path);
        }
    }
    first = NULL;
    for (int i = 0; i < format->dir_count && first == NULL; i++) {
        first = format->dirs[i].formatted ? &format->dirs[i].meta : NULL;
    }
    if (first != NULL) {
        char id[UUID_TEXT_LEN + 1];
        printf("\nFound metadata: {cluster.id=%s, directory.id=%s, node.id=%d, version=1}\n",
               first->cluster_id, uuid_format(first->directory_id, id), first->node_id);
    }
    for (int i = 0; i < format->dir_count; i++) {
        const struct dir *dir = &format->dirs[i];
        const char *problem = !dir->exists      ? "does not exist"
                              : !dir->formatted ? "is not formatted."
                              : strcmp(dir->meta.cluster_id, first->cluster_id) != 0
                                  ? "is of another cluster"
                              : dir->meta.node_id != first->node_id ? "is of another node"
                                                                    : NULL;
        if (problem != NULL) {
            printf("%s  %s %s\n", problems++ == 0 ? "Found problems:\n" : "", dir->path, problem);
        }
    }
    puts("");
    return problems == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int info_main(int argc, char **argv) {
    const char *config =
        argc == 2 && (strcmp(argv[0], "-c") == 0 || strcmp(argv[0], "--config") == 0) ? argv[1]
                                                                                      : NULL;
    if (config == NULL) {
        bool help = argc == 1 && (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0);
        fputs("usage: barnabasctl info -c FILE | --config FILE\n", help ? stdout : stderr);
        return help ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    struct format format = {0};
    int code = open_node(&format, config) ? print_info(&format) : EXIT_FAILURE;
    close_node(&format);
    return code;
}

int random_uuid_main(int argc, char **argv) {
    (void)argv;
    if (argc != 0) {
        fputs("usage: barnabasctl random-uuid\n", stderr);
        return EXIT_FAILURE;
    }
    struct machine *machine = machine_new(1, 1);
    char text[UUID_TEXT_LEN + 1];
    puts(uuid_format(random_uuid(machine), text));
    machine_free(machine);
    return EXIT_SUCCESS;
}
