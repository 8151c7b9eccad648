'use strict';
// What scenarios share. An adapter (with_kafkajs.js, with_confluent.js) brings a library into this form:
//
//   producer({codec, idempotent, largest})  -> {send(topic, messages), close()}
//   reader(topics, {group, fromBeginning, assignor, instance, small, autoCommit, pause})
//       -> a Reader that runs: see below
//   admin() -> create, topics, partitions, delete, config, setConfig, addPartitions, deleteRecords,
//              offsets, offsetAt, groups, group, deleteGroup, committed, close
//   code(error) -> Kafka's error code of what was thrown, or null
//
// and tells what it cannot do: can.describeConfigs, can.headerOfNull and so on.

const ERRORS = {
    MESSAGE_TOO_LARGE: 10,
    INVALID_TOPIC: 17,
    TOPIC_ALREADY_EXISTS: 36,
    INVALID_PARTITIONS: 37,
    INVALID_REPLICATION_FACTOR: 38,
    INVALID_CONFIG: 40,
    UNKNOWN_TOPIC: 3,
    NON_EMPTY_GROUP: 68,
    GROUP_ID_NOT_FOUND: 69,
};

// Nodes die meanwhile: what a producer with other settings promises then is less than scenarios assert.
const SAFE = 'MATRIX_SAFE' in process.env;

function expect(condition, claim) {
    if (!condition) {
        throw new Error(claim);
    }
}

function text(value) {
    return JSON.stringify(value, (_, v) => (v instanceof Set ? [...v].sort() : v));
}

function expectEqual(found, wanted, what) {
    const [one, other] = [text(found), text(wanted)];
    expect(one === other, `${what}: ${one.slice(0, 400)} where ${other.slice(0, 400)} is right`);
}

async function expectFailure(library, code, what, call) {
    let result;
    try {
        result = await call();
    } catch (error) {
        const found = library.code(error);
        expect(found === code, `${what}: error ${found} (${error}) where ${code} is right`);
        return;
    }
    throw new Error(`${what}: nothing was thrown, but ${text(result)} came back`);
}

function sleep(ms) {
    return new Promise((resolve) => setTimeout(resolve, ms));
}

async function waitUntil(condition, what, seconds = 100) {
    const deadline = Date.now() + seconds * 1000;
    while (!(await condition())) {
        expect(Date.now() < deadline, `waited ${seconds} s in vain: ${what}`);
        await sleep(20);
    }
}

// A consumer that runs: what it has read, owned and lost. The adapter fills it.
class Reader {
    constructor() {
        this.records = []; // {topic, partition, offset, key, value, headers, timestamp}
        this.owned = new Set(); // partition numbers
        this.lost = []; // one set of partitions for each revocation
        this.rebalances = 0;
    }

    // The next `count` records, and no more that would come at once.
    async take(count, seconds = 100) {
        await waitUntil(() => this.records.length >= count, `${count} records`, seconds).catch((e) => {
            throw new Error(`${e.message}, ${this.records.length} came`);
        });
        await sleep(200);
        expectEqual(this.records.length, count, 'records that came');
        return this.records.splice(0);
    }
}

module.exports = { ERRORS, Reader, SAFE, expect, expectEqual, expectFailure, sleep, waitUntil };
