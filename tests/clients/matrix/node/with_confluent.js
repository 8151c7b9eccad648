'use strict';
// @confluentinc/kafka-javascript (librdkafka), through the API that it shares with kafkajs.

const confluent = require('@confluentinc/kafka-javascript');
const { Reader, SAFE, sleep, waitUntil } = require('./contract');

const { Kafka, ErrorCodes, PartitionAssigners, logLevel } = confluent.KafkaJS;

function say(message, extra) {
    console.error(`WARN ${message} ${JSON.stringify(extra)}`);
}

const logger = {
    error: say,
    warn: say,
    info: () => {},
    debug: () => {},
    namespace: () => logger,
    setLogLevel: () => {},
};

class Confluent {
    exactlyOnce = true;
    emptyIsNull = true; // it gives null for an empty value
    canConfigure = false; // it has neither configurations nor more partitions
    topicsAtOnce = 2000;

    constructor(bootstrap) {
        this.kafka = new Kafka({ kafkaJS: { brokers: bootstrap.split(','), logLevel: logLevel.WARN, logger } });
    }

    code(error) {
        const inner =
            (error.errors && error.errors[0]) ||
            (error.groups && error.groups[0]) ||
            (error.partitions && error.partitions[0]) ||
            error.error;
        if (inner && inner !== error) {
            return this.code(inner);
        }
        return typeof error.code === 'number' && error.code > 0 ? error.code : null;
    }

    async producer({ codec = 'none', idempotent, largest } = {}) {
        const options = { kafkaJS: { compression: codec } };
        if (idempotent || SAFE) {
            options.kafkaJS.idempotent = true;
        }
        if (largest) {
            options['message.max.bytes'] = largest;
        }
        const producer = this.kafka.producer(options);
        await producer.connect();
        return {
            send: (topic, messages) => producer.send({ topic, messages }),
            close: () => producer.disconnect(),
        };
    }

    async reader(topics, options = {}) {
        const { group, fromBeginning = true, assignor, instance, small, autoCommit = true } = options;
        const reader = new Reader();
        const config = {
            kafkaJS: { groupId: group, fromBeginning, autoCommit },
            rebalance_cb: (error, assignment) => {
                const partitions = assignment.map((p) => p.partition);
                reader.rebalances += 1;
                if (error.code === ErrorCodes.ERR__REVOKE_PARTITIONS) {
                    reader.lost.push(new Set(partitions));
                }
            },
        };
        if (instance) {
            config['group.instance.id'] = instance;
        }
        if (small) {
            config.kafkaJS.maxBytesPerPartition = 65536;
            config['queued.max.messages.kbytes'] = 128;
        }
        if (assignor) {
            const eager = PartitionAssigners.roundRobin;
            const cooperative = PartitionAssigners.cooperativeSticky;
            config.kafkaJS.partitionAssigners = [assignor === 'eager' ? eager : cooperative];
        }
        const consumer = this.kafka.consumer(config);
        await consumer.connect();
        await consumer.subscribe({ topics });
        await consumer.run({
            eachMessage: async ({ topic, partition, message }) => {
                const { key, value, headers, offset, timestamp } = message;
                reader.records.push({ topic, partition, key, value, headers, offset, timestamp });
                if (options.pause) {
                    await sleep(options.pause);
                }
            },
        });
        const watch = setInterval(() => {
            try {
                reader.owned = new Set(consumer.assignment().map((p) => p.partition));
            } catch {
                reader.owned = new Set(); // while it rebalances
            }
        }, 20);
        await waitUntil(() => reader.owned.size > 0 || reader.rebalances > 0, 'the member joins');
        reader.seek = async (topic, partition, offset) => {
            await consumer.seek({ topic, partition, offset: `${offset}` });
        };
        reader.commit = (offsets) => consumer.commitOffsets(offsets);
        reader.close = async () => {
            clearInterval(watch);
            reader.owned = new Set();
            await consumer.disconnect();
        };
        return reader;
    }

    async admin() {
        const admin = this.kafka.admin();
        await admin.connect();
        const states = Object.entries(confluent.KafkaJS.ConsumerGroupStates);
        return {
            create: async (topics, { partitions = 1, replication = 1, config = {} }) => {
                const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
                const made = topics.map((topic) => ({
                    topic,
                    numPartitions: partitions,
                    replicationFactor: replication,
                    configEntries,
                }));
                if (!(await admin.createTopics({ topics: made }))) {
                    throw Object.assign(new Error('the topic exists'), { code: 36 });
                }
            },
            topics: () => admin.listTopics(),
            partitions: async (topic) =>
                (await admin.fetchTopicMetadata({ topics: [topic] }))[0].partitions.length,
            delete: (topics) => admin.deleteTopics({ topics }),
            deleteRecords: (topic, partition, before) =>
                admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: `${before}` }] }),
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
                const name = states.find(([, value]) => value === found.state)[0];
                return [name[0] + name.slice(1).toLowerCase(), found.members.length];
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

module.exports = { open: async (bootstrap) => new Confluent(bootstrap) };
