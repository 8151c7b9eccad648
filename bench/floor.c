/*
 * The physical floor of a broker: what it costs to take frames off sockets, append them to a file,
 * answer, and send the file's bytes to whoever asks; and nothing else. No protocol is decoded, no
 * checksum computed, nothing is remembered but the file.
 *
 *     floor FILE        listens on a free port of 127.0.0.1 and prints its number
 *
 * One thread, one epoll. `barnabasctl bench --raw` speaks its dialect (tools/bench/payload.h): a
 * length, a key, two bytes, a correlation id, and behind them a batch (key 0), or a position and
 * how many bytes at most (key 1). A batch is answered with as many bytes as Kafka's answer has; a
 * request for bytes waits until there are some.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_MAX   256
#define HEADER       12 /* length, key, partition, correlation id */
#define ANSWER       64 /* about that of a Produce response, with the length */
#define FETCH_HEADER 8  /* length, correlation id */
#define IN_FIRST     ((size_t)8192)
#define FRAME_MAX    ((size_t)256 << 20)
#define KEY_PRODUCE  0
#define KEY_FETCH    1

struct conn {
    int fd;
    bool writing; /* epoll tells when there is room */
    bool waiting; /* for bytes of the file */
    struct conn *next_waiting;
    uint64_t position; /* of the file, asked for */
    uint32_t bytes_max;
    uint32_t correlation_id;
    uint8_t *in;
    size_t in_len, in_cap;
    uint8_t *out;
    size_t out_pos, out_len, out_cap;
};

static struct {
    int epoll;
    int listener;
    const char *path;
    int files[UINT16_MAX + 1]; /* by partition; 0: not open yet */
    uint64_t size;             /* of partition 0 */
    struct conn *waiting;
} state;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void *grow(void *data, size_t size) {
    data = realloc(data, size);
    if (data == NULL) {
        die("realloc");
    }
    return data;
}

static uint32_t load32(const uint8_t *p) {
    uint32_t v;
    memcpy(&v, p, 4);
    return be32toh(v);
}

static uint64_t load64(const uint8_t *p) {
    uint64_t v;
    memcpy(&v, p, 8);
    return be64toh(v);
}

static void store32(uint8_t *p, uint32_t v) {
    v = htobe32(v);
    memcpy(p, &v, 4);
}

/* ---- Connections ----------------------------------------------------------------------------- */

static void close_conn(struct conn *conn) {
    struct conn **link = &state.waiting;
    while (*link != NULL && *link != conn) {
        link = &(*link)->next_waiting;
    }
    if (*link != NULL) {
        *link = conn->next_waiting;
    }
    close(conn->fd);
    free(conn->in);
    free(conn->out);
    free(conn);
}

static uint8_t *put(struct conn *conn, size_t len) {
    if (conn->out_pos == conn->out_len) {
        conn->out_pos = 0;
        conn->out_len = 0;
    }
    if (conn->out_cap - conn->out_len < len) {
        conn->out_cap = conn->out_len + len;
        conn->out = grow(conn->out, conn->out_cap);
    }
    conn->out_len += len;
    return conn->out + conn->out_len - len;
}

/* False when the connection is gone. */
static bool flush(struct conn *conn) {
    while (conn->out_pos < conn->out_len) {
        ssize_t sent =
            send(conn->fd, conn->out + conn->out_pos, conn->out_len - conn->out_pos, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            break;
        }
        if (sent < 0) {
            return false;
        }
        conn->out_pos += (size_t)sent;
    }
    bool writing = conn->out_pos < conn->out_len;
    if (writing != conn->writing) {
        conn->writing = writing;
        struct epoll_event event = {.events = EPOLLIN | (writing ? EPOLLOUT : 0), .data.ptr = conn};
        epoll_ctl(state.epoll, EPOLL_CTL_MOD, conn->fd, &event);
    }
    return true;
}

/* ---- Requests -------------------------------------------------------------------------------- */

static void answer_produce(struct conn *conn, uint32_t correlation_id) {
    uint8_t *out = put(conn, ANSWER);
    memset(out, 0, ANSWER);
    store32(out, ANSWER - 4);
    store32(out + 4, correlation_id);
}

static int file_of(unsigned partition) {
    if (state.files[partition] == 0) {
        char path[4096];
        if (partition == 0) {
            snprintf(path, sizeof(path), "%s", state.path);
        } else {
            snprintf(path, sizeof(path), "%s.%u", state.path, partition);
        }
        int flags = O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC;
        state.files[partition] = open(path, flags, 0644);
        if (state.files[partition] < 0) {
            die(path);
        }
    }
    return state.files[partition];
}

static void append(unsigned partition, const uint8_t *data, size_t len) {
    int file = file_of(partition);
    while (len > 0) {
        ssize_t written = write(file, data, len);
        if (written < 0) {
            die("write");
        }
        state.size += partition == 0 ? (uint64_t)written : 0;
        data += written;
        len -= (size_t)written;
    }
}

/* Whole batches are not its business: the client takes what is whole and asks for the rest again.
 */
static void answer_fetch(struct conn *conn) {
    uint64_t left = state.size - conn->position;
    size_t len = left < conn->bytes_max ? (size_t)left : conn->bytes_max;
    uint8_t *out = put(conn, FETCH_HEADER + len);
    if (pread(file_of(0), out + FETCH_HEADER, len, (off_t)conn->position) != (ssize_t)len) {
        die("pread");
    }
    store32(out, (uint32_t)(4 + len));
    store32(out + 4, conn->correlation_id);
}

static void fetch(struct conn *conn, const uint8_t *frame) {
    conn->position = load64(frame + HEADER);
    conn->bytes_max = load32(frame + HEADER + 8);
    conn->correlation_id = load32(frame + 8);
    if (conn->position < state.size) {
        answer_fetch(conn);
    } else {
        conn->waiting = true;
        conn->next_waiting = state.waiting;
        state.waiting = conn;
    }
}

static void serve_waiting(void) {
    struct conn **link = &state.waiting;
    while (*link != NULL) {
        struct conn *conn = *link;
        if (conn->position >= state.size) {
            link = &conn->next_waiting;
            continue;
        }
        *link = conn->next_waiting;
        conn->waiting = false;
        answer_fetch(conn);
        (void)flush(conn); /* a broken one is noticed when it is read */
    }
}

/* Takes all whole frames; false for what it does not understand. */
static bool take_frames(struct conn *conn) {
    size_t pos = 0;
    while (conn->in_len - pos >= HEADER) {
        const uint8_t *frame = conn->in + pos;
        size_t size = (size_t)load32(frame) + 4;
        if (size < HEADER || size > FRAME_MAX) {
            return false;
        }
        if (conn->in_len - pos < size) {
            if (conn->in_cap < size) {
                conn->in_cap = size + IN_FIRST;
                conn->in = grow(conn->in, conn->in_cap);
            }
            break;
        }
        unsigned key = (unsigned)frame[4] << 8 | frame[5];
        if (key == KEY_PRODUCE) {
            append((unsigned)frame[6] << 8 | frame[7], frame + HEADER, size - HEADER);
            answer_produce(conn, load32(frame + 8));
        } else if (key == KEY_FETCH && size == HEADER + 12 && !conn->waiting) {
            fetch(conn, frame);
        } else {
            return false;
        }
        pos += size;
    }
    memmove(conn->in, conn->in + pos, conn->in_len - pos);
    conn->in_len -= pos;
    return true;
}

static bool receive(struct conn *conn) {
    ssize_t got = recv(conn->fd, conn->in + conn->in_len, conn->in_cap - conn->in_len, 0);
    if (got < 0 && errno == EAGAIN) {
        return true;
    }
    if (got <= 0) {
        return false;
    }
    conn->in_len += (size_t)got;
    if (conn->in_len == conn->in_cap) {
        conn->in_cap *= 2;
        conn->in = grow(conn->in, conn->in_cap);
    }
    return take_frames(conn) && flush(conn);
}

static void accept_all(void) {
    int fd;
    while ((fd = accept4(state.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        struct conn *conn = calloc(1, sizeof(*conn));
        if (conn == NULL) {
            die("calloc");
        }
        conn->fd = fd;
        conn->in_cap = IN_FIRST;
        conn->in = grow(NULL, IN_FIRST);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};
        epoll_ctl(state.epoll, EPOLL_CTL_ADD, fd, &event);
    }
}

/* ---- The program ----------------------------------------------------------------------------- */

static void listen_somewhere(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    state.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (state.listener < 0 || bind(state.listener, (struct sockaddr *)&address, len) != 0 ||
        listen(state.listener, 4096) != 0 ||
        getsockname(state.listener, (struct sockaddr *)&address, &len) != 0) {
        die("listen");
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(state.epoll, EPOLL_CTL_ADD, state.listener, &event);
    printf("%u\n", ntohs(address.sin_port));
    fflush(stdout);
}

static void serve(const struct epoll_event *event) {
    struct conn *conn = event->data.ptr;
    if (conn == NULL) {
        accept_all();
        return;
    }
    bool alive = (event->events & EPOLLOUT) == 0 || flush(conn);
    if (alive && (event->events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
        alive = receive(conn);
    }
    if (!alive) {
        close_conn(conn);
    }
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fputs("usage: floor FILE\n", stderr);
        return 2;
    }
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    state.path = argv[1];
    (void)file_of(0);
    state.epoll = epoll_create1(EPOLL_CLOEXEC);
    listen_somewhere();
    for (;;) {
        struct epoll_event events[EVENTS_MAX];
        int count = epoll_wait(state.epoll, events, EVENTS_MAX, -1);
        for (int i = 0; i < count; i++) {
            serve(&events[i]);
        }
        serve_waiting();
    }
}
