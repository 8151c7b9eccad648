/* Records of __cluster_metadata: a sequence of any values, each with a two-byte length, applied to
 * an image; the image as it is then can be written as records and read back. */
#include "base/buffer.h"
#include "broker/metadata/image.h"
#include "broker/metadata/image_changes.h"
#include "broker/metadata/image_write.h"
#include "broker/metadata/metadata_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void apply_all(struct image *image, const uint8_t *data, size_t size) {
    struct image_changes changes;
    image_changes_init(&changes);
    while (size >= 2) {
        size_t len = load_be16(data);
        len = len < size - 2 ? len : size - 2;
        (void)image_apply(image, slice_make(data + 2, len), &changes);
        data += 2 + len;
        size -= 2 + len;
    }
    image_changes_release(&changes);
}

/* An image made from the records of another one has the same records. */
static void check_round_trip(const struct image *image) {
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    struct record_list first, second;
    record_list_init(&first, &arena);
    record_list_init(&second, &arena);
    image_write(image, &first);
    struct image *copy = image_new();
    for (int i = 0; i < first.count; i++) {
        ASSERT(image_apply(copy, first.values[i], NULL));
    }
    image_write(copy, &second);
    ASSERT(first.count == second.count);
    for (int i = 0; i < first.count; i++) {
        ASSERT(slice_equal(first.values[i], second.values[i]));
    }
    image_free(copy);
    arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct image *image = image_new();
    apply_all(image, data, size);
    check_round_trip(image);
    image_free(image);
    return 0;
}
