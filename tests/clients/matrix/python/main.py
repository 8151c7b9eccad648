"""Runs one scenario with one library: main.py LIBRARY SCENARIO BOOTSTRAP TOPIC GROUP"""

import importlib
import logging
import sys

import admin_scenarios
import group_scenarios
import produce_scenarios
import read_scenarios

logging.captureWarnings(False)


def main():
    library, scenario, bootstrap, topic, group = sys.argv[1:]
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="WARN %(levelname)s %(name)s %(message)s"
    )
    client = importlib.import_module(f"with_{library}").Library(bootstrap)
    for module in (produce_scenarios, read_scenarios, group_scenarios, admin_scenarios):
        run = getattr(module, scenario, None)
        if run is not None:
            run(client, topic, group)
            client.close()
            return
    sys.exit(f"there is no scenario {scenario}")


main()
