/* meta.properties: any bytes give an identity or an error that names the line; an identity can be
 * written and read again. */
#include <ctype.h>
#include <errno.h>

#include "storage/text_formats.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/machine.h"

/* Whether a cluster id is one that this node would write: Java's escapes of blanks are not ours. */
static bool writable(const struct meta_properties *meta) {
    const char *p = meta->cluster_id;
    while (isgraph((unsigned char)*p)) {
        p++;
    }
    return meta->node_id >= 0 && p > meta->cluster_id && *p == '\0';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct meta_properties meta;
    struct errmsg errmsg = {""};
    int result = meta_properties_parse(fuzz_input(data, size), "d/meta.properties", &meta, &errmsg);
    ASSERT((result == 0) == (errmsg.text[0] == '\0'));
    ASSERT(memchr(meta.cluster_id, '\0', sizeof(meta.cluster_id)) != NULL);
    ASSERT(result != 0 || meta.node_id >= -1);
    if (result == 0 && writable(&meta)) {
        struct meta_properties again;
        ASSERT(meta_properties_write(fuzz_machine(), "d", &meta) == 0);
        result = meta_properties_read(fuzz_machine(), "d", &again, &errmsg);
        ASSERT(result == 0 && again.node_id == meta.node_id &&
               uuid_equal(again.directory_id, meta.directory_id) &&
               strcmp(again.cluster_id, meta.cluster_id) == 0);
        fuzz_disk_reset();
        ASSERT(meta_properties_read(fuzz_machine(), "d", &again, &errmsg) == -ENOENT);
    }
    return 0;
}
