'use strict';
// Scenarios about topics, their configuration and groups, as an administrator sees them.

const { ERRORS, expect, expectEqual, expectFailure, waitUntil } = require('./contract');
const { fill, numbers, range } = require('./read_scenarios').shared;

async function topics(library, administer, name) {
    await administer.create([name], { partitions: 3, config: { 'retention.ms': '7200000' } });
    await waitUntil(async () => (await administer.topics()).includes(name), 'the topic is listed');
    expectEqual(await administer.partitions(name), 3, 'partitions');
    const not = `${name}-not`;
    for (const [code, what, made, options] of [
        [ERRORS.TOPIC_ALREADY_EXISTS, 'a topic that exists', name, {}],
        [ERRORS.INVALID_TOPIC, 'a name with a slash', 'a/b', {}],
        [ERRORS.INVALID_TOPIC, 'a long name', 'x'.repeat(250), {}],
        [ERRORS.INVALID_PARTITIONS, 'no partitions', not, { partitions: 0 }],
        [ERRORS.INVALID_REPLICATION_FACTOR, 'more replicas than nodes', not, { replication: 5 }],
        [ERRORS.INVALID_CONFIG, 'an unknown key', not, { config: { 'no.such.key': '1' } }],
        [ERRORS.INVALID_CONFIG, 'a bad value', not, { config: { 'retention.ms': 'long' } }],
    ]) {
        await expectFailure(library, code, what, () => administer.create([made], options));
    }
    expect(!(await administer.topics()).includes(not), 'a refused topic is there');
}

async function configs(library, administer, name) {
    await administer.addPartitions(name, 5);
    await waitUntil(async () => (await administer.partitions(name)) === 5, 'more partitions');
    await expectFailure(library, ERRORS.INVALID_PARTITIONS, 'fewer partitions', () =>
        administer.addPartitions(name, 2),
    );
    const found = await administer.config(name);
    expectEqual(found['retention.ms'], '7200000', 'a set value');
    expectEqual(found['segment.bytes'], '1073741824', 'a default value');
    await administer.setConfig(name, 'retention.ms', '3600000');
    await waitUntil(
        async () => (await administer.config(name))['retention.ms'] === '3600000',
        'the altered value',
    );
    await expectFailure(library, ERRORS.INVALID_CONFIG, 'altering to a bad value', () =>
        administer.setConfig(name, 'retention.ms', 'soon'),
    );
}

async function records(library, administer, name) {
    await fill(library, name, [20]);
    const bounds = async () => {
        const found = (await administer.offsets(name)).find((o) => o.partition === 0);
        return [Number(found.low), Number(found.high)];
    };
    expectEqual(await bounds(), [0, 20], 'bounds');
    await administer.deleteRecords(name, 0, 15);
    expectEqual(await bounds(), [15, 20], 'bounds after records were deleted');
}

async function groups(library, administer, name, group) {
    const member = await library.reader([name], { group });
    expectEqual(numbers(await member.take(5)), range(15, 20), 'what is left');
    expect((await administer.groups()).includes(group), 'the group is not listed');
    expectEqual(await administer.group(group), ['Stable', 1], 'the group');
    await expectFailure(library, ERRORS.NON_EMPTY_GROUP, 'deleting it', () =>
        administer.deleteGroup(group),
    );
    await member.close();
    await waitUntil(
        async () => (await administer.group(group)).join() === 'Empty,0',
        'the group is empty',
    );
    await administer.deleteGroup(group);
    expect(!(await administer.groups()).includes(group), 'a deleted group is listed');
    await expectFailure(library, ERRORS.GROUP_ID_NOT_FOUND, 'deleting it again', () =>
        administer.deleteGroup(group),
    );
}

async function admin(library, topic, group) {
    const administer = await library.admin();
    const name = `${topic}-made`;
    await topics(library, administer, name);
    if (library.canConfigure) {
        await configs(library, administer, name);
    }
    await records(library, administer, name);
    await groups(library, administer, name, group);
    await administer.delete([name]);
    await waitUntil(async () => !(await administer.topics()).includes(name), 'the topic goes away');
    await expectFailure(library, ERRORS.UNKNOWN_TOPIC, 'deleting it again', () =>
        administer.delete([name]),
    );
    await administer.close();
}

async function many_topics(library, topic, group) {
    const [count, at_once] = [library.topicsAtOnce, 100];
    const names = [...Array(count).keys()].map((i) => `${topic}-${i}`);
    const administer = await library.admin();
    for (let start = 0; start < count; start += at_once) {
        await administer.create(names.slice(start, start + at_once), {});
    }
    await waitUntil(async () => {
        const listed = new Set(await administer.topics());
        return names.every((name) => listed.has(name));
    }, 'all topics are listed', 150);
    const producer = await library.producer();
    for (let start = 0; start < count; start += at_once) {
        const some = names.slice(start, start + at_once);
        await Promise.all(some.map((n) => producer.send(n, [{ key: null, value: n, partition: 0 }])));
    }
    await producer.close();
    const reader = await library.reader(names, { group });
    const found = await reader.take(count, 150);
    await reader.close();
    expect(found.every((r) => r.topic === r.value.toString()), 'a record is in a wrong topic');
    expectEqual(new Set(found.map((r) => r.topic)).size, count, 'topics with a record');
    for (let start = 0; start < count; start += at_once) {
        await administer.delete(names.slice(start, start + at_once));
    }
    await administer.close();
}

module.exports = { admin, many_topics };
