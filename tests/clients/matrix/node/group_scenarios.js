'use strict';
// Scenarios about consumer groups.

const { expectEqual, sleep, waitUntil } = require('./contract');
const { fill } = require('./read_scenarios').shared;

const PARTITIONS = 6;

// Produces numbered records to all partitions in turn until it is stopped.
async function source(library, topic) {
    const producer = await library.producer();
    const state = { sent: [], wanted: true };
    const run = async () => {
        while (state.wanted) {
            const [partition, value] = [state.sent.length % PARTITIONS, `${state.sent.length}`];
            await producer.send(topic, [{ key: null, value, partition }]);
            state.sent.push(value);
            await sleep(5);
        }
        await producer.close();
    };
    const done = run();
    state.stop = () => {
        state.wanted = false;
        return done;
    };
    return state;
}

// Whether the members own all partitions, each member some and none twice.
function sharedOut(members) {
    const owned = members.flatMap((m) => [...m.owned]).sort();
    return (
        owned.join() === [...Array(PARTITIONS).keys()].join() &&
        members.every((m) => m.owned.size > 0)
    );
}

// Three members come one after the other, one goes; returns what the first gave up for the second.
async function rebalances(library, topic, group, assignor) {
    const records = await source(library, topic);
    const members = [];
    let lost;
    for (let i = 0; i < 3; i++) {
        members.push(await library.reader([topic], { group, assignor }));
        await waitUntil(() => sharedOut(members), `${members.length} members share`);
        if (members.length === 2) {
            lost = new Set(members[0].lost.flatMap((s) => [...s]));
        }
    }
    await members[1].close();
    const rest = [members[0], members[2]];
    await waitUntil(() => sharedOut(rest), 'the others share what one left');
    await records.stop();
    await waitUntil(() => {
        const read = new Set(members.flatMap((m) => m.records.map((r) => r.value.toString())));
        return records.sent.every((value) => read.has(value));
    }, 'every record is read');
    for (const member of rest) {
        await member.close();
    }
    const ends = {};
    records.sent.forEach((_, i) => {
        ends[i % PARTITIONS] = (ends[i % PARTITIONS] || 0) + 1;
    });
    const administer = await library.admin();
    expectEqual(await administer.committed(group, topic), ends, 'committed offsets');
    await administer.close();
    return lost;
}

async function eager(library, topic, group) {
    const lost = await rebalances(library, topic, group, 'eager');
    expectEqual(lost.size, PARTITIONS, 'number of partitions given up for another');
}

async function cooperative(library, topic, group) {
    const lost = await rebalances(library, topic, group, 'cooperative');
    expectEqual(lost.size, PARTITIONS / 2, 'number of partitions given up for another');
}

async function static_members(library, topic, group) {
    const stays = await library.reader([topic], { group, instance: 'stays' });
    const goes = await library.reader([topic], { group, instance: 'goes' });
    await waitUntil(() => sharedOut([stays, goes]), 'two static members share');
    const [kept, left, told] = [[...stays.owned], [...goes.owned], stays.rebalances];
    await goes.close();
    await fill(library, topic, Array(PARTITIONS).fill(5));
    await waitUntil(() => stays.records.length === 5 * kept.length, 'the other reads on');
    const again = await library.reader([topic], { group, instance: 'goes' });
    await waitUntil(() => again.records.length === 5 * left.length, 'the member reads on');
    expectEqual([...again.owned].sort(), left.sort(), 'partitions of the member that is back');
    expectEqual([...stays.owned], kept, 'partitions of the other');
    expectEqual(stays.rebalances, told, 'rebalances of the other');
    await stays.close();
    await again.close();
}

async function many_groups(library, topic, group) {
    const [groups, together] = [50, 5];
    await fill(library, topic, [50, 50]);
    const use = async (number) => {
        const own = `${group}-${number}`;
        const reader = await library.reader([topic], { group: own, autoCommit: false });
        await reader.take(100);
        await reader.commit([
            { topic, partition: 0, offset: `${number}` },
            { topic, partition: 1, offset: `${50 - number}` },
        ]);
        await reader.close();
    };
    for (let start = 0; start < groups; start += together) {
        await Promise.all([...Array(together).keys()].map((i) => use(start + i)));
    }
    const administer = await library.admin();
    for (let number = 0; number < groups; number++) {
        const found = await administer.committed(`${group}-${number}`, topic);
        expectEqual(found, { 0: number, 1: 50 - number }, `offsets of group ${number}`);
    }
    await administer.close();
}

module.exports = { eager, cooperative, static: static_members, many_groups };
