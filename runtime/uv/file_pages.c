/* The system's answers to where the bytes of a file are. */
#include "runtime/uv/file_pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "runtime/uv/file_fd.h"

#define PAGE_SIZE_MIN 4096

#ifndef SYS_cachestat
#define SYS_cachestat 451 /* of Linux 6.5 on all architectures; older headers do not have it */
#endif

/* As the kernel has them. */
struct asked_range {
    uint64_t off;
    uint64_t len;
};

struct page_counts {
    uint64_t cached;
    uint64_t dirty;
    uint64_t writeback;
    uint64_t evicted;
    uint64_t recently_evicted;
};

/* Whether a page is there and has been read. */
static bool byte_is_cached(int fd, int64_t pos) {
    uint8_t byte;
    struct iovec into = {.iov_base = &byte, .iov_len = 1};
    return preadv2(fd, &into, 1, pos, RWF_NOWAIT) == 1;
}

/* How many of the pages [begin, end) from the first on have been read, in bytes. The mapping cannot
 * be touched, so that no error of the disk becomes a signal. */
static size_t count_pages(int fd, int64_t begin, size_t len, int64_t page) {
    unsigned char there[FILE_PAGES_ASKED_MAX / PAGE_SIZE_MIN];
    void *at = mmap(NULL, len, PROT_NONE, MAP_SHARED, fd, begin);
    if (at == MAP_FAILED) {
        return 0;
    }
    size_t cached = 0;
    if (mincore(at, len, there) == 0) {
        for (size_t i = 0; cached < len && (there[i] & 1) != 0; i++) {
            cached += (size_t)page;
        }
    }
    munmap(at, len);
    return cached;
}

/*
 * The usual case is that all is there. cachestat() counts the pages, also those that are still
 * being read: these are told by the last one, as reads go forward. Where it is not, or not all is
 * there, mincore() tells each page, at many times the cost.
 */
size_t file_cached_len(const struct file *file, int64_t pos, size_t len) {
    int fd = file_fd(file);
    int64_t page = sysconf(_SC_PAGESIZE);
    int64_t begin = pos - pos % page;
    size_t skip = (size_t)(pos - begin);
    len = len < FILE_PAGES_ASKED_MAX - skip ? len : FILE_PAGES_ASKED_MAX - skip;
    struct asked_range range = {.off = (uint64_t)begin, .len = skip + len};
    struct page_counts counts = {0};
    if (syscall(SYS_cachestat, fd, &range, &counts, 0) == 0) {
        if (counts.cached == 0) {
            return 0;
        }
        if (counts.cached * (uint64_t)page >= skip + len &&
            byte_is_cached(fd, pos + (int64_t)len - 1)) {
            return len;
        }
    }
    size_t cached = count_pages(fd, begin, skip + len, page);
    return cached <= skip ? 0 : cached - skip < len ? cached - skip : len;
}

int64_t file_warm(const struct file *file, int64_t pos, size_t len) {
    int sink = open("/dev/null", O_WRONLY | O_CLOEXEC);
    int64_t done = 0;
    int err = sink < 0 ? -errno : 0;
    while (err == 0 && done < (int64_t)len) {
        off_t at = pos + done;
        ssize_t passed = sendfile(sink, file_fd(file), &at, len - (size_t)done);
        if (passed == 0) {
            break;
        }
        err = passed < 0 && errno != EINTR ? -errno : 0;
        done += passed > 0 ? passed : 0;
    }
    if (sink >= 0) {
        close(sink);
    }
    return done > 0 ? done : err;
}
