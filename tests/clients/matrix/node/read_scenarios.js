'use strict';
// Scenarios about what is read, and from where.

const { expectEqual, sleep } = require('./contract');

// counts[p] records into each partition p: their values are their numbers.
async function fill(library, topic, counts, first = 0) {
    const producer = await library.producer();
    const messages = counts.flatMap((count, partition) =>
        Array.from({ length: count }, (_, i) => ({ key: null, value: `${first + i}`, partition })),
    );
    await producer.send(topic, messages);
    await producer.close();
}

const numbers = (records) => records.map((r) => Number(r.value.toString()));
const range = (first, end) => Array.from({ length: end - first }, (_, i) => first + i);

async function seek_by_time(library, topic, group) {
    const base = 1700000000000;
    const producer = await library.producer();
    for (let i = 0; i < 100; i++) {
        const timestamp = `${base + 1000 * i}`;
        await producer.send(topic, [{ key: null, value: `${i}`, partition: 0, timestamp }]);
    }
    await producer.close();
    const administer = await library.admin();
    for (const [time, wanted] of [
        [base + 30000, 30],
        [base - 5000, 0],
        [base + 30001, 31],
        [base + 30999, 31],
        [base + 99000, 99],
        [base + 99001, 100], // both libraries give the end when no record is that young
    ]) {
        expectEqual(await administer.offsetAt(topic, 0, time), wanted, `offset at ${time}`);
    }
    await administer.close();
    const reader = await library.reader([topic], { group });
    await reader.take(100);
    await reader.seek(topic, 0, 31);
    const found = await reader.take(69);
    await reader.close();
    expectEqual(numbers(found), range(31, 100), 'records from there on');
    expectEqual(Number(found[0].timestamp), base + 31000, 'timestamp');
}

async function replay(library, topic, group) {
    await fill(library, topic, [300]);
    const reader = await library.reader([topic], { group, autoCommit: false });
    const first = await reader.take(300);
    expectEqual(numbers(first), range(0, 300), 'the first reading');
    await reader.commit([{ topic, partition: 0, offset: '300' }]);
    await reader.seek(topic, 0, 0);
    expectEqual(await reader.take(300), first, 'the second reading');
    await reader.seek(topic, 0, 150);
    expectEqual(await reader.take(150), first.slice(150), 'the reading from the middle');
    await reader.seek(topic, 0, 300);
    await reader.take(0);
    await fill(library, topic, [1], 300);
    expectEqual(numbers(await reader.take(1)), [300], 'what came after the end');
    await reader.close();
    const administer = await library.admin();
    expectEqual(await administer.committed(group, topic), { 0: 300 }, 'the committed offset');
    await administer.close();
}

async function lag(library, topic, group) {
    await fill(library, topic, [100, 100]);
    const reader = await library.reader([topic], { group, autoCommit: false });
    await reader.take(200);
    await reader.commit([
        { topic, partition: 0, offset: '40' },
        { topic, partition: 1, offset: '75' },
    ]);
    await reader.close();
    await fill(library, topic, [20, 0], 100);
    const administer = await library.admin();
    const committed = await administer.committed(group, topic);
    const found = {};
    for (const { partition, high } of await administer.offsets(topic)) {
        found[partition] = Number(high) - committed[partition];
    }
    await administer.close();
    expectEqual(found, { 0: 80, 1: 25 }, 'lag');
}

async function offset_reset(library, topic, group) {
    await fill(library, topic, [50]);
    const administer = await library.admin();
    await administer.deleteRecords(topic, 0, 10);
    await administer.close();

    const commit = async (name, offset) => {
        const reader = await library.reader([topic], { group: name, autoCommit: false });
        await reader.take(40);
        await reader.commit([{ topic, partition: 0, offset: `${offset}` }]);
        await reader.close();
    };
    const cases = [
        ['nothing', null],
        ['beyond', 1000],
        ['before', 3],
    ];
    for (const [name, offset] of cases) {
        const own = `${group}-earliest-${name}`;
        if (offset !== null) {
            await commit(own, offset);
        }
        const reader = await library.reader([topic], { group: own, autoCommit: false });
        expectEqual(numbers(await reader.take(40)), range(10, 50), `earliest, ${name} committed`);
        await reader.close();
    }
    let added = 0;
    for (const [name, offset] of cases) {
        const own = `${group}-latest-${name}`;
        if (offset !== null) {
            const reader = await library.reader([topic], { group: own, autoCommit: false });
            await reader.take(40 + added);
            await reader.commit([{ topic, partition: 0, offset: `${offset}` }]);
            await reader.close();
        }
        const reader = await library.reader([topic], {
            group: own,
            autoCommit: false,
            fromBeginning: false,
        });
        await sleep(3000); // until it has settled at the end
        expectEqual(reader.records.length, 0, `latest, ${name} committed, at first`);
        await fill(library, topic, [1], 50 + added);
        expectEqual(numbers(await reader.take(1)), [50 + added], `latest, ${name} committed`);
        added += 1;
        await reader.close();
    }
}

async function slow_consumer(library, topic, group) {
    const [count, size] = [2000, 10000];
    const idle = await library.reader([`${topic}-idle`], { group: `${group}-idle` });
    const since = Date.now();
    const producer = await library.producer();
    for (let start = 0; start < count; start += 20) {
        const messages = range(start, start + 20).map((i) => ({
            key: null,
            value: `${i} `.padEnd(size, '.'),
            partition: 0,
        }));
        await producer.send(topic, messages);
    }
    const reader = await library.reader([topic], { group, small: true, pause: 5 });
    const found = await reader.take(count, 200);
    await reader.close();
    found.forEach((r, i) => {
        expectEqual(r.value.length, size, 'size');
        expectEqual(parseInt(r.value.toString(), 10), i, 'order of a slow reader');
    });
    await sleep(Math.max(0, 12000 - (Date.now() - since)));
    expectEqual(idle.records.length, 0, 'records of an idle consumer before there is one');
    await producer.send(`${topic}-idle`, [{ key: null, value: 'at last', partition: 0 }]);
    await producer.close();
    expectEqual((await idle.take(1))[0].value.toString(), 'at last', 'the record of the idle one');
    await idle.close();
}

module.exports = { seek_by_time, replay, lag, offset_reset, slow_consumer };
Object.defineProperty(module.exports, 'shared', { value: { fill, numbers, range } });
