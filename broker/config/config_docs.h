/* docs/configuration.md, made from the tables of keys. */
#ifndef BROKER_CONFIG_CONFIG_DOCS_H
#define BROKER_CONFIG_CONFIG_DOCS_H

#include "base/buffer.h"

/* Appends the whole page as Markdown. */
void config_docs(struct buffer *out);

#endif
