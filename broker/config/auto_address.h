/*
 * advertised.listeners=auto: what a connection is told of where this node is.
 *
 * Clients know a node by the address that it tells them, which must work from where they are. A
 * node that is alone can tell each what that one's connection shows to work. In a cluster every
 * node must be known by one name to all, its registered one: the name that Kubernetes gives a pod
 * of a StatefulSet, or the host's.
 */
#ifndef BROKER_CONFIG_AUTO_ADDRESS_H
#define BROKER_CONFIG_AUTO_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"

struct machine;

#define AUTO_ROUTES_MAX 32

struct auto_network {
    const char *name; /* of this host; in Kubernetes that of the pod, with its domain */
    bool kubernetes;  /* other pods can look that name up */
    bool container;   /* with a network of its own, ports of which are published by its host */
    uint32_t gateway; /* IPv4 in network order; 0: none */
    struct auto_route {
        uint32_t network;
        uint32_t mask;
    } routes[AUTO_ROUTES_MAX]; /* to what is reached without a gateway */
    int route_count;
};

/* Reads what the system tells of itself; strings live in the arena. Never fails: what cannot be
 * read is not so. */
void auto_network_read(struct machine *machine, struct arena *arena, struct auto_network *out);

/* The parts, of the texts of /etc/hosts and /proc/net/route. */
const char *auto_pod_name(struct arena *arena, struct slice hosts, const char *hostname);
bool auto_is_pod(struct slice hosts);
void auto_parse_routes(struct slice text, struct auto_network *out, char interface[16]);

/* What a client is told whose connection has these numeric addresses: "localhost", `local`, or NULL
 * for the registered name. */
const char *auto_tell(const struct auto_network *network, bool alone, const char *local,
                      const char *peer);

#endif
