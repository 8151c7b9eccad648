/* The formats as bytes: Kafka's test vectors, round trips, and nonsense. */
#include "base/arena.h"
#include "storage/epochs.h"
#include "storage/log_dir.h"
#include "storage/paths.h"
#include "storage/producers.h"
#include "storage/text_formats.h"
#include "tests/unit/storage/storage_test.h"

static void unhex(const char *hex, struct buffer *out) {
    buffer_init(out, 1 << 20);
    for (; hex[0] != '\0'; hex += 2) {
        unsigned value = 0;
        cr_assert_eq(sscanf(hex, "%2x", &value), 1);
        buffer_put_u8(out, (uint8_t)value);
    }
}

#define SNAPSHOT_VECTOR                                                                            \
    "0001d06c52aa0000000100000000000003e80004000000090000000000000029000000090000018bcfe5680000"   \
    "000003ffffffffffffffff"
#define COMMIT_VECTOR                                                                              \
    "000000000000000700000042000000020223f1f13a0030000000000000018bcfe568000000018bcf"             \
    "e5680000000000000003e80004ffffffff000000012000000008000000010c00000000000300"

Test(formats, kafkas_snapshot_vector_is_read_and_written_back) {
    struct buffer vector;
    unhex(SNAPSHOT_VECTOR, &vector);
    struct producers producers;
    producers_init(&producers);
    cr_assert(producers_decode(&producers, buffer_slice(&vector), 42));
    cr_assert_eq(producers.by_id.count, 1);
    struct buffer again;
    buffer_init(&again, 1 << 20);
    producers_encode(&producers, &again);
    cr_assert(slice_equal(buffer_slice(&again), buffer_slice(&vector)));
    struct batch next = {.producer_id = 1000, .producer_epoch = 4, .base_sequence = 10};
    struct producer_batch duplicate;
    bool is_duplicate = false;
    cr_assert_eq(producers_check(&producers, &next, &duplicate, &is_duplicate), ERROR_NONE);
    next.base_sequence = 11;
    cr_assert_eq(producers_check(&producers, &next, &duplicate, &is_duplicate),
                 ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    producers_release(&producers);
    buffer_release(&vector);
    buffer_release(&again);
}

Test(formats, a_snapshot_with_any_flipped_bit_or_length_is_refused) {
    struct buffer vector;
    unhex(SNAPSHOT_VECTOR, &vector);
    struct producers producers;
    producers_init(&producers);
    for (size_t bit = 0; bit < vector.len * 8; bit++) {
        vector.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        cr_assert(!producers_decode(&producers, buffer_slice(&vector), 42), "bit %zu", bit);
        cr_assert_eq(producers.by_id.count, 0);
        vector.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t len = 0; len < vector.len; len++) {
        uint8_t *exact = xmalloc(len + 1);
        memcpy(exact, vector.data, len);
        cr_assert(!producers_decode(&producers, slice_make(exact, len), 42));
        free(exact);
    }
    producers_release(&producers);
    buffer_release(&vector);
}

Test(formats, kafkas_commit_marker_is_understood) {
    struct buffer vector;
    unhex(COMMIT_VECTOR, &vector);
    struct batch batch;
    cr_assert_eq(batch_parse(buffer_slice(&vector), &batch), BATCH_OK);
    struct txn_marker marker = txn_marker_read(buffer_slice(&vector), &batch);
    cr_assert(marker.valid && marker.commit);
    cr_assert_eq(marker.coordinator_epoch, 3);
    buffer_release(&vector);
}

Test(formats, epochs_round_trip_and_nonsense_is_refused) {
    struct epochs epochs = {0};
    epochs_assign(&epochs, 0, 0);
    epochs_assign(&epochs, 3, 10);
    epochs_assign(&epochs, 4, 10); /* nothing was written in epoch 3 */
    struct buffer text;
    buffer_init(&text, 1 << 16);
    epochs_encode(&epochs, INT64_MAX, &text);
    cr_assert(slice_equal(buffer_slice(&text), SLICE_LIT("0\n2\n0 0\n4 10\n")));
    cr_assert(epochs_decode(buffer_slice(&text), &epochs));
    cr_assert_eq(epochs.count, 2);
    const char *bad[] = {
        "1\n0\n",           "0\n",           "0\n1\n",           "0\n2\n1 5\n1 6\n",
        "0\n2\n1 5\n2 5\n", "0\n1\n1 5 6\n", "0\n1\n1 5\n2 6\n", "x",
        "0\n1\n-1 5\n",     "0\n1\n1\n",     "0\n-1\n"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        cr_assert(!epochs_decode(slice_str(bad[i]), &epochs), "%s", bad[i]);
        cr_assert_eq(epochs.count, 0);
    }
    cr_assert(epochs_decode(slice_make("", 0), &epochs));
    buffer_release(&text);
    epochs_release(&epochs);
}

Test(formats, an_epoch_without_records_is_nothing_to_save_until_it_has_one) {
    struct epochs epochs = {0};
    cr_assert(epochs_decode(SLICE_LIT("0\n1\n3 10\n"), &epochs));
    epochs_assign(&epochs, 4, 20);
    cr_assert_not(epochs_unsaved(&epochs, 20));
    cr_assert(epochs_unsaved(&epochs, 21));
    epochs_taken(&epochs, 21);
    cr_assert_not(epochs_unsaved(&epochs, 21));
    epochs_assign(&epochs, 5, 21);
    epochs_taken(&epochs, 21);
    cr_assert(epochs_unsaved(&epochs, 22), "it was left out, and is not forgotten");
    epochs_release(&epochs);

    epochs_no_checkpoint(&epochs);
    epochs_assign(&epochs, 1, 0);
    cr_assert_not(epochs_unsaved(&epochs, 0));
    cr_assert(epochs_unsaved(&epochs, 1));
    epochs_release(&epochs);
}

Test(formats, the_end_of_an_epoch_is_where_the_next_known_one_starts) {
    struct epochs epochs = {0};
    epochs_assign(&epochs, 2, 5);
    epochs_assign(&epochs, 4, 9);
    const struct {
        int32_t epoch;
        int32_t found;
        int64_t end;
    } cases[] = {{1, 1, 5}, {2, 2, 9}, {3, 2, 9}, {4, 4, 20}, {5, -1, -1}, {-1, -1, -1}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int32_t found = 0;
        int64_t end = 0;
        epochs_end_of(&epochs, cases[i].epoch, 20, &found, &end);
        cr_assert_eq(found, cases[i].found, "epoch %d", cases[i].epoch);
        cr_assert_eq(end, cases[i].end, "epoch %d", cases[i].epoch);
    }
    epochs_cut_start(&epochs, 7);
    cr_assert_eq(epochs.entries[0].start_offset, 7);
    epochs_cut_end(&epochs, 9);
    cr_assert_eq(epochs_latest(&epochs), 2);
    epochs_release(&epochs);
}

Test(formats, a_checkpoint_is_all_or_nothing) {
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    struct checkpoint_entry *entries = NULL;
    int count = 0;
    cr_assert(checkpoint_parse(slice_str("0\n2\na-b 3 17\nt  0\t9223372036854775807\n"), &arena,
                               &entries, &count));
    cr_assert_eq(count, 2);
    cr_assert(slice_equal_str(entries[0].topic, "a-b"));
    cr_assert_eq(entries[1].offset, INT64_MAX);
    const char *bad[] = {"0\n1\nt 0\n",    "0\n1\nt 0 x\n",        "0\n2\nt 0 1\n",
                         "0\n1\nt -1 1\n", "0\n1\nt 0 1\nt 1 1\n", "0\n1\nt 2147483648 1\n",
                         "0\n2147483647\n"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        cr_assert(!checkpoint_parse(slice_str(bad[i]), &arena, &entries, &count), "%s", bad[i]);
        cr_assert_eq(count, 0);
    }
    arena_release(&arena);
}

Test(formats, meta_properties_of_both_versions_are_read) {
    struct meta_properties meta;
    struct errmsg errmsg = {""};
    const char *v1 = "#\n#Mon Nov 23 09:26:57 UTC 2026\r\ncluster.id=a\\:b\\=c\r\n"
                     "directory.id=AAAAAAAAAAAAAAAAAAAAZQ\nnode.id = 7\nversion=1\nother=x\n";
    cr_assert_eq(meta_properties_parse(slice_str(v1), "f", &meta, &errmsg), 0, "%s", errmsg.text);
    cr_assert_str_eq(meta.cluster_id, "a:b=c");
    cr_assert_eq(meta.node_id, 7);
    cr_assert_eq(meta.directory_id.bytes[15], 101);
    cr_assert_eq(meta_properties_parse(slice_str("version=0\nbroker.id=3"), "f", &meta, &errmsg),
                 0);
    cr_assert_eq(meta.node_id, 3);
    cr_assert_str_eq(meta.cluster_id, "");
}

Test(formats, nonsense_in_meta_properties_names_its_line) {
    struct meta_properties meta;
    struct errmsg errmsg = {""};
    cr_assert_eq(meta_properties_parse(slice_str("version=1\nnode.id=x\n"), "f", &meta, &errmsg),
                 -EINVAL);
    cr_assert_str_eq(errmsg.text, "f line 2 is not understood: node.id=x");
    const char *bad[] = {"",
                         "node.id=1\n",
                         "version=2\n",
                         "version=1\ncluster.id=c\n",
                         "version=1\nnode.id=-1\ncluster.id=c\n",
                         "version=1\nnode.id=1\ncluster.id=c\ndirectory.id=short\n"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        cr_assert_eq(meta_properties_parse(slice_str(bad[i]), "f", &meta, &errmsg), -EINVAL, "%s",
                     bad[i]);
    }
}

Test(formats, topic_names_hold_letters_digits_and_three_signs) {
    for (int c = 0; c < 256; c++) {
        bool allowed = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '_' || c == '-' || c == '.';
        uint8_t name[3] = {'a', (uint8_t)c, 'b'};
        cr_assert_eq(topic_name_valid(slice_make(name, 3)), allowed, "%d", c);
    }
    uint8_t longest[250];
    memset(longest, 'x', sizeof(longest));
    cr_assert(topic_name_valid(slice_make(longest, 249)));
    cr_assert_not(topic_name_valid(slice_make(longest, 250)));
    cr_assert_not(topic_name_valid(SLICE_LIT("")));
    cr_assert_not(topic_name_valid(SLICE_LIT(".")));
    cr_assert_not(topic_name_valid(SLICE_LIT("..")));
    cr_assert(topic_name_valid(SLICE_LIT("...")));
}

Test(formats, only_twenty_digits_name_a_segment) {
    int64_t offset = 0;
    const char *suffix = NULL;
    cr_assert(path_parse_offset("00000000000000000042.log", &offset, &suffix));
    cr_assert_eq(offset, 42);
    cr_assert_str_eq(suffix, ".log");
    const char *bad[] = {"42.log",
                         "0000000000000000042.log",
                         "000000000000000000042.log",
                         "-0000000000000000042.log",
                         "99999999999999999999.log",
                         "",
                         "00000000000000000042"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        cr_assert(!path_parse_offset(bad[i], &offset, &suffix), "%s", bad[i]);
    }
}

/* ---- Producer state -------------------------------------------------------------------------- */

static struct batch sequence(int32_t first, int32_t count, int64_t offset) {
    return (struct batch){.base_offset = offset,
                          .producer_id = 5,
                          .producer_epoch = 1,
                          .base_sequence = first,
                          .last_offset_delta = count - 1};
}

static enum kafka_error check(struct producers *producers, struct batch batch, bool *duplicate) {
    struct producer_batch found;
    return producers_check(producers, &batch, &found, duplicate);
}

static void update(struct producers *producers, struct batch batch) {
    struct txn_end ended;
    producers_update(producers, &batch, NULL, &ended);
}

Test(formats, the_window_holds_exactly_five_batches) {
    struct producers producers;
    producers_init(&producers);
    for (int i = 0; i < 6; i++) {
        update(&producers, sequence(i * 2, 2, i * 2));
    }
    bool duplicate = false;
    for (int i = 1; i < 6; i++) {
        cr_assert_eq(check(&producers, sequence(i * 2, 2, 0), &duplicate), ERROR_NONE);
        cr_assert(duplicate, "batch %d", i);
    }
    cr_assert_eq(check(&producers, sequence(0, 2, 0), &duplicate),
                 ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    cr_assert(!duplicate);
    /* The same begin with another length is no duplicate. */
    cr_assert_eq(check(&producers, sequence(10, 3, 0), &duplicate),
                 ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    producers_release(&producers);
}

Test(formats, sequences_wrap_and_epochs_start_anew) {
    struct producers producers;
    producers_init(&producers);
    bool duplicate = false;
    /* Nothing is known of the producer: any sequence starts it. */
    cr_assert_eq(check(&producers, sequence(INT32_MAX - 1, 2, 0), &duplicate), ERROR_NONE);
    update(&producers, sequence(INT32_MAX - 1, 2, 0));
    cr_assert_eq(check(&producers, sequence(1, 1, 0), &duplicate),
                 ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    cr_assert_eq(check(&producers, sequence(0, 1, 0), &duplicate), ERROR_NONE);
    update(&producers, sequence(0, 1, 2));
    struct batch next = sequence(1, 1, 3);
    next.producer_epoch = 2;
    cr_assert_eq(check(&producers, next, &duplicate), ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    next.base_sequence = 0;
    cr_assert_eq(check(&producers, next, &duplicate), ERROR_NONE);
    update(&producers, next);
    cr_assert_eq(check(&producers, sequence(1, 1, 0), &duplicate), ERROR_INVALID_PRODUCER_EPOCH);
    producers_release(&producers);
}

Test(formats, the_stable_offset_waits_for_the_earliest_transaction) {
    struct producers producers;
    producers_init(&producers);
    struct batch first = sequence(0, 1, 10);
    struct batch second = sequence(0, 1, 11);
    first.attributes = BATCH_ATTR_TRANSACTIONAL;
    second.attributes = BATCH_ATTR_TRANSACTIONAL;
    second.producer_id = 6;
    update(&producers, first);
    update(&producers, second);
    cr_assert_eq(producers_first_unstable(&producers), 10);
    bool duplicate = false;
    cr_assert_eq(check(&producers, sequence(1, 1, 0), &duplicate), ERROR_INVALID_TXN_STATE);
    struct batch marker = first;
    marker.base_offset = 12;
    marker.base_sequence = -1;
    marker.attributes |= BATCH_ATTR_CONTROL;
    struct txn_marker abort_marker = {.valid = true};
    struct txn_end ended;
    producers_update(&producers, &marker, &abort_marker, &ended);
    cr_assert(ended.ended && ended.aborted);
    cr_assert_eq(ended.first_offset, 10);
    cr_assert_eq(ended.last_offset, 12);
    cr_assert_eq(ended.last_stable_offset, 11);
    /* Records of an ended transaction are unstable until its marker is below the watermark. */
    producers_raise_high_watermark(&producers, 12);
    cr_assert_eq(producers_first_unstable(&producers), 10);
    producers_raise_high_watermark(&producers, 13);
    cr_assert_eq(producers_first_unstable(&producers), 11);
    producers_release(&producers);
}
