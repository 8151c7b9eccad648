#include "base/errmsg.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void errmsg_set(struct errmsg *errmsg, const char *format, ...) {
    if (errmsg == NULL) {
        return;
    }
    va_list args;
    va_start(args, format);
    vsnprintf(errmsg->text, sizeof(errmsg->text), format, args);
    va_end(args);
}

void errmsg_prefix(struct errmsg *errmsg, const char *format, ...) {
    if (errmsg == NULL) {
        return;
    }
    char old[ERRMSG_SIZE];
    memcpy(old, errmsg->text, sizeof(old));
    va_list args;
    va_start(args, format);
    int len = vsnprintf(errmsg->text, sizeof(errmsg->text), format, args);
    va_end(args);
    if (len >= 0 && len < ERRMSG_SIZE) {
        size_t room = ERRMSG_SIZE - (size_t)len;
        if (snprintf(errmsg->text + len, room, ": %s", old) >= (int)room) {
            errmsg->text[ERRMSG_SIZE - 1] = '\0';
        }
    }
}
