/* kafka-dump-log: .index, .timeindex, .txnindex and .snapshot files */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/memory.h"
#include "tools/kafka/dump_log.h"

#define INDEX_ENTRY    8
#define TIME_ENTRY     12
#define TXN_ENTRY      34
#define PRODUCER_ENTRY 46
#define PRODUCER_HEAD  10
#define SNAPSHOT_MAX   ((int64_t)64 << 20)
#define BATCH_MAX      ((size_t)128 << 20)

/* Opens a file beside this one; -1 after a message. */
static int open_beside(const struct dump *dump, const char *suffix) {
    size_t stem = (size_t)(strrchr(dump->path, '.') - dump->path);
    const char *path = arena_printf(&dump->call->arena, "%.*s%s", (int)stem, dump->path, suffix);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        fflush(stdout);
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
    }
    return fd;
}

/* ---- .index ---------------------------------------------------------------------------------- */

struct mismatch {
    int64_t index, log; /* offsets */
};

/* The last offset of the batch at a position; -1 after a message. */
static int64_t offset_at(struct dump *dump, int log, uint32_t position, struct buffer *bytes) {
    struct batch batch;
    int64_t end = position + dump->max_message_size;
    enum dump_read read = dump_read_batch(dump, log, position, end, bytes, &batch);
    if (read == DUMP_END) {
        fflush(stdout);
        fprintf(stderr,
                "%s: the batch at position %" PRIu32 " is not there, or larger than "
                "--max-message-size\n",
                dump->path, position);
    }
    return read == DUMP_BATCH ? batch_last_offset(&batch) : -1;
}

static bool walk_index(struct dump *dump, int fd, int log, struct buffer *bytes) {
    uint8_t entry[INDEX_ENTRY];
    int64_t base = dump_base_offset(dump->path), size = lseek(fd, 0, SEEK_END);
    struct mismatch *found =
        arena_array(&dump->call->arena, (size_t)(size / INDEX_ENTRY), sizeof(*found));
    size_t count = 0;
    for (int64_t pos = 0;
         pos < size / INDEX_ENTRY * INDEX_ENTRY && dump_read_at(fd, pos, entry, sizeof(entry));
         pos += INDEX_ENTRY) {
        int64_t offset = base + load_be32(entry);
        if (offset == base && pos > 0) {
            break; /* the rest was only allocated */
        }
        int64_t in_log = offset_at(dump, log, load_be32(entry + 4), bytes);
        if (in_log < 0) {
            return false;
        }
        if (in_log != offset) {
            found[count++] = (struct mismatch){offset, in_log};
        }
        if (!dump->verify_only) {
            printf("offset: %" PRId64 " position: %" PRIu32 "\n", offset, load_be32(entry + 4));
        }
    }
    while (count-- > 0) { /* Kafka's tool tells the last one first */
        dump_found(dump, DUMP_INDEX_MISMATCH, "  Index offset: %" PRId64 ", log offset: %" PRId64,
                   found[count].index, found[count].log);
    }
    return true;
}

int dump_index(struct dump *dump, int fd) {
    int log = open_beside(dump, ".log");
    if (log < 0) {
        return EXIT_FAILED;
    }
    struct buffer bytes;
    buffer_init(&bytes, BATCH_MAX);
    bool good = true;
    if (lseek(fd, 0, SEEK_END) < INDEX_ENTRY) {
        printf("%s is empty.\n", dump->path);
    } else if (dump->index_sanity_only) {
        printf("%s passed sanity check.\n", dump->path);
    } else {
        good = walk_index(dump, fd, log, &bytes);
    }
    buffer_release(&bytes);
    close(log);
    return good ? 0 : EXIT_FAILED;
}

/* ---- .timeindex ------------------------------------------------------------------------------ */

struct time_walk {
    struct dump *dump;
    int index; /* -1: none */
    int log;
    int64_t base;
    struct buffer bytes;
    int64_t previous; /* timestamp */

    /* The look-up before: entries of both indexes ascend, and so it goes on from there. */
    int64_t asked; /* offset */
    int64_t next;  /* in the index file: the first entry behind it */
    uint32_t position;
};

/* Where the log is to be read for an offset: the last entry of the index that is not behind it. */
static uint32_t look_up(struct time_walk *walk, int64_t offset) {
    uint8_t entry[INDEX_ENTRY];
    if (offset < walk->asked) {
        walk->next = 0;
        walk->position = 0;
    }
    walk->asked = offset;
    for (; dump_read_at(walk->index, walk->next, entry, sizeof(entry)); walk->next += INDEX_ENTRY) {
        int64_t at = walk->base + load_be32(entry);
        if (at > offset || (at == walk->base && walk->next > 0)) {
            break;
        }
        walk->position = load_be32(entry + 4);
    }
    return walk->position;
}

/* The newest record of a batch, whatever its header says. */
static int64_t newest_of(const struct time_walk *walk, const struct batch *batch) {
    struct record_iterator *it = record_iterator_new(buffer_slice(&walk->bytes), batch, BATCH_MAX);
    struct record record;
    int64_t newest = -1;
    while (it != NULL && record_iterator_next(it, &record) > 0) {
        newest = record.timestamp > newest ? record.timestamp : newest;
    }
    record_iterator_free(it);
    return newest;
}

static void check_time(struct time_walk *walk, int64_t time, int64_t offset) {
    struct batch batch;
    int64_t pos = look_up(walk, offset);
    bool found = false;
    while (!found && dump_read_batch(walk->dump, walk->log, pos, INT64_MAX, &walk->bytes, &batch) ==
                         DUMP_BATCH) {
        found = batch_last_offset(&batch) >= offset;
        pos += (int64_t)batch_size(&batch);
    }
    if (!found || batch_last_offset(&batch) != offset) {
        dump_found(walk->dump, DUMP_TIME_NOT_FOUND,
                   "Indexed offset: %" PRId64 ", found log offset: %" PRId64, offset,
                   found ? batch_last_offset(&batch) : -1);
        return;
    }
    int64_t newest = newest_of(walk, &batch);
    if (newest != time) {
        dump_found(walk->dump, DUMP_TIME_MISMATCH,
                   "  Index timestamp: %" PRId64 ", log timestamp: %" PRId64, time, newest);
    }
    if (walk->previous >= time) {
        dump_found(walk->dump, DUMP_TIME_ORDER,
                   "  Index timestamp: %" PRId64 ", Previously indexed timestamp: %" PRId64, time,
                   walk->previous);
    }
}

int dump_time_index(struct dump *dump, int fd) {
    uint8_t entry[TIME_ENTRY];
    if (dump->index_sanity_only) {
        printf("%s passed sanity check.\n", dump->path);
        return 0;
    }
    struct time_walk walk = {.dump = dump, .base = dump_base_offset(dump->path), .previous = -1};
    walk.log = open_beside(dump, ".log");
    walk.index = walk.log < 0 ? -1 : open_beside(dump, ".index");
    buffer_init(&walk.bytes, BATCH_MAX);
    for (int64_t pos = 0; walk.index >= 0 && dump_read_at(fd, pos, entry, sizeof(entry));
         pos += TIME_ENTRY) {
        int64_t time = (int64_t)load_be64(entry), offset = walk.base + load_be32(entry + 8);
        if (offset == walk.base && pos > 0) {
            break; /* the rest was only allocated */
        }
        check_time(&walk, time, offset);
        if (!dump->verify_only) {
            printf("timestamp: %" PRId64 " offset: %" PRId64 "\n", time, offset);
        }
        walk.previous = time;
    }
    buffer_release(&walk.bytes);
    if (walk.log >= 0) {
        close(walk.log);
    }
    if (walk.index < 0) {
        return EXIT_FAILED;
    }
    close(walk.index);
    return 0;
}

/* ---- Transactions and producers -------------------------------------------------------------- */

int dump_txn_index(struct dump *dump, int fd) {
    uint8_t entry[TXN_ENTRY];
    for (int64_t pos = 0; dump_read_at(fd, pos, entry, sizeof(entry)); pos += TXN_ENTRY) {
        printf("version: %d producerId: %" PRId64 " firstOffset: %" PRId64 " lastOffset: %" PRId64
               " lastStableOffset: %" PRId64 "\n",
               (int16_t)load_be16(entry), (int64_t)load_be64(entry + 2),
               (int64_t)load_be64(entry + 10), (int64_t)load_be64(entry + 18),
               (int64_t)load_be64(entry + 26));
    }
    return 0;
}

static void print_producer(const uint8_t *entry) {
    int32_t last = (int32_t)load_be32(entry + 10), delta = (int32_t)load_be32(entry + 22);
    int64_t offset = (int64_t)load_be64(entry + 14), time = (int64_t)load_be64(entry + 26);
    int64_t first_of_txn = (int64_t)load_be64(entry + 38);
    printf("producerId: %" PRId64 " producerEpoch: %d coordinatorEpoch: %d currentTxnFirstOffset: ",
           (int64_t)load_be64(entry), (int16_t)load_be16(entry + 8),
           (int32_t)load_be32(entry + 34));
    if (first_of_txn >= 0) {
        printf("OptionalLong[%" PRId64 "]", first_of_txn);
    } else {
        fputs("OptionalLong.empty", stdout);
    }
    printf(" lastTimestamp: %" PRId64, time);
    if (offset >= 0) { /* else it has written nothing that is left */
        int64_t first = (int64_t)last - delta;
        first += first < 0 && last >= 0 ? (int64_t)INT32_MAX + 1 : 0; /* sequences wrap */
        printf(" firstSequence: %" PRId64 " lastSequence: %d lastOffset: %" PRId64
               " offsetDelta: %d timestamp: %" PRId64,
               first, last, offset, delta, time);
    }
    putchar('\n');
}

/* What is wrong with a snapshot of producers: an int16 version, the CRC-32C of what comes behind
 * it, the number of producers, and these. NULL for nothing. */
static const char *snapshot_error(struct dump *dump, const uint8_t *file, int64_t size) {
    if (file == NULL || size < 2) {
        return "Snapshot failed schema validation: null";
    }
    if (load_be16(file) != 1) {
        return arena_printf(&dump->call->arena,
                            "Snapshot failed schema validation: Snapshot contained an unknown file "
                            "version %d",
                            (int16_t)load_be16(file));
    }
    if (size < PRODUCER_HEAD ||
        load_be32(file + 6) > (uint64_t)(size - PRODUCER_HEAD) / PRODUCER_ENTRY) {
        return "Snapshot failed schema validation: null";
    }
    uint32_t stored = load_be32(file + 2), computed = crc32c(file + 6, (size_t)size - 6);
    return stored == computed
               ? NULL
               : arena_printf(&dump->call->arena,
                              "Snapshot is corrupt (CRC is no longer valid). Stored crc: %" PRIu32
                              ". Computed crc: %" PRIu32,
                              stored, computed);
}

int dump_producers(struct dump *dump, int fd) {
    int64_t size = lseek(fd, 0, SEEK_END);
    uint8_t *file = size >= 0 && size <= SNAPSHOT_MAX
                        ? arena_alloc(&dump->call->arena, (size_t)size + 1)
                        : NULL;
    if (file != NULL && !dump_read_at(fd, 0, file, (size_t)size)) {
        file = NULL;
    }
    const char *wrong = snapshot_error(dump, file, size);
    if (wrong != NULL) {
        fflush(stdout);
        fprintf(stderr, "%s\n", wrong);
        return 0;
    }
    uint32_t count = load_be32(file + 6);
    for (uint32_t i = 0; i < count; i++) {
        print_producer(file + PRODUCER_HEAD + (size_t)i * PRODUCER_ENTRY);
    }
    return 0;
}
