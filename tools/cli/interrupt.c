#include "tools/cli/interrupt.h"

#include <signal.h>
#include <time.h>

static void both(sigset_t *set) {
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
}

void interrupt_hold(void) {
    sigset_t set;
    both(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
}

bool interrupted(void) {
    sigset_t set;
    both(&set);
    struct timespec now = {0, 0};
    return sigtimedwait(&set, NULL, &now) > 0;
}
