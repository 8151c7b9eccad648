/*
 * What containers are told in environment variables, as the text of a server.properties.
 *
 * Three dialects of one idea, those of the images that Barnabas stands in for:
 *
 *   bitnami    KAFKA_CFG_LOG_DIRS, and some variables of its own; a mounted server.properties
 *              replaces the variables
 *   apache     KAFKA_LOG_DIRS; "__" is "_" and "___" is "-"; the variables are added to a mounted
 *              server.properties
 *   confluent  as apache, in other places
 *
 * KAFKA_ and KAFKA_CFG_ variables are read in all of them; of a key that is given in both ways,
 * KAFKA_CFG_ counts. Variables that are about a JVM, or that Kubernetes makes of Services, are no
 * keys. What is left is taken as it is: the configuration names unknown keys (config.h).
 */
#ifndef BROKER_CONFIG_ENVIRONMENT_H
#define BROKER_CONFIG_ENVIRONMENT_H

#include <stdbool.h>

#include "base/assert.h"
#include "base/buffer.h"
#include "base/errmsg.h"

struct machine;

enum environment_dialect {
    ENVIRONMENT_AUTO, /* bitnami where a variable begins with KAFKA_CFG_, else apache */
    ENVIRONMENT_BITNAMI,
    ENVIRONMENT_APACHE,
    ENVIRONMENT_CONFLUENT,
};

/* auto, bitnami, apache or confluent; false: no such name. */
MUST_CHECK bool environment_dialect_find(const char *name, enum environment_dialect *out);

/*
 * Appends the text: the dialect's defaults, a server.properties that is mounted where the dialect's
 * image looks for it, then the variables, sorted by key. `variables` ("NAME=value", after the last
 * one NULL) may name files to read (KAFKA_CLUSTER_ID_FILE). Paths begin with `root`, which is empty
 * but in tests. -errno of reading a file, with errmsg.
 */
MUST_CHECK int environment_properties(struct machine *machine, const char *const *variables,
                                      enum environment_dialect dialect, const char *root,
                                      struct buffer *out, struct errmsg *errmsg);

#endif
