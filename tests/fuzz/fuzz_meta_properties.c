/* meta.properties: any bytes give an identity or an error that names the line. */
#include "storage/text_formats.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct meta_properties meta;
    struct errmsg errmsg = {""};
    int result = meta_properties_parse(slice_make(data, size), "meta.properties", &meta, &errmsg);
    ASSERT(result == 0 || errmsg.text[0] != '\0');
    ASSERT(memchr(meta.cluster_id, '\0', sizeof(meta.cluster_id)) != NULL);
    ASSERT(result != 0 || meta.node_id >= -1);
    return 0;
}
