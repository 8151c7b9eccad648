/*
 * Damaged directories. A node starts on a data directory of which one thing is damaged, and is
 * judged by what clients then see of it: all that was there, or a clear refusal, never anything
 * else.
 *
 * Every test run tries a part of the catalogue. The rest:
 *
 *     SIM_DAMAGE=1                     every damage; SIM_DAMAGE=97 every 97th bit and byte
 *     SIM_DAMAGE_PART=0/2              the first half of them, for two processes side by side
 *     tests/sim/run-damage             every damage, in parts, over several days if need be
 *     SIM_DAMAGE_CASE="clean:1234"     one damage by its number, SIM_LOG=1 with the node's log
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/assert.h"
#include "broker/node.h"
#include "protocol/records.h"
#include "tests/sim/damage.h"

#define STRIDE_USUAL                                                                               \
    211                /* of flipped bits, truncations and foreign files in ordinary test runs     \
                        */
#define STRIDE_NAMES 4 /* of renamed and doubled files */
#define CASE_SECONDS 60
#define WRONG_SHOWN  20

enum outcome { OUTCOME_RECOVERED, OUTCOME_REFUSED, OUTCOME_CHECKSUM, OUTCOME_WRONG, OUTCOME_COUNT };

static struct {
    const struct damage_image *image;
    int64_t tried[DAMAGE_KIND_COUNT][OUTCOME_COUNT];
    char label[400];
} run;

/* A case that crashes or hangs says which one it was. */
static void on_death(int signum) {
    static const char before[] = "damage: died at ";
    ssize_t ignored = write(STDERR_FILENO, before, sizeof(before) - 1);
    ignored += write(STDERR_FILENO, run.label, strlen(run.label));
    ignored += write(STDERR_FILENO, "\n", 1);
    (void)ignored;
    signal(signum, SIG_DFL);
    raise(signum);
}

/* ---- One case -------------------------------------------------------------------------------- */

/* What is left must take new records, and have them with the old ones after another start. */
static bool goes_on(struct node_world *world, struct view *seen, const struct damage *damage,
                    char why[512]) {
    for (int i = 0; i < seen->partition_count; i++) {
        struct view_partition *partition = &seen->partitions[i];
        int64_t base = -1;
        if (partition->error != ERROR_NONE || partition->checksum_fails ||
            partition->topic[0] == '_') {
            continue;
        }
        if (!script_produce(world, partition->topic, partition->partition, COMPRESSION_NONE,
                            NO_PRODUCER_ID, 0, &base) ||
            base != partition->end) {
            snprintf(why, 512, "%s-%d does not take records at its end: %d", partition->topic,
                     partition->partition, (int)base);
            return false;
        }
    }
    bool stays = damage->kind == DAMAGE_UNREADABLE || damage->kind == DAMAGE_BAD_SECTORS;
    if (!node_world_stop(world) && !(stays && world->node.exit_code == NODE_EXIT_FAILED)) {
        snprintf(why, 512, "the stop hangs"); /* it may not be able to write its checkpoints */
        return false;
    }
    int code = node_world_start(world);
    if (code != 0) {
        snprintf(why, 512, "the second start: %d %.400s", code, world->log.last_error);
        return stays && code != NODE_WORLD_HANGS && world->log.error_lines > 0;
    }
    struct view again;
    script_view_init(&again);
    view_take(&again, world);
    bool good = !again.lost_contact;
    const struct view_partition *truth = run.image->truth.partitions;
    for (int i = 0; i < seen->partition_count && good; i++) {
        const struct view_partition *old = &seen->partitions[i];
        const struct view_partition *new = &again.partitions[i];
        int64_t grown = old->topic[0] == '_' ? 0 : SCRIPT_BATCH_RECORDS;
        bool refused = old->error != ERROR_NONE; /* all of it may be there without the clean mark */
        good = (refused && (new->error != ERROR_NONE || new->end == truth[i].end)) ||
               old->checksum_fails ||
               (stays && new->error != ERROR_NONE && world->log.error_lines > 0) ||
               (old->error == ERROR_NONE &&
                new->error == ERROR_NONE &&new->end ==
                    old->end + grown &&new->bytes.len >= old->bytes.len &&
                (old->bytes.len == 0 ||
                 memcmp(new->bytes.data, old->bytes.data, old->bytes.len) == 0));
        if (!good) {
            snprintf(why, 512, "%s-%d after another start: error %d, end %d, was %d", new->topic,
                     new->partition, new->error, (int)new->end, (int)old->end);
        }
    }
    view_release(&again);
    return good;
}

static enum outcome judge(struct node_world *world, const struct damage *damage, char why[512]) {
    int code = node_world_start(world);
    if (code > 0) {
        bool told = world->log.error_lines > 0;
        snprintf(why, 512, "exit code %d without a line", code);
        return told ? OUTCOME_REFUSED : OUTCOME_WRONG;
    }
    if (code < 0) {
        snprintf(why, 512, "the start %s", code == NODE_WORLD_HANGS ? "hangs" : "ends in a death");
        bool told = code == NODE_WORLD_DIED && world->log.error_lines > 0;
        return told ? OUTCOME_REFUSED : OUTCOME_WRONG;
    }
    struct view seen;
    script_view_init(&seen);
    view_take(&seen, world);
    enum outcome outcome = OUTCOME_WRONG;
    if (!node_world_alive(world)) {
        snprintf(why, 512, "it ends without a line");
        outcome = world->log.error_lines > 0 ? OUTCOME_REFUSED : OUTCOME_WRONG;
    } else {
        struct view_allowance allowance;
        damage_allow(run.image, damage, &allowance);
        enum view_verdict verdict = view_judge(&run.image->truth, &seen, &allowance, why);
        outcome = (enum outcome)verdict;
        if (verdict == VIEW_REFUSED && world->log.error_lines == 0) {
            snprintf(why, 512, "refused without a line");
            outcome = OUTCOME_WRONG;
        }
        if (outcome != OUTCOME_WRONG && !goes_on(world, &seen, damage, why)) {
            outcome = OUTCOME_WRONG;
        }
    }
    view_release(&seen);
    return outcome;
}

static void try_damage(const struct damage *damage, int64_t number) {
    snprintf(run.label, sizeof(run.label), "%s:%lld %s %s %lld", run.image->name, (long long)number,
             run.image->files[damage->file].path, damage_kind_names[damage->kind],
             (long long)damage->param);
    alarm(CASE_SECONDS);
    struct node_world *world = node_world_new(3, 1, script_overrides, SCRIPT_OVERRIDE_COUNT);
    node_world_wait(world, 200000); /* later than anything in the image */
    sim_disk_restore(world->node.machine, run.image->disk, NULL);
    damage_apply(run.image, damage, world->node.machine);
    char why[512] = "";
    enum outcome outcome = judge(world, damage, why);
    node_world_free(world);
    run.tried[damage->kind][outcome]++;
    if (outcome == OUTCOME_WRONG) {
        int64_t wrong = 0;
        for (int kind = 0; kind < DAMAGE_KIND_COUNT; kind++) {
            wrong += run.tried[kind][OUTCOME_WRONG];
        }
        if (wrong <= WRONG_SHOWN || getenv("SIM_DAMAGE_SHOW") != NULL) {
            fprintf(stderr, "damage: WRONG %s: %s\n", run.label, why);
        }
    }
}

/* ---- The catalogue --------------------------------------------------------------------------- */

/* Of kinds with many cases every so-manieth is tried. */
static int64_t stride_of(enum damage_kind kind, int64_t stride) {
    switch (kind) {
    case DAMAGE_FLIPPED:
    case DAMAGE_TRUNCATED:
    case DAMAGE_FOREIGN:
        return stride;
    case DAMAGE_RENAMED:
    case DAMAGE_DOUBLED:
        return stride < STRIDE_NAMES ? stride : STRIDE_NAMES;
    default:
        return 1;
    }
}

static void try_all(int64_t stride, int64_t part, int64_t parts, int64_t only) {
    int64_t number = 0;
    for (int file = 0; file < run.image->file_count; file++) {
        for (int kind = 0; kind < DAMAGE_KIND_COUNT; kind++) {
            int64_t count = damage_param_count(run.image, (enum damage_kind)kind, file);
            for (int64_t param = 0; param < count; param++, number++) {
                struct damage damage = {(enum damage_kind)kind, file, param};
                bool wanted = only >= 0 ? number == only
                                        : number % stride_of(damage.kind, stride) == 0 &&
                                              number % parts == part;
                if (wanted && !damage_cannot_be_told(run.image, &damage)) {
                    try_damage(&damage, number);
                }
            }
        }
    }
}

static void print_table(void) {
    fprintf(stderr, "damage: image %-9s %-11s %9s %9s %9s %9s %6s\n", run.image->name, "kind",
            "tried", "recovered", "refused", "checksum", "wrong");
    int64_t sums[OUTCOME_COUNT] = {0};
    int64_t all = 0;
    for (int kind = 0; kind <= DAMAGE_KIND_COUNT; kind++) {
        bool last = kind == DAMAGE_KIND_COUNT;
        const int64_t *row = last ? sums : run.tried[kind];
        int64_t tried = 0;
        for (int i = 0; i < OUTCOME_COUNT; i++) {
            tried += row[i];
            sums[i] += last ? 0 : row[i];
        }
        all = last ? tried : all;
        fprintf(stderr, "damage: %15s %-11s %9lld %9lld %9lld %9lld %6lld\n", "",
                last ? "all" : damage_kind_names[kind], (long long)tried,
                (long long)row[OUTCOME_RECOVERED], (long long)row[OUTCOME_REFUSED],
                (long long)row[OUTCOME_CHECKSUM], (long long)row[OUTCOME_WRONG]);
    }
    cr_assert_gt(all, 0);
    cr_assert_eq(sums[OUTCOME_WRONG], 0, "%lld damages were answered wrongly",
                 (long long)sums[OUTCOME_WRONG]);
}

static void run_image(const char *name, bool clean, bool leftovers) {
    long long stride = STRIDE_USUAL;
    long long part = 0;
    long long parts = 1;
    long long only = -1;
    char only_image[16] = "";
    const char *text = getenv("SIM_DAMAGE");
    if (text != NULL) {
        stride = atoll(text) > 0 ? atoll(text) : 1;
    }
    text = getenv("SIM_DAMAGE_PART");
    if (text != NULL) {
        cr_assert_eq(sscanf(text, "%lld/%lld", &part, &parts), 2);
    }
    text = getenv("SIM_DAMAGE_CASE");
    if (text != NULL) {
        cr_assert_eq(sscanf(text, "%15[a-z]:%lld", only_image, &only), 2);
        if (strcmp(only_image, name) != 0) {
            cr_skip_test("another image was asked for");
        }
    }
    signal(SIGABRT, on_death);
    signal(SIGSEGV, on_death);
    signal(SIGALRM, on_death);
    struct damage_image *image = damage_image_new(name, clean, leftovers);
    cr_assert_not_null(image, "no image could be made");
    run.image = image;
    try_all(stride, part, parts, only);
    alarm(0);
    print_table();
    damage_image_free(image);
}

Test(damage, of_a_directory_that_was_closed_cleanly, .timeout = 86400) {
    run_image("clean", true, false);
}

Test(damage, of_a_directory_whose_node_was_killed, .timeout = 86400) {
    run_image("killed", false, false);
}

Test(damage, of_a_directory_with_leftovers_of_interrupted_work, .timeout = 86400) {
    run_image("leftovers", false, true);
}
