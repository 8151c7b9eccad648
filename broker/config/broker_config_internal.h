/* The effective configuration of a broker as it is held. Private to broker/config/. */
#ifndef BROKER_CONFIG_BROKER_CONFIG_INTERNAL_H
#define BROKER_CONFIG_BROKER_CONFIG_INTERNAL_H

#include "broker/config/config_internal.h"

struct broker_config {
    const struct config *config;
    int32_t node_id;
    char node_name[12];          /* this node's id: the name of its config resource */
    struct config_values values; /* effective */
    struct arena texts;          /* of dynamic values */
};

#endif
