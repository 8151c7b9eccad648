'use strict';
// kafkajs, with the codecs for which it takes one from elsewhere.

const kafkajs = require('kafkajs');
const Lz4 = require('kafkajs-lz4');
const snappy = require('kafkajs-snappy');
const zstd = require('@bokuweb/zstd-wasm');
const { Reader, SAFE, sleep } = require('./contract');

const { CompressionCodecs, CompressionTypes, ConfigResourceTypes, Partitioners } = kafkajs;

const zstdCodec = {
    compress: async (encoder) => Buffer.from(zstd.compress(encoder.buffer, 3)),
    decompress: async (buffer) => Buffer.from(zstd.decompress(buffer)),
};

function logCreator() {
    return ({ log, label, namespace }) => {
        const { message, timestamp, logger, ...rest } = log; // eslint-disable-line no-unused-vars
        console.error(`WARN ${label} [${namespace}] ${message} ${JSON.stringify(rest)}`);
    };
}

class KafkaJs {
    exactlyOnce = true;
    canConfigure = true;
    topicsAtOnce = 2000;

    constructor(bootstrap) {
        this.kafka = new kafkajs.Kafka({
            brokers: bootstrap.split(','),
            logLevel: kafkajs.logLevel.WARN,
            logCreator,
        });
    }

    // The error code, which errors about several topics or groups hold further inside.
    code(error) {
        const inner = (error.errors && error.errors[0]) || error.cause || (error.groups && error.groups[0]);
        if (inner && inner !== error) {
            const found = this.code(inner);
            if (found !== null) {
                return found;
            }
        }
        const code = error.code !== undefined ? error.code : error.errorCode;
        return typeof code === 'number' ? code : null;
    }

    async producer({ codec = 'none', idempotent } = {}) {
        const types = { none: 'None', gzip: 'GZIP', snappy: 'Snappy', lz4: 'LZ4', zstd: 'ZSTD' };
        const compression = CompressionTypes[types[codec]];
        const producer = this.kafka.producer({
            idempotent: idempotent || SAFE,
            createPartitioner: Partitioners.DefaultPartitioner,
        });
        await producer.connect();
        return {
            send: (topic, messages) => producer.send({ topic, messages, compression }),
            close: () => producer.disconnect(),
        };
    }

    async reader(topics, { group, fromBeginning = true, small, autoCommit = true, pause } = {}) {
        const options = { groupId: group };
        if (small) {
            options.maxBytesPerPartition = 65536;
        }
        const consumer = this.kafka.consumer(options);
        const reader = new Reader();
        const joined = new Promise((resolve) => {
            consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
                reader.owned = new Set(Object.values(payload.memberAssignment).flat());
                resolve();
            });
        });
        consumer.on(consumer.events.REBALANCING, () => {
            reader.lost.push(reader.owned);
            reader.owned = new Set();
            reader.rebalances += 1;
        });
        await consumer.connect();
        await consumer.subscribe({ topics, fromBeginning });
        await consumer.run({
            autoCommit,
            eachMessage: async ({ topic, partition, message }) => {
                reader.records.push({ topic, partition, ...message });
                if (pause) {
                    await sleep(pause);
                }
            },
        });
        await joined;
        reader.seek = async (topic, partition, offset) =>
            consumer.seek({ topic, partition, offset: `${offset}` });
        reader.commit = (offsets) => consumer.commitOffsets(offsets);
        reader.close = () => consumer.disconnect();
        return reader;
    }

    async admin() {
        const admin = this.kafka.admin();
        await admin.connect();
        const resource = (topic) => ({ type: ConfigResourceTypes.TOPIC, name: topic });
        return {
            create: async (topics, { partitions = 1, replication = 1, config = {} }) => {
                const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
                const made = topics.map((topic) => ({
                    topic,
                    numPartitions: partitions,
                    replicationFactor: replication,
                    configEntries,
                }));
                // Waiting for leaders, it takes Kafka's "not yet" for an error.
                if (!(await admin.createTopics({ topics: made, waitForLeaders: false }))) {
                    throw Object.assign(new Error('the topic exists'), { code: 36 });
                }
            },
            topics: () => admin.listTopics(),
            partitions: async (topic) =>
                (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0].partitions.length,
            delete: (topics) => admin.deleteTopics({ topics }),
            config: async (topic) => {
                const found = await admin.describeConfigs({ resources: [resource(topic)] });
                const entries = found.resources[0].configEntries;
                return Object.fromEntries(entries.map((e) => [e.configName, e.configValue]));
            },
            setConfig: (topic, name, value) =>
                admin.alterConfigs({
                    resources: [{ ...resource(topic), configEntries: [{ name, value }] }],
                }),
            addPartitions: (topic, count) =>
                admin.createPartitions({ topicPartitions: [{ topic, count }] }),
            deleteRecords: async (topic, partition, before) => {
                await admin.fetchTopicOffsets(topic); // else it finds no leader
                const partitions = [{ partition, offset: `${before}` }];
                await admin.deleteTopicRecords({ topic, partitions });
            },
            offsets: (topic) => admin.fetchTopicOffsets(topic),
            offsetAt: async (topic, partition, time) =>
                Number(
                    (await admin.fetchTopicOffsetsByTimestamp(topic, time)).find(
                        (o) => o.partition === partition,
                    ).offset,
                ),
            groups: async () => (await admin.listGroups()).groups.map((g) => g.groupId),
            group: async (group) => {
                const found = (await admin.describeGroups([group])).groups[0];
                return [found.state, found.members.length];
            },
            deleteGroup: (group) => admin.deleteGroups([group]),
            committed: async (group, topic) => {
                const [found] = await admin.fetchOffsets({ groupId: group, topics: [topic] });
                const sorted = found.partitions.sort((a, b) => a.partition - b.partition);
                return Object.fromEntries(sorted.map((p) => [p.partition, Number(p.offset)]));
            },
            close: () => admin.disconnect(),
        };
    }
}

async function open(bootstrap) {
    await zstd.init();
    CompressionCodecs[CompressionTypes.Snappy] = snappy;
    CompressionCodecs[CompressionTypes.LZ4] = new Lz4().codec;
    CompressionCodecs[CompressionTypes.ZSTD] = () => zstdCodec;
    return new KafkaJs(bootstrap);
}

module.exports = { open };
