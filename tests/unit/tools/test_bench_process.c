#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/bench/process.h"

Test(process, the_listener_on_a_port_is_found) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, len), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    uint16_t port = ntohs(address.sin_port);
    cr_assert_eq(process_listening_on(port), 0); /* bound is not listening */
    cr_assert_eq(listen(fd, 1), 0);
    cr_assert_eq(process_listening_on(port), getpid());
    close(fd);
}

Test(process, cpu_time_grows_with_work_and_memory_is_known) {
    int64_t before = process_cpu_ns(getpid());
    cr_assert_geq(before, 0);
    volatile uint64_t sum = 0;
    int64_t after = before;
    while (after - before < 1000000) {
        for (uint64_t i = 0; i < 10000; i++) {
            sum += i;
        }
        after = process_cpu_ns(getpid());
        cr_assert_geq(after, before);
    }
    cr_assert_gt(process_rss(getpid()), 100000);
    cr_assert_gt(process_pss(getpid()), 0);
    cr_assert_gt(machine_cpu_now().total, 0);
}

Test(process, of_a_process_that_has_ended_nothing_is_known) {
    pid_t pid = fork();
    if (pid == 0) {
        _exit(0);
    }
    cr_assert_eq(waitpid(pid, NULL, 0), pid);
    cr_assert_lt(process_cpu_ns(pid), 0);
    cr_assert_lt(process_rss(pid), 0);
    cr_assert_lt(process_pss(pid), 0);
}
