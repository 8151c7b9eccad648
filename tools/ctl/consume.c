/* barnabasctl consume: records of a topic, with kcat's options. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/admin/offsets.h"
#include "tools/cli/interrupt.h"
#include "tools/cli/record_format.h"
#include "tools/cli/when.h"
#include "tools/ctl/ctl.h"
#include "tools/stream/member.h"

static const struct option_spec specs[] = {
    {"topic|t", OPTION_VALUE, "TOPIC", "the topic; the first argument otherwise"},
    {"partition|p", OPTION_VALUE, "N", "only this one"},
    {"offset|o", OPTION_VALUE, "WHERE",
     "beginning, end, stored (with -G), N, -N (from the end), s@WHEN, e@WHEN (up to then)"},
    {"exit|e", OPTION_FLAG, NULL, "ends at the end of the topic"},
    {"count|c", OPTION_VALUE, "N", "stops after so many"},
    {"format|f", OPTION_VALUE, "FORMAT",
     "%s value, %k key, %o offset, %p partition, %t topic, %T time, %h headers, %S %K lengths"},
    {"delimiter|D", OPTION_VALUE, "DELIM", "behind each record; a line end otherwise"},
    {"key-delimiter|K", OPTION_VALUE, "DELIM", "prints the key, and this behind it"},
    {"null|Z", OPTION_FLAG, NULL, "null is printed as NULL"},
    {"group|G", OPTION_VALUE, "GROUP", "as a member of the group, committing offsets"},
    {"unbuffered|u", OPTION_FLAG, NULL, "each record is written at once"},
    {"quiet|q", OPTION_FLAG, NULL, "does not tell of ends of partitions"},
    CTL_OPTIONS,
};

struct consume {
    struct ctl ctl;
    struct consumer_options options;
    struct consumer consumer;
    struct member member;
    struct record_format format;
    struct slice topic;
    const char *group;
    int64_t partition; /* -1: all */
    int64_t start, start_time, stop_time;
    int64_t limit, printed;
    bool until_end, quiet, unbuffered;
    struct buffer out;
};

/* ---- Options --------------------------------------------------------------------------------- */

static bool property(void *ctx, struct slice key, const char *value) {
    struct consume *c = ctx;
    if (slice_equal_str(key, "isolation.level")) {
        c->options.read_committed = strcmp(value, "read_committed") == 0;
        return c->options.read_committed || strcmp(value, "read_uncommitted") == 0;
    }
    if (slice_equal_str(key, "auto.offset.reset")) {
        c->options.reset = value[0] == 'e' || value[0] == 's' ? RESET_EARLIEST : RESET_LATEST;
        return true;
    }
    return false;
}

/* One -o; false when it is not understood. */
static bool take_where(struct consume *c, const char *text) {
    int64_t number, now = client_now_ms();
    if (strcmp(text, "beginning") == 0 || strcmp(text, "earliest") == 0) {
        c->start = OFFSET_EARLIEST;
    } else if (strcmp(text, "end") == 0 || strcmp(text, "latest") == 0) {
        c->start = OFFSET_LATEST;
    } else if (strncmp(text, "s@", 2) == 0) {
        return when_parse(text + 2, now, &c->start_time);
    } else if (strncmp(text, "e@", 2) == 0) {
        return when_parse(text + 2, now, &c->stop_time);
    } else if (strcmp(text, "stored") == 0) {
        return c->group != NULL;
    } else if (slice_parse_i64(slice_str(text), &number) && number > -(INT64_C(1) << 60)) {
        c->start = number >= 0 ? number : START_TAIL(-number);
    } else {
        return false;
    }
    return true;
}

/* The format of -f, or of -K and -D. */
static bool take_format(struct consume *c) {
    const struct options *options = &c->ctl.options;
    const char *text = options_get(options, "format", NULL);
    if (text == NULL) {
        const char *key = options_get(options, "key-delimiter", NULL);
        text = arena_printf(&c->ctl.arena, "%s%s%%s%s", key != NULL ? "%k" : "",
                            key != NULL ? key : "", options_get(options, "delimiter", "\\n"));
    }
    struct errmsg errmsg = {""};
    if (!record_format_parse(&c->format, text, &errmsg)) {
        ctl_usage(&c->ctl, "%s", errmsg.text);
        return false;
    }
    if (options_has(options, "null")) {
        c->format.null = SLICE_LIT("NULL");
    }
    return true;
}

static int configure(struct consume *c) {
    const struct options *options = &c->ctl.options;
    const char *topic = options_get(options, "topic", NULL);
    c->group = options_get(options, "group", NULL);
    c->until_end = options_has(options, "exit");
    c->quiet = options_has(options, "quiet");
    c->unbuffered = options_has(options, "unbuffered");
    c->options.reset = RESET_EARLIEST;
    if (topic == NULL && options->arg_count > 0) {
        topic = options->args[0];
    }
    if (topic == NULL) {
        return ctl_usage(&c->ctl, "name a topic");
    }
    c->topic = slice_str(topic);
    const char *where;
    for (size_t i = 0; (where = options_nth(options, "offset", i)) != NULL; i++) {
        if (!take_where(c, where)) {
            return ctl_usage(&c->ctl,
                             "-o %s is not understood: beginning, end, N, -N, s@WHEN, e@WHEN; WHEN "
                             "is 2026-01-01T10:00:00Z, -15m, or milliseconds",
                             where);
        }
    }
    if (!options_i64(options, "partition", &c->partition) ||
        !options_i64(options, "count", &c->limit) || !take_format(c)) {
        return CTL_USAGE;
    }
    return 0;
}

/* ---- Starting -------------------------------------------------------------------------------- */

static int no_such_topic(struct consume *c) {
    return ctl_fail(&c->ctl, "there is no topic %.*s; barnabasctl topic list shows those there are",
                    SLICE_ARG(c->topic));
}

static int start_alone(struct consume *c) {
    const struct metadata_response *metadata = client_metadata(&c->ctl.client, &c->topic, 1);
    if (metadata == NULL) {
        return ctl_fail_client(&c->ctl);
    }
    if (metadata->topics_count != 1 || metadata->topics[0].error_code != ERROR_NONE) {
        return no_such_topic(c);
    }
    const struct metadata_response_topic *t = &metadata->topics[0];
    for (int32_t i = 0; i < t->partitions_count; i++) {
        if (c->partition < 0 || c->partition == i) {
            struct source *source = consumer_add(&c->consumer, c->topic, i, c->start);
            source->start_time = c->start_time;
            source->stop_time = c->stop_time;
        }
    }
    if (c->consumer.count == 0) {
        return ctl_fail(&c->ctl, "topic %.*s has partitions 0 to %d, not %" PRId64,
                        SLICE_ARG(c->topic), t->partitions_count - 1, c->partition);
    }
    return consumer_start(&c->consumer) == ERROR_NONE ? 0 : ctl_fail_client(&c->ctl);
}

static int start_as_member(struct consume *c) {
    member_init(&c->member, &c->ctl.client, slice_str(c->group), &c->topic, 1);
    return member_join(&c->member, &c->consumer, c->start) == ERROR_NONE ? 0
                                                                         : ctl_fail_client(&c->ctl);
}

/* ---- Reading --------------------------------------------------------------------------------- */

static bool print(void *ctx, const struct incoming *incoming) {
    struct consume *c = ctx;
    const struct source *source = incoming->source;
    buffer_reset(&c->out);
    if (c->ctl.json) {
        record_json_print(source->topic, source->partition, source->leader,
                          incoming->log_append_time, incoming->record, &c->out);
    } else {
        record_format_print(&c->format, source->topic, source->partition, incoming->record,
                            &c->out);
    }
    fwrite(c->out.data, 1, c->out.len, stdout);
    if (c->unbuffered) {
        fflush(stdout);
    }
    c->printed++;
    return c->limit < 0 || c->printed < c->limit;
}

/* Tells once of each partition that is at its end. */
static void tell_ends(struct consume *c, bool *told) {
    for (size_t i = 0; i < c->consumer.count && !c->quiet; i++) {
        const struct source *source = &c->consumer.sources[i];
        if (source->at_end && !told[i]) {
            fprintf(stderr, "%% Reached end of topic %.*s [%d] at offset %" PRId64 "%s\n",
                    SLICE_ARG(source->topic), source->partition, source->offset,
                    c->until_end && consumer_at_end(&c->consumer) ? ": exiting" : "");
        }
        told[i] = source->at_end;
    }
}

static int read_on(struct consume *c) {
    bool *told = arena_array(&c->ctl.arena, c->consumer.count + 1, sizeof(*told));
    while (!interrupted() && (c->limit < 0 || c->printed < c->limit)) {
        size_t before = c->consumer.count;
        int16_t code;
        if (c->group != NULL &&
            member_keep(&c->member, &c->consumer, c->start, true) != ERROR_NONE) {
            return ctl_fail_client(&c->ctl);
        }
        if (c->consumer.count != before) {
            told = arena_array(&c->ctl.arena, c->consumer.count + 1, sizeof(*told));
        }
        if (consumer_poll(&c->consumer, &code) < 0 && code != ERROR_NONE) {
            return ctl_fail_client(&c->ctl);
        }
        tell_ends(c, told);
        if (fflush(stdout) != 0) {
            return CTL_FAILS;
        }
        if (consumer_stopped(&c->consumer) || (c->until_end && consumer_at_end(&c->consumer))) {
            return 0;
        }
    }
    return 0;
}

static int run(struct consume *c) {
    consumer_init(&c->consumer, &c->ctl.client, &c->options);
    c->consumer.record = print;
    c->consumer.ctx = c;
    interrupt_hold();
    int exit_code = c->group != NULL ? start_as_member(c) : start_alone(c);
    exit_code = exit_code != 0 ? exit_code : read_on(c);
    if (c->group != NULL && c->member.member_id.len > 0) {
        if (exit_code == 0 && member_commit(&c->member, &c->consumer) != ERROR_NONE) {
            exit_code = ctl_fail_client(&c->ctl);
        }
        member_leave(&c->member);
    }
    member_release(&c->member);
    consumer_release(&c->consumer);
    return exit_code;
}

int consume_main(int argc, char **argv) {
    struct consume c = {
        .options = CONSUMER_OPTIONS_DEFAULT,
        .partition = -1,
        .start = OFFSET_EARLIEST,
        .start_time = -1,
        .stop_time = -1,
        .limit = -1,
    };
    c.ctl.property = property;
    c.ctl.ctx = &c;
    buffer_init(&c.out, SIZE_MAX);
    int exit_code;
    if (ctl_open(&c.ctl, "consume", "TOPIC [options]", specs, argc, argv, &exit_code)) {
        exit_code = configure(&c);
        exit_code = exit_code != 0 ? exit_code : run(&c);
    }
    record_format_release(&c.format);
    buffer_release(&c.out);
    ctl_close(&c.ctl);
    return exit_code;
}
