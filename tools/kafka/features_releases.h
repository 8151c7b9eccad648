/* Which levels of features belong to a release of Kafka: kafka-features and kafka-storage tell, and
 * upgrade and downgrade by it. */
#ifndef TOOLS_KAFKA_FEATURES_RELEASES_H
#define TOOLS_KAFKA_FEATURES_RELEASES_H

#include "tools/kafka/kafka.h"

/* The n-th feature beside metadata.version, and its level at a level of that; NULL behind the last.
 * Those of Kafka, of which our brokers support some. */
const char *release_feature(size_t n, int16_t metadata_version, int16_t *level);

/* The level of metadata.version; -1 after a message on stderr. */
int16_t release_required(struct kafka_call *call, const char *release);

/* "name=level"; false after a message on stderr. */
bool feature_level_parse(const char *text, struct slice *name, int16_t *level);

/* The commands, with the options --release-version and --feature of the call; the exit code. */
int features_version_mapping(struct kafka_call *call);
int features_dependencies(struct kafka_call *call);

#endif
