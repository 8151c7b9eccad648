#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "runtime/net.h"

size_t host_to_bytes(const char *host, uint8_t out[HOST_BYTES_MAX]) {
    memset(out, 0, HOST_BYTES_MAX);
    char text[HOST_ADDRESS_SIZE];
    snprintf(text, sizeof(text), "%s", host);
    text[strcspn(text, "%")] = '\0'; /* the zone of a link-local address */
    if (inet_pton(AF_INET6, text, out) == 1) {
        return HOST_BYTES_MAX;
    }
    if (inet_pton(AF_INET, text, out) != 1) {
        memset(out, 0, HOST_BYTES_MAX);
    }
    return 4;
}

void host_from_bytes(const uint8_t *bytes, size_t len, char out[HOST_ADDRESS_SIZE]) {
    ASSERT(len == 4 || len == HOST_BYTES_MAX);
    const char *text = inet_ntop(len == 4 ? AF_INET : AF_INET6, bytes, out, HOST_ADDRESS_SIZE);
    ASSERT(text != NULL);
}
