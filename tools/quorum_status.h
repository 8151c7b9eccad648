/* Who leads the metadata quorum, and how far its voters are. */
#ifndef TOOLS_QUORUM_STATUS_H
#define TOOLS_QUORUM_STATUS_H

/* What follows the command's name: HOST:PORT[,HOST:PORT]... of brokers; the exit code. */
int quorum_status_main(int argc, char **argv);

#endif
