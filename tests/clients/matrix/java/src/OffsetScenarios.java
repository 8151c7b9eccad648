import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.NoOffsetForPartitionException;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;

/** Scenarios about where reading starts. */
final class OffsetScenarios {
    private OffsetScenarios() {}

    static void seekByTime(Clients clients, String topic, String group) throws Exception {
        TopicPartition partition = new TopicPartition(topic, 0);
        long first = System.currentTimeMillis() - 3_600_000;
        try (KafkaProducer<byte[], byte[]> producer = clients.producer()) {
            List<Future<?>> sent = new ArrayList<>();
            for (int i = 0; i < 100; i++) {
                sent.add(producer.send(new ProducerRecord<>(
                        topic, 0, first + i * 1000L, null, Clients.bytes("at-" + i))));
            }
            for (Future<?> future : sent) {
                future.get();
            }
        }
        try (KafkaConsumer<byte[], byte[]> consumer = clients.consumer()) {
            consumer.assign(List.of(partition));
            checkTime(consumer, partition, first + 42_000, 42, first + 42_000);
            checkTime(consumer, partition, first + 41_001, 42, first + 42_000);
            checkTime(consumer, partition, first - 5_000, 0, first);
            checkTime(consumer, partition, 0, 0, first);
            checkTime(consumer, partition, first + 99_000, 99, first + 99_000);
            Clients.checkEqual(
                    consumer.offsetsForTimes(Map.of(partition, first + 99_001)).get(partition), null,
                    "offset after all");
            Clients.checkEqual(consumer.beginningOffsets(List.of(partition)).get(partition), 0L, "first");
            Clients.checkEqual(consumer.endOffsets(List.of(partition)).get(partition), 100L, "end");
        }
        try (Admin admin = clients.admin()) {
            Clients.checkEqual(
                    admin.listOffsets(Map.of(partition, OffsetSpec.forTimestamp(first + 17_500)))
                            .partitionResult(partition).get().offset(), 18L, "offset through Admin");
        }
    }

    private static void checkTime(KafkaConsumer<byte[], byte[]> consumer, TopicPartition partition,
            long time, long offset, long timestamp) {
        OffsetAndTimestamp found = consumer.offsetsForTimes(Map.of(partition, time)).get(partition);
        Clients.checkEqual(found.offset(), offset, "offset of a time");
        Clients.checkEqual(found.timestamp(), timestamp, "timestamp of that offset");
        consumer.seek(partition, found.offset());
        List<ConsumerRecord<byte[], byte[]>> read = Clients.read(consumer, (int) (100 - offset));
        Clients.checkEqual(read.get(0).timestamp(), timestamp, "timestamp of the record");
        Clients.checkEqual(Clients.text(read.get(0).value()), "at-" + offset, "value");
    }

    static void replay(Clients clients, String topic, String group) throws Exception {
        TopicPartition partition = new TopicPartition(topic, 0);
        clients.produce(partition, "r", 200);
        try (KafkaConsumer<byte[], byte[]> consumer = clients.member(group)) {
            consumer.subscribe(List.of(topic));
            List<String> all = Clients.values(Clients.read(consumer, 200));
            consumer.commitSync();
            consumer.seekToBeginning(List.of(partition));
            Clients.checkEqual(Clients.values(Clients.read(consumer, 200)), all, "from the beginning");
            consumer.seek(partition, 123);
            Clients.checkEqual(
                    Clients.values(Clients.read(consumer, 77)), all.subList(123, 200), "from the middle");
            consumer.seekToEnd(List.of(partition));
            Clients.checkEqual(consumer.position(partition), 200L, "position at the end");
            Clients.expectNothing(consumer);
            Clients.checkEqual(
                    consumer.committed(Set.of(partition)).get(partition).offset(), 200L, "commit");
        }
        clients.produce(partition, "more", 3);
        try (KafkaConsumer<byte[], byte[]> consumer = clients.member(group)) {
            consumer.subscribe(List.of(topic));
            Clients.checkEqual(Clients.values(Clients.read(consumer, 3)),
                    List.of("more-0", "more-1", "more-2"), "after the commit");
        }
    }

    static void lag(Clients clients, String topic, String group) throws Exception {
        List<TopicPartition> partitions = Clients.partitions(topic, 2);
        clients.produce(partitions.get(0), "a", 100);
        clients.produce(partitions.get(1), "b", 10);
        try (KafkaConsumer<byte[], byte[]> consumer = clients.member(group, "max.poll.records", 30)) {
            consumer.assign(List.of(partitions.get(0)));
            Clients.checkEqual(Clients.read(consumer, 30).size(), 30, "records of the first poll");
            consumer.commitSync();
            Clients.checkEqual(consumer.metrics().entrySet().stream()
                    .filter(m -> m.getKey().name().equals("records-lag")
                            && "0".equals(m.getKey().tags().get("partition")))
                    .map(m -> m.getValue().metricValue()).findFirst().orElse(null), 70.0, "records-lag");
        }
        try (Admin admin = clients.admin()) {
            Map<TopicPartition, OffsetAndMetadata> committed =
                    admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
            Clients.checkEqual(committed.keySet(), Set.of(partitions.get(0)), "partitions with a commit");
            long commit = committed.get(partitions.get(0)).offset();
            long end = admin.listOffsets(Map.of(partitions.get(0), OffsetSpec.latest()))
                    .partitionResult(partitions.get(0)).get().offset();
            Clients.checkEqual(List.of(commit, end, end - commit), List.of(30L, 100L, 70L),
                    "commit, end, lag");
            Clients.checkEqual(admin.describeConsumerGroups(List.of(group)).all().get().get(group)
                    .members().size(), 0, "members");
        }
    }

    static void offsetReset(Clients clients, String topic, String group) throws Exception {
        TopicPartition partition = new TopicPartition(topic, 0);
        clients.produce(partition, "v", 10);
        for (Long commit : new Long[] {null, 1000L}) {
            String name = group + "-" + commit;
            checkReset(clients, partition, name + "-earliest", "earliest", commit, 0);
            checkReset(clients, partition, name + "-latest", "latest", commit, 10);
            commit(clients, partition, name + "-none", commit);
            try (KafkaConsumer<byte[], byte[]> consumer = clients.consumer(
                    "group.id", name + "-none", "auto.offset.reset", "none")) {
                consumer.subscribe(List.of(partition.topic()));
                Clients.expect(
                        commit == null
                                ? NoOffsetForPartitionException.class
                                : OffsetOutOfRangeException.class,
                        () -> Clients.read(consumer, 1));
            }
        }
    }

    private static void commit(Clients clients, TopicPartition partition, String group, Long commit) {
        if (commit != null) {
            try (KafkaConsumer<byte[], byte[]> consumer = clients.member(group)) {
                consumer.commitSync(Collections.singletonMap(partition, new OffsetAndMetadata(commit)));
            }
        }
    }

    private static void checkReset(Clients clients, TopicPartition partition, String group, String reset,
            Long commit, long start) throws Exception {
        commit(clients, partition, group, commit);
        try (KafkaConsumer<byte[], byte[]> consumer = clients.consumer(
                "group.id", group, "auto.offset.reset", reset, "enable.auto.commit", false)) {
            consumer.subscribe(List.of(partition.topic()));
            Clients.await("the group has its position", () -> {
                consumer.poll(Duration.ofMillis(50));
                return !consumer.assignment().isEmpty() && consumer.position(partition) != 1000;
            });
            consumer.seek(partition, Math.min(consumer.position(partition), start));
            Clients.checkEqual(consumer.position(partition), start, "position after " + reset);
            List<String> values = Clients.values(Clients.read(consumer, (int) (10 - start)));
            Clients.checkEqual(values.size(), (int) (10 - start), "records after " + reset);
        }
    }
}
