import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RebalanceInProgressException;

/** A member of a group on a thread of its own: it counts what it reads and commits it. */
final class Member implements ConsumerRebalanceListener {
    private final KafkaConsumer<byte[], byte[]> consumer;
    private final Map<String, Integer> seen;
    private final Thread thread;
    private volatile boolean stopping;
    private volatile Set<TopicPartition> assigned = Set.of();
    private volatile Throwable failure;
    private final List<Integer> revocations = new ArrayList<>(); // partitions given away each time
    private int rebalances;

    /** `seen` counts each value, for all members of the group. */
    Member(KafkaConsumer<byte[], byte[]> consumer, String topic, ConcurrentHashMap<String, Integer> seen) {
        this.consumer = consumer;
        this.seen = seen;
        consumer.subscribe(List.of(topic), this);
        thread = new Thread(this::run);
        thread.start();
    }

    private void run() {
        try {
            while (!stopping) {
                ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMillis(50));
                for (ConsumerRecord<byte[], byte[]> record : records) {
                    seen.merge(Clients.text(record.value()), 1, Integer::sum);
                }
                if (!records.isEmpty()) {
                    commit(records);
                }
            }
            consumer.close();
        } catch (Throwable e) { // told by stop() and partitions()
            failure = e;
        }
    }

    private void commit(ConsumerRecords<byte[], byte[]> records) {
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        for (TopicPartition partition : records.partitions()) {
            List<ConsumerRecord<byte[], byte[]>> of = records.records(partition);
            offsets.put(partition, new OffsetAndMetadata(of.get(of.size() - 1).offset() + 1));
        }
        try {
            consumer.commitSync(offsets);
        } catch (RebalanceInProgressException e) {
            // The next poll takes part in the rebalance and commits in onPartitionsRevoked.
        }
    }

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
        if (!partitions.isEmpty()) {
            consumer.commitSync();
        }
        synchronized (this) {
            Set<TopicPartition> left = new HashSet<>(assigned);
            left.removeAll(partitions);
            assigned = left;
            revocations.add(partitions.size());
        }
    }

    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
        synchronized (this) {
            Set<TopicPartition> more = new HashSet<>(assigned);
            more.addAll(partitions);
            assigned = more;
            rebalances++;
        }
    }

    Set<TopicPartition> partitions() {
        Clients.check(failure == null, "a member failed: " + failure);
        return assigned;
    }

    synchronized int rebalances() {
        return rebalances;
    }

    /** How many partitions were taken from this member each time, without zeros. */
    synchronized List<Integer> revocations() {
        List<Integer> counts = new ArrayList<>(revocations);
        counts.removeIf(count -> count == 0);
        return counts;
    }

    /** Closes the consumer as an application does that ends. */
    void stop() throws Exception {
        stopping = true;
        thread.join(Clients.PATIENCE.toMillis());
        Clients.check(!thread.isAlive(), "a member does not stop");
        if (failure != null) {
            throw new AssertionError("a member failed", failure);
        }
    }
}
