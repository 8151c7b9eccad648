/* What differs between two images: for who goes from one to the other at once, by a snapshot. */
#ifndef BROKER_METADATA_IMAGE_DIFF_H
#define BROKER_METADATA_IMAGE_DIFF_H

struct image;
struct image_changes;

/* Appends the changes that lead from `from` to `to`; what is gone comes first. */
void image_diff(const struct image *from, const struct image *to, struct image_changes *changes);

#endif
