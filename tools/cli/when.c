#include "tools/cli/when.h"

#include <ctype.h>
#include <string.h>

#include "base/slice.h"

#define MS_MAX (INT64_MAX / 4)

/* Takes `digits` digits; false when there are fewer. */
static bool take_digits(const char **text, int digits, int *out) {
    *out = 0;
    for (int i = 0; i < digits; i++, (*text)++) {
        if (!isdigit((unsigned char)**text)) {
            return false;
        }
        *out = *out * 10 + (**text - '0');
    }
    return true;
}

/* Days from 1970-01-01 of a date of the Gregorian calendar. */
static int64_t days_of(int year, int month, int day) {
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* A zone's offset in minutes; none is UTC. */
static bool take_zone(const char **text, int *minutes) {
    *minutes = 0;
    if (**text == 'Z') {
        (*text)++;
        return true;
    }
    if (**text != '+' && **text != '-') {
        return true;
    }
    int sign = *(*text)++ == '-' ? -1 : 1;
    int hours, rest = 0;
    if (!take_digits(text, 2, &hours)) {
        return false;
    }
    *text += **text == ':';
    if (**text != '\0' && !take_digits(text, 2, &rest)) {
        return false;
    }
    *minutes = sign * (hours * 60 + rest);
    return true;
}

static bool take_date(const char **text, int64_t *days) {
    int year, month, day;
    if (!take_digits(text, 4, &year) || *(*text)++ != '-' || !take_digits(text, 2, &month) ||
        *(*text)++ != '-' || !take_digits(text, 2, &day) || month < 1 || month > 12 || day < 1 ||
        day > 31) {
        return false;
    }
    *days = days_of(year, month, day);
    return true;
}

/* HH:MM[:SS[.fraction]] in milliseconds. */
static bool take_time(const char **text, int64_t *ms) {
    int hour, minute, second = 0, scale = 100;
    if (!take_digits(text, 2, &hour) || *(*text)++ != ':' || !take_digits(text, 2, &minute)) {
        return false;
    }
    if (**text == ':') {
        (*text)++;
        if (!take_digits(text, 2, &second)) {
            return false;
        }
    }
    if (hour > 24 || minute > 59 || second > 60) {
        return false;
    }
    *ms = ((int64_t)hour * 3600 + minute * 60 + second) * 1000;
    if (**text == '.') {
        for ((*text)++; isdigit((unsigned char)**text); (*text)++, scale /= 10) {
            *ms += (**text - '0') * scale;
        }
    }
    return true;
}

static bool parse_iso(const char *text, int64_t *out) {
    int64_t days, ms = 0;
    int minutes = 0;
    if (!take_date(&text, &days)) {
        return false;
    }
    if (*text == 'T' || *text == ' ') {
        text++;
        if (!take_time(&text, &ms) || !take_zone(&text, &minutes)) {
            return false;
        }
    }
    *out = days * 86400000 + ms - (int64_t)minutes * 60000;
    return *text == '\0';
}

/* "-15m" */
static bool parse_ago(const char *text, int64_t now_ms, int64_t *out) {
    static const struct {
        char unit;
        int64_t ms;
    } units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}, {'w', 604800000}};
    size_t len = strlen(text);
    int64_t count;
    if (len < 3 || text[0] != '-' || !slice_parse_i64(slice_make(text + 1, len - 2), &count) ||
        count < 0) {
        return false;
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (units[i].unit == text[len - 1] && count < MS_MAX / units[i].ms) {
            *out = now_ms - count * units[i].ms;
            return true;
        }
    }
    return false;
}

bool when_parse(const char *text, int64_t now_ms, int64_t *out) {
    if (strcmp(text, "now") == 0) {
        *out = now_ms;
        return true;
    }
    return (slice_parse_i64(slice_str(text), out) && *out >= 0) || parse_iso(text, out) ||
           parse_ago(text, now_ms, out);
}

bool duration_parse(const char *text, int64_t *out_ms) {
    int64_t sign = *text == '-' ? -1 : 1;
    text += *text == '-' || *text == '+';
    if (toupper((unsigned char)*text++) != 'P' || *text == '\0') {
        return false;
    }
    bool time = false;
    *out_ms = 0;
    while (*text != '\0') {
        if (!time && toupper((unsigned char)*text) == 'T') {
            time = true;
            text++;
            continue;
        }
        size_t len = strspn(text, "0123456789");
        int64_t count, ms = 0;
        if (len == 0 || !slice_parse_i64(slice_make(text, len), &count)) {
            return false;
        }
        text += len;
        if (*text == '.') {
            int64_t scale = 100;
            for (text++; isdigit((unsigned char)*text); text++, scale /= 10) {
                ms += (*text - '0') * scale;
            }
        }
        char unit = (char)toupper((unsigned char)*text++);
        int64_t factor = !time && unit == 'D'  ? 86400000
                         : time && unit == 'H' ? 3600000
                         : time && unit == 'M' ? 60000
                         : time && unit == 'S' ? 1000
                                               : 0;
        if (factor == 0 || count > MS_MAX / factor) {
            return false;
        }
        *out_ms += sign * (count * factor + ms);
    }
    return true;
}
