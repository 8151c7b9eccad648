/*
 * Errors in the form of each API's response, for those that the controller answers: what a request
 * gets that the controller cannot be asked about.
 */
#ifndef BROKER_API_API_ERROR_H
#define BROKER_API_API_ERROR_H

#include <stdint.h>

#include "protocol/errors.h"

struct request;

/* Ends the request with the error: at the top of the response, or at each thing that was named. */
void api_respond_error(struct request *request, enum kafka_error error);

/* The error of a whole response: the one at its top, or NOT_CONTROLLER when anything named in it
 * has that. */
enum kafka_error api_response_error(int16_t api_key, const void *response);

/* How long the client waits by its request's own word; -1 when it does not say. */
int64_t api_request_timeout_ms(const struct request *request);

#endif
