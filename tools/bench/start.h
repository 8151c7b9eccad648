/* From the start of a broker to its first acknowledged record. */
#ifndef TOOLS_BENCH_START_H
#define TOOLS_BENCH_START_H

/* `barnabasctl bench start`: argv begins with "start". The exit code. */
int bench_start_main(int argc, char **argv);

#endif
