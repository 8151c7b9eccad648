#include "runtime/machine.h"

struct uuid random_uuid(struct machine *machine) {
    uint8_t random[16];
    struct uuid id;
    do {
        random_fill(machine, random, sizeof(random));
        id = uuid_from_random(random);
    } while (uuid_is_reserved(id));
    return id;
}
