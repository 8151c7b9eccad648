/* advertised.listeners=auto: what a connection is told, from what the system tells of itself. */
#include <criterion/criterion.h>
#include <string.h>

#include "broker/config/auto_address.h"
#include "runtime/machine.h"

static struct arena arena;

static void set_up(void) {
    arena_init(&arena, SIZE_MAX);
}

static void tear_down(void) {
    arena_release(&arena);
}

TestSuite(auto_address, .init = set_up, .fini = tear_down);

/* Of a container on Docker's bridge, 172.17.0.2 behind 172.17.0.1. */
static const char routes[] =
    "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
    "eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
    "eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n";

static struct auto_network bridge(void) {
    struct auto_network network = {.name = "3f2a", .container = true};
    char interface[16];
    auto_parse_routes(slice_str(routes), &network, interface);
    cr_assert_str_eq(interface, "eth0");
    return network;
}

Test(auto_address, the_host_of_a_container_is_told_of_the_published_port) {
    struct auto_network network = bridge();
    cr_assert_str_eq(auto_tell(&network, true, "172.17.0.2", "172.17.0.1"), "localhost");
}

Test(auto_address, who_is_in_no_network_of_the_container_came_through_a_published_port) {
    struct auto_network network = bridge();
    cr_assert_str_eq(auto_tell(&network, true, "172.17.0.2", "192.168.65.1"), "localhost");
}

Test(auto_address, a_sibling_is_told_the_address_that_it_used) {
    struct auto_network network = bridge();
    cr_assert_str_eq(auto_tell(&network, true, "172.17.0.2", "172.17.0.3"), "172.17.0.2");
    cr_assert_str_eq(auto_tell(&network, true, "fd00::2", "fd00::3"), "fd00::2");
}

Test(auto_address, outside_of_a_container_the_address_that_was_used_is_told) {
    struct auto_network network = bridge();
    network.container = false;
    cr_assert_str_eq(auto_tell(&network, true, "172.17.0.2", "172.17.0.1"), "172.17.0.2");
    cr_assert_str_eq(auto_tell(&network, true, "127.0.0.1", "127.0.0.1"), "127.0.0.1");
    cr_assert_str_eq(auto_tell(&network, true, "::1", "::1"), "::1");
}

Test(auto_address, in_kubernetes_a_pod_has_its_name_but_to_a_forwarded_port) {
    struct auto_network network = {.name = "kafka-0.kafka.ns.svc.cluster.local",
                                   .kubernetes = true};
    cr_assert_null(auto_tell(&network, true, "10.1.2.3", "10.1.2.4"));
    cr_assert_str_eq(auto_tell(&network, true, "127.0.0.1", "127.0.0.1"), "127.0.0.1");
}

Test(auto_address, in_a_cluster_all_are_told_one_name) {
    struct auto_network network = bridge();
    cr_assert_null(auto_tell(&network, false, "172.17.0.2", "172.17.0.1"));
    cr_assert_null(auto_tell(&network, false, "127.0.0.1", "127.0.0.1"));
}

Test(auto_address, an_address_that_is_not_known_is_not_told) {
    struct auto_network network = bridge();
    cr_assert_null(auto_tell(&network, true, "", "client"));
}

Test(auto_address, the_kubelet_names_pods_of_a_stateful_set) {
    const char *hosts = "# Kubernetes-managed hosts file.\n"
                        "127.0.0.1\tlocalhost\n"
                        "::1\tlocalhost ip6-localhost ip6-loopback\n"
                        "10.244.0.7\tkafka-10.kafka-hl.x.svc.cluster.local\tkafka-10\n"
                        "10.244.0.8\tkafka-1.kafka-hl.x.svc.cluster.local\tkafka-1";
    cr_assert_str_eq(auto_pod_name(&arena, slice_str(hosts), "kafka-1"),
                     "kafka-1.kafka-hl.x.svc.cluster.local");
    cr_assert(auto_is_pod(slice_str(hosts)));
    cr_assert_not(auto_is_pod(slice_str("127.0.0.1 localhost\n")));
    cr_assert_null(auto_pod_name(&arena, slice_str(hosts), "kafka"));
    cr_assert_null(auto_pod_name(&arena, slice_str("127.0.1.1 me.example.com me\n"), "me"));
    cr_assert_null(auto_pod_name(&arena, slice_str(""), "me"));
    cr_assert_null(auto_pod_name(&arena, slice_str("\n 10.0.0.1"), "me"));
}

Test(auto_address, routes_that_cannot_be_read_are_left_out) {
    struct auto_network network = {0};
    char interface[16];
    auto_parse_routes(slice_str("eth0\n"
                                "a-name-that-no-interface-has 00000000 010011AC 3 0 0 0 00000000\n"
                                "eth0 0000 00000000 1 0 0 0 0000FFFF\n"
                                "eth0 000011AG 00000000 1 0 0 0 0000FFFF\n"),
                      &network, interface);
    cr_assert_eq(network.route_count, 0);
    cr_assert_eq(network.gateway, 0);
    cr_assert_str_eq(interface, "");
}

Test(auto_address, this_machine_has_a_name) {
    struct auto_network network;
    struct machine *machine = machine_new(1, 1);
    auto_network_read(machine, &arena, &network);
    cr_assert_gt(strlen(network.name), 0);
    cr_assert_not(network.kubernetes);
    machine_free(machine);
}
