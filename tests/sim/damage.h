/*
 * The catalogue of damaged directories: what can be done to each file and directory of a data
 * directory, one thing at a time, numbered.
 */
#ifndef TESTS_SIM_DAMAGE_H
#define TESTS_SIM_DAMAGE_H

#include "tests/sim/node_script.h"

enum damage_kind {
    DAMAGE_EMPTY,       /* of a file: no bytes left */
    DAMAGE_TRUNCATED,   /* param: bytes that are left */
    DAMAGE_FLIPPED,     /* param: number of the bit */
    DAMAGE_MISSING,     /* file or directory */
    DAMAGE_FOREIGN,     /* param: which file's bytes; behind the last one, random bytes */
    DAMAGE_RENAMED,     /* param: which suffix it has got */
    DAMAGE_DOUBLED,     /* param: which suffix a copy beside it has */
    DAMAGE_MISPLACED,   /* a copy of a segment's file stands under the next offset too */
    DAMAGE_DIRECTORY,   /* a directory in place of the file; a file in place of the directory */
    DAMAGE_UNREADABLE,  /* opening it is refused: EACCES */
    DAMAGE_BAD_SECTORS, /* reading it fails: EIO */
    DAMAGE_KIND_COUNT,
};

extern const char *const damage_kind_names[DAMAGE_KIND_COUNT];

struct damage_file {
    char *path; /* heap */
    bool directory;
    struct slice content; /* heap */
};

/* A data directory, and what clients see of it. */
struct damage_image {
    const char *name;
    bool clean;
    struct disk *disk;
    struct damage_file *files; /* heap, by path */
    int file_count;
    struct view truth;
};

/* Makes the image by a run of a node; with left-overs of all kinds when asked for. NULL when the
 * run fails. */
struct damage_image *damage_image_new(const char *name, bool clean, bool leftovers);
void damage_image_free(struct damage_image *image);

struct damage {
    enum damage_kind kind;
    int file; /* index in the image */
    int64_t param;
};

/* A whole segment of another log that begins at the same offset says nothing of whose it is: such
 * damage leaves a valid directory, of other contents, and is not tried. A log that is compacted may
 * have holes, so there it may begin anywhere, and the batches that a snapshot tells of may be gone.
 */
bool damage_cannot_be_told(const struct damage_image *image, const struct damage *damage);

/* How many params a kind has for a file; 0 when it does not apply. */
int64_t damage_param_count(const struct damage_image *image, enum damage_kind kind, int file);

/* Does it to the disk of a machine that was restored from the image. */
void damage_apply(const struct damage_image *image, const struct damage *damage,
                  struct machine *machine);

/* What the damage may cost: the unsynced-looking tail of a log that was not closed, nothing else.
 */
void damage_allow(const struct damage_image *image, const struct damage *damage,
                  struct view_allowance *allowance);

#endif
