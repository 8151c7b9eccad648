/* Formatting log directories, as Kafka's storage tool does: the same files, texts and exit codes.
 */
#ifndef TOOLS_FORMAT_H
#define TOOLS_FORMAT_H

/* What follows the command's name; the exit code. */
int format_main(int argc, char **argv);
int info_main(int argc, char **argv);
int random_uuid_main(int argc, char **argv);

#endif
