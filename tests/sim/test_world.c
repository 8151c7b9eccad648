/* The simulated world itself: what a seed decides, what a crash leaves, what the network does. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/errmsg.h"
#include "base/memory.h"
#include "runtime/file.h"
#include "runtime/log.h"
#include "runtime/machine.h"
#include "runtime/net.h"
#include "runtime/sim/sim.h"

static struct sim_options perfect(uint64_t seed) {
    return (struct sim_options){
        .seed = seed,
        .wall_start_ms = 1800000000000,
        .net_delay_min_us = 100,
        .net_delay_max_us = 900,
        .sync_delay_min_us = 500,
        .sync_delay_max_us = 5000,
    };
}

static struct file *open_new(struct machine *machine, const char *path) {
    struct file *file = NULL;
    cr_assert_eq(file_open(machine, path, FILE_WRITE | FILE_CREATE, &file), 0);
    return file;
}

static void put(struct file *file, const char *text, int64_t pos) {
    cr_assert_eq(file_write_at(file, text, strlen(text), pos), 0);
}

/* The content as a heap string; NULL when there is no such file. */
static char *content(struct machine *machine, const char *path) {
    uint8_t *data = NULL;
    size_t len = 0;
    int err = file_read_all(machine, path, 1 << 20, &data, &len);
    cr_assert(err == 0 || err == -ENOENT);
    return (char *)data;
}

static bool content_is(struct machine *machine, const char *path, const char *expected) {
    char *is = content(machine, path);
    bool same = is != NULL && strcmp(is, expected) == 0;
    free(is);
    return same;
}

/* ---- Time, posts, work ----------------------------------------------------------------------- */

struct clockwork {
    struct sim *sim;
    struct machine *machine;
    struct timer timers[3];
    struct work work;
    struct post post;
    char trace[64];
    int64_t work_done_us;
    bool done;
};

static struct clockwork *works(void) {
    static struct clockwork clockwork;
    return &clockwork;
}

static void trace(const char *what) {
    strncat(works()->trace, what, sizeof(works()->trace) - strlen(works()->trace) - 1);
}

static void on_timer(struct timer *timer) {
    char name[2] = {(char)('0' + (timer - works()->timers)), '\0'};
    cr_assert_eq(shard_now_ms(timer->shard), timer->due_ms);
    trace(name);
    works()->done = strlen(works()->trace) == 3;
}

static void start_timers(void *ctx) {
    for (int i = 0; i < 3; i++) {
        timer_init(&works()->timers[i], machine_shard(works()->machine, 0), on_timer);
    }
    timer_start(&works()->timers[0], 3600 * 1000);
    timer_start(&works()->timers[1], 10);
    timer_start(&works()->timers[2], 10);
}

Test(world, timers_fire_in_virtual_time_and_in_order) {
    struct sim_options options = perfect(1);
    struct sim *sim = sim_new(&options);
    works()->machine = sim_machine_new(sim, "a", 1);
    sim_call(sim, machine_shard(works()->machine, 0), start_timers, NULL);
    cr_assert(sim_run(sim, 3600 * 1000 + 1000, &works()->done));
    cr_assert_str_eq(works()->trace, "120");
    cr_assert_eq(sim_now_us(sim), (int64_t)3600 * 1000 * 1000);
    sim_wall_jump(works()->machine, -5000);
    cr_assert_eq(clock_wall_ms(works()->machine), 1800000000000 + 3600 * 1000 - 5000);
    sim_free(sim);
}

static void work_run(struct work *work) {
    struct file *file = open_new(works()->machine, "f");
    cr_assert_eq(file_sync(file), 0);
    file_unref(file);
}

static void work_done(struct work *work) {
    shard_assert_current(machine_shard(works()->machine, 1));
    works()->work_done_us = sim_now_us(works()->sim);
    works()->done = true;
}

static void submit(struct post *post) {
    shard_assert_current(machine_shard(works()->machine, 1));
    work_submit(machine_shard(works()->machine, 1), &works()->work, work_run, work_done);
}

static void post_to_second(void *ctx) {
    shard_post(machine_shard(works()->machine, 1), &works()->post, submit);
}

Test(world, work_takes_the_virtual_time_of_its_syncs) {
    struct sim_options options = perfect(1);
    options.sync_delay_min_us = 5000;
    struct sim *sim = works()->sim = sim_new(&options);
    works()->machine = sim_machine_new(sim, "a", 2);
    sim_call(sim, machine_shard(works()->machine, 0), post_to_second, NULL);
    cr_assert(sim_run(sim, 1000, &works()->done));
    cr_assert_geq(works()->work_done_us, 5000);
    cr_assert(!sim_step(sim));
    sim_free(sim);
}

/* ---- What a power cut keeps ------------------------------------------------------------------ */

/* Runs one crash with a seed and returns the restarted machine's world. */
struct disk_test {
    struct sim *sim;
    struct machine *machine;
};

static struct disk_test disk_test(uint64_t seed) {
    struct sim_options options = perfect(seed);
    struct sim *sim = sim_new(&options);
    return (struct disk_test){sim, sim_machine_new(sim, "a", 1)};
}

static void cut_power(struct disk_test *test) {
    sim_crash_after(test->machine, 0, SIM_CRASH_POWER);
    cr_assert(sim_crashed(test->machine));
    sim_machine_restart(test->machine);
    cr_assert(!sim_crashed(test->machine));
}

Test(world, what_was_synced_with_its_name_survives_every_power_cut) {
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct disk_test test = disk_test(seed);
        struct file *file = open_new(test.machine, "f");
        put(file, "synced", 0);
        cr_assert_eq(file_sync(file), 0);
        cr_assert_eq(directory_sync(test.machine, "."), 0);
        put(file, "+more", 6);
        file_unref(file);
        cut_power(&test);
        char *is = content(test.machine, "f");
        cr_assert(is != NULL && strncmp(is, "synced", 6) == 0, "seed %zu", (size_t)seed);
        free(is);
        sim_free(test.sim);
    }
}

Test(world, unsynced_writes_are_a_prefix_with_a_torn_or_missing_end) {
    bool kept = false;
    bool lost = false;
    bool torn = false;
    bool zeros = false;
    uint8_t big[4096];
    memset(big, 'x', sizeof(big));
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct disk_test test = disk_test(seed);
        struct file *file = open_new(test.machine, "f");
        cr_assert_eq(directory_sync(test.machine, "/"), 0);
        cr_assert_eq(file_write_at(file, big, sizeof(big), 0), 0);
        cr_assert_eq(file_write_at(file, "end", 3, sizeof(big)), 0);
        file_unref(file);
        cut_power(&test);
        uint8_t *data = NULL;
        size_t len = 0;
        cr_assert_eq(file_read_all(test.machine, "f", 1 << 20, &data, &len), 0);
        size_t good = 0;
        while (good < len && good < sizeof(big) && data[good] == 'x') {
            good++;
        }
        cr_assert(good == sizeof(big) || good % 512 == 0, "torn at %zu", good);
        for (size_t i = good; i < len; i++) {
            cr_assert(data[i] == 0 || (good == sizeof(big) && len == sizeof(big) + 3));
        }
        kept |= len == sizeof(big) + 3 && data[len - 1] == 'd';
        lost |= len == 0;
        torn |= good > 0 && good < sizeof(big);
        zeros |= len > 0 && data[len - 1] == 0;
        free(data);
        sim_free(test.sim);
    }
    cr_assert(kept && lost && torn && zeros);
}

Test(world, a_kill_keeps_unsynced_writes_and_a_later_power_cut_may_not) {
    bool lost = false;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct disk_test test = disk_test(seed);
        struct file *file = open_new(test.machine, "f");
        put(file, "written", 0);
        sim_crash_after(test.machine, 0, SIM_CRASH_PROCESS);
        put(file, "zombie!", 0); /* goes to a copy nobody sees */
        sim_machine_restart(test.machine);
        cr_assert(content_is(test.machine, "f", "written"));
        file_unref(file);
        cut_power(&test);
        lost |= !content_is(test.machine, "f", "written");
        sim_free(test.sim);
    }
    cr_assert(lost);
}

Test(world, a_rename_without_directory_sync_shows_one_of_the_names_and_the_whole_content) {
    bool old_seen = false;
    bool new_seen = false;
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct disk_test test = disk_test(seed);
        cr_assert_eq(file_replace(test.machine, "f", SLICE_LIT("old")), 0);
        struct file *file = open_new(test.machine, "f.new");
        put(file, "new", 0);
        cr_assert_eq(file_sync(file), 0);
        file_unref(file);
        cr_assert_eq(path_rename(test.machine, "f.new", "f"), 0);
        cr_assert(content_is(test.machine, "f", "new"));
        cut_power(&test);
        bool is_old = content_is(test.machine, "f", "old");
        bool is_new = content_is(test.machine, "f", "new");
        cr_assert(is_old != is_new, "seed %zu", (size_t)seed);
        old_seen |= is_old;
        new_seen |= is_new;
        sim_free(test.sim);
    }
    cr_assert(old_seen && new_seen);
}

Test(world, file_replace_is_atomic_at_every_crash_point_of_either_kind) {
    for (uint64_t seed = 0; seed < 20; seed++) {
        for (int kind = SIM_CRASH_PROCESS; kind <= SIM_CRASH_POWER; kind++) {
            bool finished = false;
            for (uint64_t n = 1; !finished; n++) {
                struct disk_test test = disk_test(seed);
                cr_assert_eq(path_mkdir_parents(test.machine, "data/x"), 0);
                cr_assert_eq(directory_sync(test.machine, "/"), 0);
                cr_assert_eq(directory_sync(test.machine, "data"), 0);
                cr_assert_eq(file_replace(test.machine, "data/x/f", SLICE_LIT("old")), 0);
                sim_crash_after(test.machine, n, (enum sim_crash)kind);
                cr_assert_eq(file_replace(test.machine, "data/x/f", SLICE_LIT("new")), 0);
                finished = !sim_crashed(test.machine);
                if (finished) {
                    cr_assert_geq(n, 5);
                    cut_power(&test);
                    cr_assert(content_is(test.machine, "data/x/f", "new"));
                } else {
                    sim_machine_restart(test.machine);
                    cr_assert(content_is(test.machine, "data/x/f", "old") ||
                              content_is(test.machine, "data/x/f", "new"));
                }
                sim_free(test.sim);
            }
        }
    }
}

Test(world, a_file_whose_directory_was_never_synced_may_be_gone) {
    int gone = 0;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct disk_test test = disk_test(seed);
        struct file *file = open_new(test.machine, "f");
        put(file, "data", 0);
        cr_assert_eq(file_sync(file), 0);
        file_unref(file);
        cut_power(&test);
        char *is = content(test.machine, "f");
        cr_assert(is == NULL || strcmp(is, "data") == 0);
        gone += is == NULL;
        free(is);
        sim_free(test.sim);
    }
    cr_assert(gone > 5 && gone < 45);
}

/* ---- Faults ---------------------------------------------------------------------------------- */

Test(world, a_failed_sync_loses_what_it_covered_although_the_next_succeeds) {
    int seen = 0;
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct sim_options options = perfect(seed);
        options.disk_fail_sync = 500;
        struct disk_test test = {.sim = sim_new(&options)};
        test.machine = sim_machine_new(test.sim, "a", 1);
        struct file *file = open_new(test.machine, "f");
        put(file, "covered", 0);
        if (file_sync(file) == -EIO) {
            cr_assert(content_is(test.machine, "f", "covered"));
            put(file, "next", 7);
            if (file_sync(file) == 0 && directory_sync(test.machine, ".") == 0) {
                cut_power(&test);
                uint8_t *data = NULL;
                size_t len = 0;
                cr_assert_eq(file_read_all(test.machine, "f", 100, &data, &len), 0);
                cr_assert_eq(len, 11);
                cr_assert_arr_eq(data, "\0\0\0\0\0\0\0next", 11);
                free(data);
                seen++;
            }
        }
        file_unref(file);
        sim_free(test.sim);
    }
    cr_assert_gt(seen, 0);
}

/* As on a real disk: what there was space for is in the file although the write failed. */
Test(world, a_full_disk_refuses_growth_and_keeps_what_is_there) {
    struct sim_options options = perfect(3);
    options.disk_bytes_max = 100;
    struct sim *sim = sim_new(&options);
    struct machine *machine = sim_machine_new(sim, "a", 1);
    struct file *file = open_new(machine, "f");
    uint8_t data[101] = {0};
    cr_assert_eq(file_write_at(file, data, 90, 0), 0);
    cr_assert_eq(file_write_at(file, data, 11, 90), -ENOSPC);
    cr_assert_eq(file_write_at(file, data, 90, 0), 0);
    int64_t total = 0;
    int64_t usable = 0;
    cr_assert_eq(disk_usage(machine, "/", &total, &usable), 0);
    cr_assert_eq(total, 100);
    cr_assert_eq(usable, 0);
    int64_t size = 0;
    cr_assert_eq(file_size(file, &size), 0);
    cr_assert_eq(size, 100);
    cr_assert_eq(file_truncate(file, 90), 0);
    cr_assert_eq(disk_usage(machine, "/", &total, &usable), 0);
    cr_assert_eq(usable, 10);
    file_unref(file);
    cr_assert_eq(path_unlink(machine, "f"), 0);
    cut_power(&(struct disk_test){sim, machine});
    cr_assert_eq(disk_usage(machine, "/", &total, &usable), 0);
    sim_free(sim);
}

Test(world, writes_fail_at_the_rate_that_was_asked_for) {
    struct sim_options options = perfect(3);
    options.disk_fail_write = 300;
    struct sim *sim = sim_new(&options);
    struct machine *machine = sim_machine_new(sim, "a", 1);
    struct file *file = open_new(machine, "f");
    int failed = 0;
    for (int i = 0; i < 1000; i++) {
        failed += file_write_at(file, "x", 1, 0) == -EIO;
    }
    cr_assert(failed > 230 && failed < 370);
    file_unref(file);
    sim_free(sim);
}

Test(world, a_fault_hits_the_operations_that_it_was_laid_for) {
    struct disk_test test = disk_test(1);
    struct machine *machine = test.machine;
    struct file *file = open_new(machine, "f");
    sim_disk_fault(machine, &(struct sim_disk_fault){
                                .after = 1, .count = 2, .error = -ENOSPC, .partial = true});
    cr_assert_eq(file_write_at(file, "abcd", 4, 0), 0);
    cr_assert_eq(file_write_at(file, "efgh", 4, 4), -ENOSPC);
    int64_t size = 0;
    cr_assert_eq(file_size(file, &size), 0);
    cr_assert_eq(size, 6, "half of the write is there");
    cr_assert_eq(file_truncate(file, 4), 0, "a full disk lets files be cut");
    cr_assert_eq(file_write_at(file, "efgh", 4, 4), 0);
    sim_disk_fault(machine, &(struct sim_disk_fault){.count = 1, .error = -EIO});
    cr_assert_eq(file_sync(file), -EIO);
    cr_assert_eq(file_sync(file), 0);
    file_unref(file);
    cr_assert_eq(directory_sync(machine, "."), 0);
    cut_power(&test);
    struct slice content;
    cr_assert_eq(sim_disk_read(machine, "f", &content), 0);
    cr_assert_eq(content.len, 0, "what a failed sync covered is lost");
    sim_free(test.sim);
}

Test(world, a_saved_disk_can_be_started_from_again) {
    struct disk_test test = disk_test(1);
    struct machine *machine = test.machine;
    cr_assert_eq(sim_disk_mkdir(machine, "d"), 0);
    cr_assert_eq(sim_disk_write(machine, "d/f", SLICE_LIT("one")), 0);
    struct disk *saved = sim_disk_save(machine);
    cr_assert_eq(sim_disk_write(machine, "d/f", SLICE_LIT("two")), 0);
    cr_assert_eq(sim_disk_rename(machine, "d/f", "d/g"), 0);
    cr_assert_eq(sim_disk_break(machine, "d/g", -EACCES, 0), 0);
    struct file *file = NULL;
    cr_assert_eq(file_open(machine, "d/g", FILE_READ, &file), -EACCES);
    cr_assert_eq(sim_disk_remove(machine, "d"), 0);
    struct slice content;
    cr_assert_eq(sim_disk_read(machine, "d/f", &content), -ENOENT);
    sim_disk_restore(machine, saved, NULL);
    cr_assert_eq(sim_disk_read(machine, "d/f", &content), 0);
    cr_assert(slice_equal_str(content, "one"));
    sim_disk_free(saved);
    sim_free(test.sim);
}

Test(world, names_behave_as_on_a_real_disk) {
    struct disk_test test = disk_test(1);
    struct machine *machine = test.machine;
    struct file *file = NULL;
    struct file *second = NULL;
    cr_assert_eq(file_open(machine, "none", FILE_READ, &file), -ENOENT);
    cr_assert_eq(file_open(machine, "no/f", FILE_WRITE | FILE_CREATE, &file), -ENOENT);
    cr_assert_eq(path_mkdir(machine, "d"), 0);
    cr_assert_eq(path_mkdir(machine, "/d/"), -EEXIST);
    cr_assert_eq(file_open(machine, "d", FILE_READ, &file), -EISDIR);
    file_unref(open_new(machine, "d/f"));
    cr_assert_eq(file_open(machine, "d/f", FILE_WRITE | FILE_CREATE | FILE_EXCLUSIVE, &file),
                 -EEXIST);
    cr_assert_eq(path_rmdir(machine, "d"), -ENOTEMPTY);
    cr_assert_eq(path_unlink(machine, "d"), -EISDIR);
    cr_assert_eq(path_rename(machine, "d", "d/in-itself"), -EINVAL);
    cr_assert_eq(path_rename(machine, "d", "e"), 0);
    file_unref(open_new(machine, "./e/a"));
    char **names = NULL;
    size_t count = 0;
    cr_assert_eq(directory_list(machine, "e", &names, &count), 0);
    cr_assert_eq(count, 2);
    cr_assert_str_eq(names[0], "a");
    cr_assert_str_eq(names[1], "f");
    free(names);
    cr_assert_eq(file_lock(machine, ".lock", &file), 0);
    cr_assert_eq(file_lock(machine, ".lock", &second), -EAGAIN);
    file_unref(file);
    cr_assert_eq(file_lock(machine, ".lock", &file), 0);
    file_unref(file);
    file = open_new(machine, "e/f");
    put(file, "kept open", 0);
    cr_assert_eq(path_unlink(machine, "e/f"), 0);
    char text[10] = {0};
    cr_assert_eq(file_read_at(file, text, 9, 0), 9);
    cr_assert_str_eq(text, "kept open");
    file_unref(file);
    sim_free(test.sim);
}

/* ---- The network, and determinism ------------------------------------------------------------ */

/* A client that sends numbers to an echoing server, one after the other, and dials again. */
struct talk {
    struct sim *sim;
    struct machine *server;
    struct machine *client;
    struct listener *listener;
    struct conn *conn;
    struct timer redial;
    int server_open;
    int server_closed;
    int client_closed;
    int answers;
    int answers_wanted;
    bool done;
    bool hold;
    struct exchange *held;
    char reason[64];
};

static void server_open(struct conn *conn, void *ctx) {
    struct talk *talk = ctx;
    talk->server_open++;
    cr_assert_str_eq(conn_peer_host(conn), "client");
}

static void server_frame(struct conn *conn, struct exchange *exchange, struct frame *frame,
                         void *ctx) {
    struct talk *talk = ctx;
    shard_assert_current(conn_shard(conn));
    if (talk->hold) {
        talk->held = exchange;
        frame_unref(frame);
        return;
    }
    struct reply *reply = reply_new();
    reply_add_frame(reply, frame, frame->data, frame->len);
    exchange_reply(exchange, reply);
}

static void server_close(struct conn *conn, const char *reason, void *ctx) {
    ((struct talk *)ctx)->server_closed++;
}

static void ask(struct talk *talk) {
    struct reply *request = reply_new();
    reply_add_heap(request, xstrdup("question"), 8);
    conn_send(talk->conn, request);
}

static void client_connect(struct conn *conn, void *ctx) {
    ask(ctx);
}

static void client_frame(struct conn *conn, struct frame *frame, void *ctx) {
    struct talk *talk = ctx;
    cr_assert_eq(frame->len, 8);
    frame_unref(frame);
    talk->answers++;
    talk->done = talk->answers >= talk->answers_wanted;
    ask(talk);
}

static void client_close(struct conn *conn, const char *reason, void *ctx) {
    struct talk *talk = ctx;
    talk->client_closed++;
    snprintf(talk->reason, sizeof(talk->reason), "%s", reason);
    talk->conn = NULL;
    timer_start(&talk->redial, 100);
}

static void dial(struct timer *timer) {
    struct talk *talk = CONTAINER_OF(timer, struct talk, redial);
    const struct dialer_options options = {
        .host = "server", .port = 9092, .frame_max = 1000, .connect_timeout_ms = 1000};
    const struct dialer_handler handler = {client_connect, client_frame, client_close};
    talk->conn = conn_dial(machine_shard(talk->client, 0), &options, &handler, talk);
}

static void serve(void *ctx) {
    struct talk *talk = ctx;
    const struct listener_options options = {
        .port = 9092, .frame_max = 1000, .output_max = 1000, .exchanges_max = 3, .idle_max_ms = -1};
    const struct listener_handler handler = {server_open, server_frame, server_close};
    struct errmsg errmsg;
    struct listener *other = NULL;
    cr_assert_eq(listener_open(talk->server, &options, &handler, talk, &talk->listener, &errmsg),
                 0);
    cr_assert_eq(listener_open(talk->server, &options, &handler, talk, &other, &errmsg),
                 -EADDRINUSE);
}

static void start_client(void *ctx) {
    struct talk *talk = ctx;
    timer_init(&talk->redial, machine_shard(talk->client, 0), dial);
    timer_start(&talk->redial, 0);
}

static void talk_start(struct talk *talk, uint64_t seed) {
    *talk = (struct talk){.answers_wanted = 100};
    struct sim_options options = perfect(seed);
    talk->sim = sim_new(&options);
    talk->server = sim_machine_new(talk->sim, "server", 2);
    talk->client = sim_machine_new(talk->sim, "client", 1);
    sim_call(talk->sim, machine_shard(talk->server, 0), serve, talk);
    sim_call(talk->sim, machine_shard(talk->client, 0), start_client, talk);
}

static void talk_until(struct talk *talk, int answers) {
    talk->answers_wanted = answers;
    talk->done = false;
    cr_assert(sim_run(talk->sim, 100 * 1000, &talk->done), "only %d answers; %s", talk->answers,
              talk->reason);
}

static uint64_t talk_hash(uint64_t seed) {
    struct talk talk;
    talk_start(&talk, seed);
    talk_until(&talk, 500);
    uint64_t hash = sim_history_hash(talk.sim);
    sim_free(talk.sim);
    return hash;
}

Test(world, a_seed_decides_the_history) {
    uint64_t first = talk_hash(7);
    cr_assert_eq(first, talk_hash(7));
    cr_assert_neq(first, talk_hash(8));
}

Test(world, a_server_that_dies_breaks_its_connections_and_serves_again_after_a_restart) {
    struct talk talk;
    talk_start(&talk, 1);
    talk_until(&talk, 10);
    sim_crash_after(talk.server, 0, SIM_CRASH_PROCESS);
    sim_run(talk.sim, 1000, NULL);
    cr_assert_geq(talk.client_closed, 2); /* reset, then refused */
    cr_assert_str_eq(talk.reason, "connect: Connection refused");
    cr_assert_eq(talk.server_closed, 0);
    sim_machine_restart(talk.server);
    sim_call(talk.sim, machine_shard(talk.server, 0), serve, &talk);
    talk_until(&talk, talk.answers + 10);
    sim_free(talk.sim);
}

Test(world, a_partition_stalls_and_heals_without_loss) {
    struct talk talk;
    talk_start(&talk, 1);
    talk_until(&talk, 10);
    sim_partition(talk.server, talk.client, true);
    int before = talk.answers;
    sim_run(talk.sim, 20 * 1000, NULL);
    cr_assert_eq(talk.answers, before);
    sim_partition(talk.server, talk.client, false);
    talk_until(&talk, before + 10);
    cr_assert_eq(talk.client_closed, 0);
    sim_run(talk.sim, 40 * 1000, NULL);
    cr_assert_eq(talk.client_closed, 0);
    sim_free(talk.sim);
}

Test(world, a_partition_of_more_than_thirty_seconds_breaks_both_ends) {
    struct talk talk;
    talk_start(&talk, 1);
    talk_until(&talk, 10);
    sim_partition(talk.server, talk.client, true);
    sim_run(talk.sim, 31 * 1000, NULL);
    cr_assert_geq(talk.client_closed, 1);
    cr_assert_eq(talk.server_closed, 1);
    sim_partition(talk.server, talk.client, false);
    talk_until(&talk, talk.answers + 10);
    sim_free(talk.sim);
}

static bool listener_gone;

static void on_gone(void *ctx) {
    listener_gone = true;
}

static void end_service(void *ctx) {
    listener_close(((struct talk *)ctx)->listener, on_gone, NULL);
}

static void end_held(void *ctx) {
    struct talk *talk = ctx;
    cr_assert_null(exchange_conn(talk->held));
    exchange_done(talk->held);
}

Test(world, closing_a_listener_closes_its_connections_and_open_exchanges_may_still_end) {
    struct talk talk;
    talk_start(&talk, 1);
    talk_until(&talk, 10);
    talk.hold = true;
    sim_run(talk.sim, 100, NULL);
    cr_assert_not_null(talk.held);
    sim_call(talk.sim, machine_shard(talk.server, 0), end_service, &talk);
    cr_assert(sim_run(talk.sim, 1000, &listener_gone));
    cr_assert_eq(talk.server_closed, talk.server_open);
    sim_call(talk.sim, machine_shard(talk.server, 0), end_held, &talk);
    sim_run(talk.sim, 1000, NULL);
    sim_free(talk.sim);
}

static void on_signal(void *ctx, int signum) {
    *(int *)ctx = signum;
}

Test(world, signals_reach_the_handler_and_a_stopped_machine_runs_no_more) {
    struct disk_test test = disk_test(1);
    int seen = 0;
    machine_on_signal(test.machine, on_signal, &seen);
    sim_signal(test.machine, 15);
    cr_assert(sim_step(test.sim));
    cr_assert_eq(seen, 15);
    machine_stop(test.machine);
    sim_signal(test.machine, 1);
    cr_assert(!sim_step(test.sim));
    cr_assert_eq(seen, 15);
    sim_free(test.sim);
}
