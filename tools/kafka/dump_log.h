/* What the parts of kafka-dump-log share. */
#ifndef TOOLS_KAFKA_DUMP_LOG_H
#define TOOLS_KAFKA_DUMP_LOG_H

#include "tools/internal_record.h"
#include "tools/kafka/kafka.h"

enum dump_decoder {
    DUMP_PLAIN, /* key_class and value_class say how */
    DUMP_OFFSETS,
    DUMP_TRANSACTIONS,
    DUMP_SHARE,
    DUMP_METADATA,
};

/* Kafka's decoders of plain keys and values. */
enum dump_class { DUMP_STRING, DUMP_INTEGER, DUMP_LONG };

/* Lines that stderr gets when all files were dumped. */
enum dump_finding {
    DUMP_INDEX_MISMATCH,
    DUMP_TIME_MISMATCH,
    DUMP_TIME_ORDER,
    DUMP_TIME_NOT_FOUND,
    DUMP_GAP,
    DUMP_FINDINGS,
};

struct dump {
    struct kafka_call *call;
    const char *path;
    bool records;  /* looked at one by one */
    bool contents; /* with keys and values */
    bool skip_metadata;
    bool index_sanity_only;
    bool verify_only;
    int64_t max_bytes;
    int64_t max_message_size;
    enum dump_decoder decoder;
    enum dump_class key_class, value_class;
    struct buffer findings[DUMP_FINDINGS];
    const char *found_in[DUMP_FINDINGS]; /* the file that was named last */
    struct arena arena;                  /* for one record */
    struct buffer text;
};

/* ---- dump_log.c ------------------------------------------------------------------------------ */

/* Reads `len` bytes at a position; false when there are fewer. */
bool dump_read_at(int fd, int64_t pos, void *out, size_t len);

enum dump_read { DUMP_BATCH, DUMP_END, DUMP_CORRUPT };

/* The batch at a position, its bytes in `buffer`. DUMP_END also where it is not whole, or goes
 * beyond `end`; DUMP_CORRUPT after a message on stderr. */
enum dump_read dump_read_batch(const struct dump *dump, int fd, int64_t pos, int64_t end,
                               struct buffer *buffer, struct batch *batch);

/* The number that the file's name begins with. */
int64_t dump_base_offset(const char *path);

/* Keeps a line for the end, under a title with the name of this file. */
void dump_found(struct dump *dump, enum dump_finding kind, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* ---- dump_log_decoder.c ---------------------------------------------------------------------- */

/* " endTxnMarker: COMMIT coordinatorEpoch: 0" and the like. */
void dump_control(struct dump *dump, const struct record *record);

/* "key: ... payload: ..." behind `prefix`; false after a message when dumping cannot go on. */
bool dump_contents(struct dump *dump, const struct record *record, const char *prefix);

/* ---- dump_log_index.c: the exit code --------------------------------------------------------- */

int dump_index(struct dump *dump, int fd);
int dump_time_index(struct dump *dump, int fd);
int dump_txn_index(struct dump *dump, int fd);
int dump_producers(struct dump *dump, int fd);

#endif
