'use strict';
// Scenarios about what is written.

const { ERRORS, expectEqual, expectFailure } = require('./contract');

async function codecs(library, topic, group) {
    const [each, partitions] = [500, 3];
    const wanted = Array.from({ length: partitions }, () => []);
    for (const codec of ['none', 'gzip', 'snappy', 'lz4', 'zstd']) {
        const producer = await library.producer({ codec });
        const messages = [];
        for (let i = 0; i < each; i++) {
            const message = {
                key: `${codec}-${i}`,
                value: `${codec} ${i} `.repeat(20),
                partition: i % partitions,
            };
            messages.push(message);
            wanted[message.partition].push([message.key, message.value]);
        }
        await producer.send(topic, messages);
        await producer.close();
    }
    const reader = await library.reader([topic], { group });
    const found = Array.from({ length: partitions }, () => []);
    for (const r of await reader.take(5 * each)) {
        found[r.partition].push([r.key.toString(), r.value.toString()]);
    }
    await reader.close();
    for (let p = 0; p < partitions; p++) {
        expectEqual(found[p], wanted[p], `records of partition ${p}`);
    }
}

function plain(headers) {
    const hex = (v) => (Array.isArray(v) ? v.map(hex) : v === null ? null : Buffer.from(v).toString('hex'));
    return Object.fromEntries(Object.entries(headers || {}).map(([k, v]) => [k, hex(v)]));
}

async function headers_and_nulls(library, topic, group) {
    const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    const many = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`h${i}`, 'x'.repeat(i)]));
    const wanted = [
        ['k', 'v', {}],
        ['k', 'v', { one: '1' }],
        ['k', 'v', { a: ['1', '2'], b: '', 'ü€': all }],
        [null, 'no key', {}],
        ['', 'empty key', {}],
        ['no value', null, {}],
        ['empty value', '', {}],
        [null, null, { only: 'headers' }],
        [null, '', {}],
        ['last', 'v'.repeat(1000), many],
    ];
    const producer = await library.producer();
    for (const [key, value, headers] of wanted) {
        await producer.send(topic, [{ key, value, headers, partition: 0 }]);
    }
    await producer.close();
    const reader = await library.reader([topic], { group });
    const found = await reader.take(wanted.length);
    await reader.close();
    const string = (b) => (b === null || b === undefined ? null : b.toString());
    found.forEach((r, i) => {
        const [key, value, headers] = wanted[i];
        expectEqual(
            [string(r.key), string(r.value), plain(r.headers)],
            [key, value === '' && library.emptyIsNull ? null : value, plain(headers)],
            `record ${i}`,
        );
    });
}

// A batch of one large record: a header of 61 bytes; three bytes of each of two lengths, five
// fields of a byte.
const LARGEST = 200000 - 61 - 11;

async function sizes(library, topic, group) {
    const producer = await library.producer({ largest: 2000000 });
    const put = (to, size) =>
        producer.send(to, [{ key: null, value: Buffer.alloc(size, 'x'), partition: 0 }]);
    const sent = [1, 100, 10000, 199000, LARGEST];
    for (const size of sent) {
        await put(topic, size);
    }
    for (const size of [LARGEST + 1, 500000]) {
        const what = `a value of ${size} bytes`;
        await expectFailure(library, ERRORS.MESSAGE_TOO_LARGE, what, () => put(topic, size));
    }
    await put(topic, 5);
    await put(`${topic}-large`, 500000);
    await producer.close();
    for (const [from, wanted] of [
        [topic, [...sent, 5]],
        [`${topic}-large`, [500000]],
    ]) {
        const reader = await library.reader([from], { group: `${group}-${from}` });
        const found = await reader.take(wanted.length);
        expectEqual(found.map((r) => r.value.length), wanted, `sizes in ${from}`);
        await reader.close();
    }
}

async function idempotent(library, topic, group) {
    const [count, partitions, at_once] = [3000, 3, 100];
    const wanted = Array.from({ length: partitions }, () => []);
    const producer = await library.producer({ idempotent: true });
    for (let start = 0; start < count; start += at_once) {
        const messages = [];
        for (let i = start; i < start + at_once; i++) {
            const value = `${i} `.padEnd(100, 'x');
            messages.push({ key: null, value, partition: i % partitions });
            wanted[i % partitions].push(value);
        }
        await producer.send(topic, messages);
    }
    await producer.close();
    const administer = await library.admin();
    const offsets = await administer.offsets(topic);
    await administer.close();
    const stored = offsets.reduce((sum, o) => sum + Number(o.high), 0);
    const reader = await library.reader([topic], { group });
    const found = Array.from({ length: partitions }, () => []);
    for (const r of await reader.take(stored)) {
        found[r.partition].push(r.value.toString());
    }
    await reader.close();
    for (let p = 0; p < partitions; p++) {
        const values = library.exactlyOnce ? found[p] : [...new Set(found[p])];
        expectEqual(values, wanted[p], `records of partition ${p} after connections were cut`);
    }
}

module.exports = { codecs, headers_and_nulls, sizes, idempotent };
