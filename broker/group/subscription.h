/* What members of protocol type "consumer" tell the group in JoinGroup. */
#ifndef BROKER_GROUP_SUBSCRIPTION_H
#define BROKER_GROUP_SUBSCRIPTION_H

#include <stdbool.h>

#include "base/slice.h"

/* Whether the metadata of a member (ConsumerProtocolSubscription behind an i16 version) lists the
 * topic; true as well when it cannot be read, so that nothing is dropped by mistake. */
bool subscription_may_contain(struct slice metadata, struct slice topic);

#endif
