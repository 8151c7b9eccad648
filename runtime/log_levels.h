/*
 * From which level on lines are written, for the process ("root") and for single components that
 * were given a level of their own. Every machine has one (log_levels()); any thread.
 */
#ifndef RUNTIME_LOG_LEVELS_H
#define RUNTIME_LOG_LEVELS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "runtime/log.h"

#define LOG_COMPONENT_COUNT 13

struct log_levels {
    _Atomic int root;
    _Atomic int own[LOG_COMPONENT_COUNT]; /* -1: none, root's counts */
    _Atomic int least;                    /* of all of them: lines below it nobody wants */
};

/* The machine's. Implemented by each machine. */
struct log_levels *log_levels(struct machine *machine);

/* INFO for everybody. */
void log_levels_init(struct log_levels *levels);

/* Whether the component's lines of that level are written. One that is not listed is as root. */
bool log_levels_allow(const struct log_levels *levels, enum log_level level, const char *component);

/* The name of the index-th component, in alphabetical order. */
const char *log_component_name(int index);

/* The index of a component, -1 for a name that is none. */
int log_component_find(const char *name, size_t len);

/* What counts for the component now; -1 is root. */
enum log_level log_levels_get(const struct log_levels *levels, int component);

/* Gives it a level of its own; LOG_LEVEL_COUNT takes that back. root (-1) has to have one. */
void log_levels_set(struct log_levels *levels, int component, enum log_level level);

#endif
