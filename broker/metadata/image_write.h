/* The image as records: what a snapshot holds. */
#ifndef BROKER_METADATA_IMAGE_WRITE_H
#define BROKER_METADATA_IMAGE_WRITE_H

struct image;
struct record_list;

/*
 * Appends records that make an equal image when they are applied to an empty one: metadata.version
 * first, other features, brokers, controllers, topics each with its partitions, configurations,
 * quotas, producer ids, ACLs, credentials, tokens; each kind sorted, so that equal images give
 * equal bytes. Records of an open metadata transaction are not part of it.
 */
void image_write(const struct image *image, struct record_list *out);

/* The open metadata transaction, as its records came; nothing where none is open. A snapshot has
 * none of it. */
void image_write_pending(const struct image *image, struct record_list *out);

#endif
