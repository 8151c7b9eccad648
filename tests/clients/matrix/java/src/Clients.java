import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Makes clients with the library's defaults; what the scenarios share to read, wait and check. */
final class Clients {
    static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final Duration POLL = Duration.ofMillis(100);

    private final String bootstrap;

    Clients(String bootstrap) {
        this.bootstrap = bootstrap;
    }

    /** Settings are given as name, value, name, value. */
    private Map<String, Object> settings(Object... settings) {
        Map<String, Object> map = new HashMap<>();
        map.put("bootstrap.servers", bootstrap);
        for (int i = 0; i < settings.length; i += 2) {
            map.put((String) settings[i], settings[i + 1]);
        }
        return map;
    }

    KafkaProducer<byte[], byte[]> producer(Object... settings) {
        Map<String, Object> all = settings(settings);
        if (System.getenv("MATRIX_SAFE") != null) { // nodes die, and 2.8 is not safe by default
            all.put("enable.idempotence", true);
            all.put("acks", "all");
        }
        return new KafkaProducer<>(
                all, new ByteArraySerializer(), new ByteArraySerializer());
    }

    KafkaConsumer<byte[], byte[]> consumer(Object... settings) {
        return new KafkaConsumer<>(
                settings(settings), new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    /** A consumer of a group that starts at the beginning and commits when it is told to. */
    KafkaConsumer<byte[], byte[]> member(String group, Object... settings) {
        List<Object> all = new ArrayList<>(List.of(settings));
        Collections.addAll(all, "group.id", group, "auto.offset.reset", "earliest",
                "enable.auto.commit", false);
        return consumer(all.toArray());
    }

    Admin admin() {
        return Admin.create(settings());
    }

    /** Sends values "prefix-0", "prefix-1" ... to one partition and waits for the answers. */
    void produce(TopicPartition to, String prefix, int count) throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = producer("linger.ms", 5)) {
            List<Future<?>> sent = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                sent.add(producer.send(new ProducerRecord<>(
                        to.topic(), to.partition(), null, bytes(prefix + "-" + i))));
            }
            for (Future<?> future : sent) {
                future.get();
            }
        }
    }

    /** Everything from the consumer's position on, until `count` records have come. */
    static List<ConsumerRecord<byte[], byte[]>> read(
            KafkaConsumer<byte[], byte[]> consumer, int count) {
        List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (records.size() < count) {
            check(System.nanoTime() < deadline, "only " + records.size() + " of " + count
                    + " records came");
            consumer.poll(POLL).forEach(records::add);
        }
        checkEqual(records.size(), count, "records");
        return records;
    }

    /** Nothing more may come: what is read in half a second. */
    static void expectNothing(KafkaConsumer<byte[], byte[]> consumer) {
        long deadline = System.nanoTime() + Duration.ofMillis(500).toNanos();
        do {
            check(consumer.poll(POLL).isEmpty(), "a record too many");
        } while (System.nanoTime() < deadline);
    }

    static List<TopicPartition> partitions(String topic, int count) {
        List<TopicPartition> all = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            all.add(new TopicPartition(topic, i));
        }
        return all;
    }

    static List<String> values(Collection<ConsumerRecord<byte[], byte[]>> records) {
        List<String> values = new ArrayList<>();
        for (ConsumerRecord<byte[], byte[]> record : records) {
            values.add(text(record.value()));
        }
        return values;
    }

    static byte[] bytes(String text) {
        return text == null ? null : text.getBytes(StandardCharsets.UTF_8);
    }

    static String text(byte[] bytes) {
        return bytes == null ? null : new String(bytes, StandardCharsets.UTF_8);
    }

    static void check(boolean good, String otherwise) {
        if (!good) {
            throw new AssertionError(otherwise);
        }
    }

    static void checkEqual(Object got, Object wanted, String what) {
        check(Objects.equals(got, wanted), what + ": " + got + " instead of " + wanted);
    }

    /** Waits for something that other threads or the broker bring about. */
    static void await(String what, Callable<Boolean> condition) throws Exception {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (!condition.call()) {
            check(System.nanoTime() < deadline, "waited in vain: " + what);
            Thread.sleep(10);
        }
    }

    interface Attempt {
        void run() throws Exception;
    }

    /** The attempt must fail with exactly this exception; its message is returned. */
    static String expect(Class<? extends Throwable> wanted, Attempt attempt) throws Exception {
        try {
            attempt.run();
        } catch (ExecutionException e) {
            checkEqual(e.getCause().getClass(), wanted, "exception (" + e.getCause() + ")");
            return e.getCause().getMessage();
        } catch (RuntimeException e) {
            checkEqual(e.getClass(), wanted, "exception (" + e + ")");
            return e.getMessage();
        }
        throw new AssertionError("no " + wanted.getSimpleName());
    }
}
