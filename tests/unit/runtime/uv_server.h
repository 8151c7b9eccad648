/*
 * A server over real loopback sockets, for tests: the machine runs on a thread of its own, the test
 * is a client with blocking sockets. What a request asks for is its first byte:
 *
 *     e echo   h hold until 'r' (then answered youngest first)   n no answer   f a range of the
 * file c close the connection   b a big answer   p pause for good   S stop the loop: wait twice at
 * `busy`   U how much the first connection has unsent   N how many frames were seen
 */
#ifndef TESTS_UNIT_RUNTIME_UV_SERVER_H
#define TESTS_UNIT_RUNTIME_UV_SERVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/errmsg.h"
#include "runtime/file.h"
#include "runtime/machine.h"
#include "runtime/net.h"

#define FILE_LEN (3 * 1024 * 1024 + 77)
#define BIG_LEN  (8 * 1024 * 1024)
#define HELD_MAX 8

struct uv_server {
    int shard_count; /* of uv_server_setup(), as the options: for a test to change before serve() */
    struct listener_options options;
    struct machine *machine;
    struct listener *listener;
    struct file *file;
    struct errmsg errmsg;
    int open_result;
    pthread_t thread;
    pthread_barrier_t ready; /* the listener is open, or closed */
    pthread_barrier_t busy;  /* two waits: the loop is stopped, and goes on */
    atomic_int frames_seen;
    atomic_int drained;
    atomic_int opened;
    atomic_int closed;
    pthread_mutex_t reason_lock;
    char reason_seen[128]; /* of the last close; under reason_lock */
    struct exchange *held[HELD_MAX];
    int held_count;
    struct conn *other_conn; /* the first one */
};

extern struct uv_server server;
extern const struct listener_handler UV_SERVER_HANDLER;

/* Around each test. */
void uv_server_setup(void);
void uv_server_teardown(void);

void serve(void);

/* Returns when it is closed. */
void close_listener(void);

/* What stands in the file at `pos`. */
uint8_t file_byte(size_t pos);

int dial(void);
void dial_with(int fd);
void send_all(int fd, const void *data, size_t len);
void send_frame(int fd, const void *data, size_t len);
void send_text(int fd, const char *text);
void send_length(int fd, uint32_t len);
void recv_all(int fd, void *data, size_t len);
uint8_t *recv_frame(int fd, size_t *len); /* the next one, as a heap block */
void expect_text(int fd, const char *text);
void expect_closed(int fd);
void expect_reason(const char *part);

#endif
