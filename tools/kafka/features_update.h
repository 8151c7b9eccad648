/* kafka-features upgrade, downgrade and disable: `word` is which. Connected; the exit code. */
#ifndef TOOLS_KAFKA_FEATURES_UPDATE_H
#define TOOLS_KAFKA_FEATURES_UPDATE_H

#include "tools/kafka/kafka.h"

int features_update(struct kafka_call *call, const char *word);

#endif
