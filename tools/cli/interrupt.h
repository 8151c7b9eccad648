/* SIGINT and SIGTERM as something that is asked for, so that a command can end its work. */
#ifndef TOOLS_CLI_INTERRUPT_H
#define TOOLS_CLI_INTERRUPT_H

#include <stdbool.h>

/* From here on they are only seen by interrupted(). */
void interrupt_hold(void);

/* Whether one came since; it is taken. */
bool interrupted(void);

#endif
