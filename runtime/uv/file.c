/* Files and directories of the real machine (runtime/file.h): the system calls, with EINTR and
 * short counts taken care of. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/memory.h"
#include "runtime/file.h"
#include "runtime/name_list.h"
#include "runtime/uv/file_fd.h"
#include "runtime/uv/internal.h"

#define WRITE_PARTS_MAX 64

struct file {
    atomic_int refs;
    int fd;
};

int file_fd(const struct file *file) {
    return file->fd;
}

static struct file *file_new(int fd) {
    struct file *file = NEW(struct file);
    atomic_init(&file->refs, 1);
    file->fd = fd;
    return file;
}

static int open_fd(const char *path, int flags, mode_t mode) {
    int fd;
    do {
        fd = open(path, flags | O_CLOEXEC, mode);
    } while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

int file_open(struct machine *machine, const char *path, unsigned flags, struct file **out) {
    ASSERT(((flags & FILE_READ) != 0) != ((flags & FILE_WRITE) != 0));
    ASSERT(IMPLIES((flags & (FILE_CREATE | FILE_TRUNCATE)) != 0, (flags & FILE_WRITE) != 0));
    ASSERT(IMPLIES((flags & FILE_EXCLUSIVE) != 0, (flags & FILE_CREATE) != 0));
    int os_flags = (flags & FILE_WRITE) != 0 ? O_RDWR : O_RDONLY;
    os_flags |= (flags & FILE_CREATE) != 0 ? O_CREAT : 0;
    os_flags |= (flags & FILE_EXCLUSIVE) != 0 ? O_EXCL : 0;
    os_flags |= (flags & FILE_TRUNCATE) != 0 ? O_TRUNC : 0;
    int fd = open_fd(path, os_flags, 0644);
    if (fd < 0) {
        return fd;
    }
    if ((flags & FILE_CREATE) != 0) {
        worker_give_way();
    }
    struct stat stat_buf;
    if (fstat(fd, &stat_buf) == 0 && S_ISDIR(stat_buf.st_mode)) {
        close(fd);
        return -EISDIR;
    }
    *out = file_new(fd);
    return 0;
}

struct file *file_ref(struct file *file) {
    if (file != NULL) {
        int before = atomic_fetch_add_explicit(&file->refs, 1, memory_order_relaxed);
        ASSERT(before > 0);
    }
    return file;
}

void file_unref(struct file *file) {
    if (file == NULL) {
        return;
    }
    int before = atomic_fetch_sub_explicit(&file->refs, 1, memory_order_acq_rel);
    ASSERT(before > 0);
    if (before == 1) {
        /* Nothing unwritten hangs on close: what must be durable was synced. */
        close(file->fd);
        free(file);
    }
}

int file_size(struct file *file, int64_t *out) {
    struct stat stat_buf;
    if (fstat(file->fd, &stat_buf) != 0) {
        return -errno;
    }
    *out = stat_buf.st_size;
    return 0;
}

int file_mtime_ms(struct file *file, int64_t *out) {
    struct stat stat_buf;
    if (fstat(file->fd, &stat_buf) != 0) {
        return -errno;
    }
    *out = (int64_t)stat_buf.st_mtim.tv_sec * 1000 + stat_buf.st_mtim.tv_nsec / 1000000;
    return 0;
}

int64_t file_read_at(struct file *file, void *out, size_t len, int64_t pos) {
    size_t done = 0;
    while (done < len) {
        ssize_t got = pread(file->fd, (uint8_t *)out + done, len - done, pos + (int64_t)done);
        if (got < 0) {
            if (errno == EINTR) {
                continue;
            }
            return -errno;
        }
        if (got == 0) {
            break;
        }
        done += (size_t)got;
    }
    return (int64_t)done;
}

/* Fills iov from parts, starting `skip` bytes into the first; the number of entries. */
static int gather(struct iovec iov[WRITE_PARTS_MAX], const struct slice *parts, int part_count,
                  size_t skip) {
    int count = 0;
    for (int i = 0; i < part_count && count < WRITE_PARTS_MAX; i++) {
        iov[count].iov_base = (void *)(uintptr_t)(parts[i].data + skip);
        iov[count].iov_len = parts[i].len - skip;
        count += parts[i].len > skip;
        skip = 0;
    }
    return count;
}

int file_writev_at(struct file *file, const struct slice *parts, int part_count, int64_t pos) {
    size_t skip = 0; /* of parts[0] */
    for (;;) {
        while (part_count > 0 && skip == parts[0].len) {
            parts++;
            part_count--;
            skip = 0;
        }
        if (part_count == 0) {
            return 0;
        }
        struct iovec iov[WRITE_PARTS_MAX];
        int iov_count = gather(iov, parts, part_count, skip);
        ssize_t wrote = pwritev(file->fd, iov, iov_count, pos);
        if (wrote < 0) {
            if (errno == EINTR) {
                continue;
            }
            return -errno;
        }
        if (wrote == 0) {
            return -EIO;
        }
        pos += wrote;
        for (size_t left = (size_t)wrote; left > 0;) {
            size_t step = parts[0].len - skip < left ? parts[0].len - skip : left;
            skip += step;
            left -= step;
            if (skip == parts[0].len) {
                parts++;
                part_count--;
                skip = 0;
            }
        }
    }
}

int file_truncate(struct file *file, int64_t size) {
    int rc;
    do {
        rc = ftruncate(file->fd, size);
    } while (rc != 0 && errno == EINTR);
    return rc != 0 ? -errno : 0;
}

/* Not repeated after EINTR: a sync that failed for whatever reason has promised nothing. */
int file_sync(struct file *file) {
    return fdatasync(file->fd) != 0 ? -errno : 0;
}

void file_drop_cache(struct file *file, int64_t pos, int64_t len) {
    posix_fadvise(file->fd, pos, len, POSIX_FADV_DONTNEED);
}

/* Of a system call that changes a directory. */
static int result(int rc) {
    int err = rc != 0 ? -errno : 0;
    worker_give_way();
    return err;
}

int path_rename(struct machine *machine, const char *from, const char *to) {
    return result(rename(from, to));
}

int path_unlink(struct machine *machine, const char *path) {
    return result(unlink(path));
}

int path_rmdir(struct machine *machine, const char *path) {
    return result(rmdir(path));
}

int path_mkdir(struct machine *machine, const char *path) {
    return result(mkdir(path, 0755));
}

int path_kind(struct machine *machine, const char *path, enum path_kind *out) {
    struct stat stat_buf;
    if (stat(path, &stat_buf) != 0) {
        if (errno == ENOENT) {
            *out = PATH_MISSING;
            return 0;
        }
        return -errno;
    }
    *out = S_ISREG(stat_buf.st_mode)   ? PATH_FILE
           : S_ISDIR(stat_buf.st_mode) ? PATH_DIRECTORY
                                       : PATH_OTHER;
    return 0;
}

static int sync_directory_once(const char *path) {
    int fd = open_fd(path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) {
        return fd;
    }
    int err = fsync(fd) != 0 ? -errno : 0;
    close(fd);
    return err;
}

/*
 * A descriptor that is given up for a moment when a directory has to be synced and there is none
 * left: a log would fail for want of something that is only needed until this returns. Nothing was
 * synced then, so that trying again is safe, which it is not after a failed fsync().
 */
static struct {
    pthread_mutex_t lock;
    int fd;
} spare = {.lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1};

int directory_sync(struct machine *machine, const char *path) {
    int err = sync_directory_once(path);
    pthread_mutex_lock(&spare.lock);
    if ((err == -EMFILE || err == -ENFILE) && spare.fd >= 0) {
        close(spare.fd);
        spare.fd = -1;
        err = sync_directory_once(path);
    }
    if (spare.fd < 0) {
        spare.fd = open_fd("/dev/null", O_RDONLY, 0);
    }
    pthread_mutex_unlock(&spare.lock);
    return err;
}

int disk_usage(struct machine *machine, const char *path, int64_t *total, int64_t *usable) {
    struct statvfs fs;
    int rc;
    do {
        rc = statvfs(path, &fs);
    } while (rc != 0 && errno == EINTR);
    if (rc != 0) {
        return -errno;
    }
    *total = (int64_t)(fs.f_blocks * fs.f_frsize);
    *usable = (int64_t)(fs.f_bavail * fs.f_frsize);
    return 0;
}

int file_lock(struct machine *machine, const char *path, struct file **out) {
    int fd = open_fd(path, O_RDWR | O_CREAT, 0644);
    if (fd < 0) {
        return fd;
    }
    int rc;
    do {
        rc = flock(fd, LOCK_EX | LOCK_NB);
    } while (rc != 0 && errno == EINTR);
    if (rc != 0) {
        int err = -errno;
        close(fd);
        return err;
    }
    *out = file_new(fd);
    return 0;
}

/* ---- Directory listings ---------------------------------------------------------------------- */

static int read_names(DIR *dir, struct name_list *list) {
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(dir);
        if (entry == NULL) {
            return -errno;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            name_list_add(list, entry->d_name);
        }
    }
}

int directory_list(struct machine *machine, const char *path, char ***names, size_t *count) {
    DIR *dir = opendir(path);
    if (dir == NULL) {
        return -errno;
    }
    struct name_list list = {0};
    int err = read_names(dir, &list);
    closedir(dir);
    if (err == 0) {
        *names = name_list_finish(&list, count);
    }
    name_list_release(&list);
    return err;
}
