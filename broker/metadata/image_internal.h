/* Between the files that apply records to the image. Private to broker/metadata/. */
#ifndef BROKER_METADATA_IMAGE_INTERNAL_H
#define BROKER_METADATA_IMAGE_INTERNAL_H

#include "broker/metadata/image.h"
#include "broker/metadata/image_changes.h"
#include "broker/metadata/metadata_record.h"

/* A record that this release keeps but does not serve: it returns in our snapshots unchanged. */
struct image_opaque {
    struct hmap_node node;
    int type;           /* enum metadata_record_type */
    struct slice key;   /* what a later record of the same object replaces or removes */
    struct slice value; /* the whole record */
};

/* A record of the open metadata transaction. */
struct image_pending {
    struct list link;
    struct slice value; /* behind the struct, in one block */
};

/* A heap copy; null stays null. */
struct slice image_dup(struct slice s);
void image_slice_free(struct slice s);

void image_topic_free(struct image_topic *topic);
void image_broker_free(struct image_broker *broker);
void image_config_resource_free(struct image *image, struct image_config_resource *resource);

/* Each applies one decoded record. False: it contradicts the image. `changes` may be NULL. */
struct topic_record;
struct partition_record;
struct partition_change_record;
struct remove_topic_record;
struct clear_elr_record;
struct register_broker_record;
struct broker_registration_change_record;
struct config_record;
struct feature_level_record;

bool apply_topic(struct image *image, const struct topic_record *record,
                 struct image_changes *changes);
bool apply_partition(struct image *image, const struct partition_record *record,
                     struct image_changes *changes);
bool apply_partition_change(struct image *image, const struct partition_change_record *record,
                            struct image_changes *changes);
bool apply_remove_topic(struct image *image, const struct remove_topic_record *record,
                        struct image_changes *changes);
bool apply_clear_elr(struct image *image, const struct clear_elr_record *record,
                     struct image_changes *changes);
bool apply_register_broker(struct image *image, const struct register_broker_record *record,
                           struct image_changes *changes);
bool apply_unregister_broker(struct image *image, int32_t id, int64_t epoch,
                             struct image_changes *changes);
bool apply_broker_fenced(struct image *image, int32_t id, int64_t epoch, bool fenced,
                         struct image_changes *changes);
bool apply_broker_registration_change(struct image *image,
                                      const struct broker_registration_change_record *record,
                                      struct image_changes *changes);
bool apply_config(struct image *image, const struct config_record *record,
                  struct image_changes *changes);
bool apply_feature_level(struct image *image, const struct feature_level_record *record,
                         struct image_changes *changes);

/* Records of a kind that is kept as it is: `message` is the decoded record. */
void apply_opaque(struct image *image, int type, const void *message, struct slice value);

#endif
