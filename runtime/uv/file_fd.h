/* The descriptor of a file, for the network's output. */
#ifndef RUNTIME_UV_FILE_FD_H
#define RUNTIME_UV_FILE_FD_H

struct file;

int file_fd(const struct file *file);

#endif
