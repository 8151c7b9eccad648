import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;

/** Scenarios about what goes in and comes out. */
final class RecordScenarios {
    private RecordScenarios() {}

    static void codecs(Clients clients, String topic, String group) throws Exception {
        List<TopicPartition> partitions = Clients.partitions(topic, 3);
        try (KafkaConsumer<byte[], byte[]> consumer = clients.consumer("auto.offset.reset", "earliest")) {
            consumer.assign(partitions);
            for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
                Map<Integer, List<String>> sent = produceKeyed(clients, topic, codec);
                Map<Integer, List<String>> got = new HashMap<>();
                for (ConsumerRecord<byte[], byte[]> record : Clients.read(consumer, 500)) {
                    got.computeIfAbsent(record.partition(), p -> new ArrayList<>())
                            .add(Clients.text(record.key()) + "=" + Clients.text(record.value()));
                }
                Clients.checkEqual(got, sent, "records with " + codec);
                Clients.checkEqual(got.keySet().size(), 3, "partitions with " + codec);
            }
            Clients.expectNothing(consumer);
        }
    }

    /** What was sent to each partition, in the order of offsets. */
    private static Map<Integer, List<String>> produceKeyed(
            Clients clients, String topic, String codec) throws Exception {
        Map<Integer, List<String>> sent = new HashMap<>();
        try (KafkaProducer<byte[], byte[]> producer =
                clients.producer("compression.type", codec, "linger.ms", 50)) {
            List<Future<RecordMetadata>> answers = new ArrayList<>();
            for (int i = 0; i < 500; i++) {
                answers.add(producer.send(new ProducerRecord<>(
                        topic, Clients.bytes("key-" + i), Clients.bytes(value(codec, i)))));
            }
            Map<Integer, Long> last = new HashMap<>();
            for (int i = 0; i < 500; i++) {
                RecordMetadata answer = answers.get(i).get();
                Long before = last.put(answer.partition(), answer.offset());
                Clients.check(before == null || answer.offset() == before + 1, "offsets have gaps");
                sent.computeIfAbsent(answer.partition(), p -> new ArrayList<>())
                        .add("key-" + i + "=" + value(codec, i));
            }
        }
        return sent;
    }

    private static String value(String codec, int i) {
        return codec + " " + i + " " + "abcdefgh ".repeat(i % 40);
    }

    static void headersAndNulls(Clients clients, String topic, String group) throws Exception {
        List<ProducerRecord<byte[], byte[]>> sent = new ArrayList<>();
        sent.add(record(topic, "k", "no headers"));
        sent.add(record(topic, "k", "one header", "h", "v"));
        sent.add(record(topic, "k", "several", "a", "1", "b", "2", "a", "3", "empty", "", "null", null,
                "", "empty key", "ключ", "значение"));
        sent.add(record(topic, null, "null key"));
        sent.add(record(topic, "", "empty key"));
        sent.add(record(topic, "null value", null));
        sent.add(record(topic, "empty value", ""));
        sent.add(record(topic, null, null));
        sent.add(record(topic, null, null, "h", null));
        try (KafkaProducer<byte[], byte[]> producer = clients.producer("linger.ms", 50)) {
            List<Future<RecordMetadata>> answers = new ArrayList<>();
            for (ProducerRecord<byte[], byte[]> record : sent) {
                answers.add(producer.send(record));
            }
            for (Future<RecordMetadata> answer : answers) {
                answer.get();
            }
        }
        try (KafkaConsumer<byte[], byte[]> consumer = clients.consumer("auto.offset.reset", "earliest")) {
            consumer.assign(Clients.partitions(topic, 1));
            List<ConsumerRecord<byte[], byte[]>> got = Clients.read(consumer, sent.size());
            for (int i = 0; i < sent.size(); i++) {
                Clients.checkEqual(Clients.text(got.get(i).key()), Clients.text(sent.get(i).key()), "key");
                Clients.checkEqual(
                        Clients.text(got.get(i).value()), Clients.text(sent.get(i).value()), "value");
                Clients.checkEqual(
                        Arrays.asList(got.get(i).headers().toArray()),
                        Arrays.asList(sent.get(i).headers().toArray()), "headers");
            }
        }
    }

    private static ProducerRecord<byte[], byte[]> record(
            String topic, String key, String value, String... headers) {
        List<Header> all = new ArrayList<>();
        for (int i = 0; i < headers.length; i += 2) {
            all.add(new RecordHeader(headers[i], Clients.bytes(headers[i + 1])));
        }
        return new ProducerRecord<>(topic, 0, Clients.bytes(key), Clients.bytes(value), all);
    }

    // A batch of one record without key and headers, whose lengths take three bytes each, is 72
    // bytes larger than the record's value.
    private static final int LARGEST = 200_000 - 72;

    static void sizes(Clients clients, String topic, String group) throws Exception {
        int[] sizes = {1, 100, 10_000, 500_000, LARGEST, 1};
        try (KafkaProducer<byte[], byte[]> producer = clients.producer("max.request.size", 2_000_000)) {
            for (int size : sizes) {
                producer.send(sized(size > LARGEST ? topic + "-large" : topic, size)).get();
            }
            Clients.expect(RecordTooLargeException.class,
                    () -> producer.send(sized(topic, LARGEST + 1)).get());
            producer.send(sized(topic, 77)).get();
        }
        checkSizes(clients, topic, 1, 100, 10_000, LARGEST, 1, 77);
        checkSizes(clients, topic + "-large", 500_000);
    }

    private static ProducerRecord<byte[], byte[]> sized(String topic, int size) {
        return new ProducerRecord<>(topic, sizedValue(size));
    }

    private static byte[] sizedValue(int size) {
        byte[] value = new byte[size];
        for (int i = 0; i < size; i++) {
            value[i] = (byte) (i * 31 + size);
        }
        return value;
    }

    private static void checkSizes(Clients clients, String topic, int... sizes) {
        try (KafkaConsumer<byte[], byte[]> consumer = clients.consumer("auto.offset.reset", "earliest")) {
            consumer.assign(Clients.partitions(topic, 1));
            List<ConsumerRecord<byte[], byte[]>> got = Clients.read(consumer, sizes.length);
            for (int i = 0; i < sizes.length; i++) {
                Clients.checkEqual(got.get(i).value().length, sizes[i], "size");
                Clients.check(Arrays.equals(got.get(i).value(), sizedValue(sizes[i])), "other bytes");
            }
            Clients.expectNothing(consumer);
        }
    }

    static void idempotent(Clients clients, String topic, String group) throws Exception {
        List<List<String>> sent = List.of(new ArrayList<>(), new ArrayList<>(), new ArrayList<>());
        try (KafkaProducer<byte[], byte[]> producer = clients.producer(
                "enable.idempotence", true, "acks", "all", "batch.size", 2000, "linger.ms", 2)) {
            List<Future<RecordMetadata>> answers = new ArrayList<>();
            for (int i = 0; i < 3000; i++) {
                String value = "record " + i + " " + "x".repeat(i % 200);
                sent.get(i % 3).add(value);
                answers.add(producer.send(new ProducerRecord<>(
                        topic, i % 3, null, Clients.bytes(value))));
            }
            for (Future<RecordMetadata> answer : answers) {
                answer.get();
            }
        }
        for (int p = 0; p < 3; p++) {
            try (KafkaConsumer<byte[], byte[]> consumer =
                    clients.consumer("auto.offset.reset", "earliest")) {
                consumer.assign(List.of(new TopicPartition(topic, p)));
                Clients.checkEqual(
                        Clients.values(Clients.read(consumer, 1000)), sent.get(p), "partition " + p);
                Clients.expectNothing(consumer);
            }
        }
    }

    static void slowConsumer(Clients clients, String topic, String group) throws Exception {
        try (KafkaConsumer<byte[], byte[]> idle = clients.consumer()) {
            TopicPartition quiet = new TopicPartition(topic + "-idle", 0);
            idle.assign(List.of(quiet));
            idle.seekToBeginning(List.of(quiet));
            produceMegabytes(clients, topic, 20);
            readSlowly(clients, topic, 20_000);
            Clients.check(idle.poll(Duration.ofSeconds(12)).isEmpty(), "a record of an empty topic");
            clients.produce(quiet, "late", 1);
            Clients.checkEqual(Clients.values(Clients.read(idle, 1)), List.of("late-0"), "late record");
        }
    }

    private static void produceMegabytes(Clients clients, String topic, int megabytes) throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = clients.producer("linger.ms", 20)) {
            Future<RecordMetadata> last = null;
            for (int i = 0; i < megabytes * 1000; i++) {
                byte[] value = Arrays.copyOf(Clients.bytes("value " + i + " "), 1000);
                last = producer.send(new ProducerRecord<>(topic, 0, null, value));
            }
            Clients.checkEqual(last.get().offset(), megabytes * 1000L - 1, "last offset");
        }
    }

    /** A small buffer, and a pause after each megabyte: the broker has to hold back. */
    private static void readSlowly(Clients clients, String topic, int count) throws Exception {
        try (KafkaConsumer<byte[], byte[]> consumer = clients.consumer(
                "auto.offset.reset", "earliest", "receive.buffer.bytes", 8192,
                "max.poll.records", 1000)) {
            consumer.assign(Clients.partitions(topic, 1));
            long next = 0;
            long deadline = System.nanoTime() + Clients.PATIENCE.toNanos();
            while (next < count) {
                Clients.check(System.nanoTime() < deadline, "only " + next + " records came");
                ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMillis(100));
                for (ConsumerRecord<byte[], byte[]> record : records) {
                    Clients.checkEqual(record.offset(), next, "offset");
                    Clients.check(Clients.text(record.value()).startsWith("value " + next + " "), "value");
                    next++;
                }
                Thread.sleep(100);
            }
            Clients.checkEqual(next, (long) count, "records");
        }
    }
}
