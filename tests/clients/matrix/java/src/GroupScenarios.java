import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;

/** Scenarios about members of groups. */
final class GroupScenarios {
    private static final int PARTITIONS = 6;

    private GroupScenarios() {}

    static void eager(Clients clients, String topic, String group) throws Exception {
        List<Member> members = rebalance(clients, topic, group, RangeAssignor.class.getName());
        // An eager member gives away all it has at each change.
        Clients.checkEqual(members.get(0).revocations(), List.of(6, 3, 2, 3), "revocations of the first");
    }

    static void cooperative(Clients clients, String topic, String group) throws Exception {
        List<Member> members = rebalance(clients, topic, group, CooperativeStickyAssignor.class.getName());
        // Two members: three of six move. Three members: one of three moves. Later it only gets more,
        // until it leaves.
        Clients.checkEqual(members.get(0).revocations(), List.of(3, 1, 3), "revocations of the first");
    }

    /** Three members join one after the other, the second leaves, records come all the time. */
    private static List<Member> rebalance(
            Clients clients, String topic, String group, String assignor) throws Exception {
        ConcurrentHashMap<String, Integer> seen = new ConcurrentHashMap<>();
        List<Member> members = new ArrayList<>();
        Source source = new Source(clients, topic);
        try {
            for (int i = 0; i < 3; i++) {
                members.add(new Member(
                        clients.member(group, "partition.assignment.strategy", assignor,
                                "heartbeat.interval.ms", 300),
                        topic, seen));
                awaitComplete(topic, members);
                source.awaitMore(200);
            }
            List<Member> left = List.of(members.get(0), members.get(2));
            members.get(1).stop();
            awaitComplete(topic, left);
            source.awaitMore(200);
        } finally {
            source.stop();
        }
        Clients.await("every record is read", () -> seen.size() == source.sent());
        members.get(0).stop();
        members.get(2).stop();
        for (Map.Entry<String, Integer> value : seen.entrySet()) {
            Clients.checkEqual(value.getValue(), 1, "times that " + value.getKey() + " was read");
        }
        checkCommitsAreEnds(clients, topic, group);
        return members;
    }

    /** All partitions are assigned, each to one member, evenly. */
    private static void awaitComplete(String topic, List<Member> members) throws Exception {
        Set<TopicPartition> all = new HashSet<>(Clients.partitions(topic, PARTITIONS));
        Clients.await(members.size() + " members share all partitions", () -> {
            Set<TopicPartition> union = new HashSet<>();
            int count = 0;
            for (Member member : members) {
                Set<TopicPartition> of = member.partitions();
                if (of.size() != PARTITIONS / members.size()) {
                    return false;
                }
                union.addAll(of);
                count += of.size();
            }
            return count == PARTITIONS && union.equals(all);
        });
    }

    private static void checkCommitsAreEnds(Clients clients, String topic, String group) throws Exception {
        try (Admin admin = clients.admin(); KafkaConsumer<byte[], byte[]> consumer = clients.consumer()) {
            Map<TopicPartition, OffsetAndMetadata> committed =
                    admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
            Map<TopicPartition, Long> ends = consumer.endOffsets(Clients.partitions(topic, PARTITIONS));
            for (Map.Entry<TopicPartition, Long> end : ends.entrySet()) {
                Clients.checkEqual(committed.get(end.getKey()).offset(), end.getValue(),
                        "commit of " + end.getKey());
            }
        }
    }

    /** Sends records to all partitions until it is stopped. */
    private static final class Source {
        private final Thread thread;
        private volatile boolean stopping;
        private volatile int sent;
        private volatile Throwable failure;

        Source(Clients clients, String topic) {
            thread = new Thread(() -> {
                try (KafkaProducer<byte[], byte[]> producer = clients.producer()) {
                    while (!stopping) {
                        int i = sent;
                        producer.send(new ProducerRecord<>(
                                topic, i % PARTITIONS, null, Clients.bytes("record " + i))).get();
                        sent = i + 1;
                    }
                } catch (Throwable e) { // told by stop()
                    failure = e;
                }
            });
            thread.start();
        }

        int sent() {
            return sent;
        }

        void awaitMore(int count) throws Exception {
            int until = sent + count;
            Clients.await("records are produced", () -> sent >= until || failure != null);
        }

        void stop() throws Exception {
            stopping = true;
            thread.join();
            if (failure != null) {
                throw new AssertionError("the producer failed", failure);
            }
        }
    }

    static void staticMembers(Clients clients, String topic, String group) throws Exception {
        ConcurrentHashMap<String, Integer> seen = new ConcurrentHashMap<>();
        List<Member> members = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            members.add(staticMember(clients, topic, group, i, seen));
            awaitComplete(topic, members);
        }
        // Each stops and returns, the leader of the group among them; the other notices nothing.
        for (int i = 1; i >= 0; i--) {
            Member other = members.get(1 - i);
            Set<TopicPartition> had = members.get(i).partitions();
            Set<TopicPartition> keeps = other.partitions();
            int rebalances = other.rebalances();
            members.get(i).stop();
            int before = seen.size();
            for (TopicPartition partition : keeps) {
                clients.produce(partition, "without " + i + " " + partition.partition(), 10);
            }
            Clients.await("the other reads on", () -> seen.size() == before + 30);
            members.set(i, staticMember(clients, topic, group, i, seen));
            awaitComplete(topic, members);
            Clients.checkEqual(members.get(i).partitions(), had, "partitions after the return");
            for (TopicPartition partition : Clients.partitions(topic, PARTITIONS)) {
                clients.produce(partition, "with " + i + " " + partition.partition(), 10);
            }
            Clients.await("both read on", () -> seen.size() == before + 90);
            Clients.checkEqual(other.partitions(), keeps, "partitions of the other");
            Clients.checkEqual(other.rebalances(), rebalances, "rebalances of the other");
        }
        for (Member member : members) {
            member.stop();
        }
        checkCommitsAreEnds(clients, topic, group);
    }

    private static Member staticMember(
            Clients clients, String topic, String group, int i, ConcurrentHashMap<String, Integer> seen) {
        return new Member(
                clients.member(group, "group.instance.id", "instance-" + i, "session.timeout.ms", 45_000,
                        "heartbeat.interval.ms", 300),
                topic, seen);
    }

    static void manyGroups(Clients clients, String topic, String group) throws Exception {
        for (TopicPartition partition : Clients.partitions(topic, 2)) {
            clients.produce(partition, "p" + partition.partition(), 50);
        }
        ExecutorService threads = Executors.newFixedThreadPool(10);
        List<Future<?>> readers = new ArrayList<>();
        for (int i = 0; i < 50; i++) {
            int number = i;
            readers.add(threads.submit(() -> readPart(clients, topic, group + "-" + number, number)));
        }
        for (Future<?> reader : readers) {
            reader.get();
        }
        threads.shutdown();
        try (Admin admin = clients.admin()) {
            for (int i = 0; i < 50; i++) {
                Map<TopicPartition, OffsetAndMetadata> committed = admin
                        .listConsumerGroupOffsets(group + "-" + i).partitionsToOffsetAndMetadata().get();
                Clients.checkEqual(committed.size(), 2, "commits of a group");
                for (OffsetAndMetadata offset : committed.values()) {
                    Clients.checkEqual(offset.offset(), (long) i, "commit of group " + i);
                    Clients.checkEqual(offset.metadata(), "of group " + i, "metadata");
                }
            }
        }
    }

    /** A group reads all and commits an offset of its own. */
    private static void readPart(Clients clients, String topic, String group, int number) {
        try (KafkaConsumer<byte[], byte[]> consumer = clients.member(group)) {
            consumer.subscribe(List.of(topic));
            Clients.read(consumer, 100);
            Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
            for (TopicPartition partition : Clients.partitions(topic, 2)) {
                offsets.put(partition, new OffsetAndMetadata(number, "of group " + number));
            }
            consumer.commitSync(offsets);
        }
    }
}
