/* kafka-metadata-quorum add-controller and remove-controller: connected; the exit code. */
#ifndef TOOLS_KAFKA_QUORUM_VOTERS_H
#define TOOLS_KAFKA_QUORUM_VOTERS_H

#include "tools/kafka/kafka.h"

int quorum_add_controller(struct kafka_call *call);
int quorum_remove_controller(struct kafka_call *call);

#endif
