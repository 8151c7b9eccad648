'use strict';
// Runs one scenario with one library: main.js LIBRARY SCENARIO BOOTSTRAP TOPIC GROUP

const scenarios = {
    ...require('./produce_scenarios'),
    ...require('./read_scenarios'),
    ...require('./group_scenarios'),
    ...require('./admin_scenarios'),
};

async function main() {
    const [library, scenario, bootstrap, topic, group] = process.argv.slice(2);
    const adapter = await require(`./with_${library}`).open(bootstrap);
    await scenarios[scenario](adapter, topic, group);
}

main().then(
    () => process.exit(0),
    (error) => {
        console.error(error.stack || error);
        process.exit(1);
    },
);
