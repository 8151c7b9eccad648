import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.apache.kafka.common.errors.InvalidReplicationFactorException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.OffsetOutOfRangeException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** Scenarios about topics, configurations and groups from outside. */
final class AdminScenarios {
    private AdminScenarios() {}

    static void admin(Clients clients, String topic, String group) throws Exception {
        try (Admin admin = clients.admin()) {
            topics(admin, topic + "-made");
            configs(admin, topic + "-made");
            offsets(clients, admin, topic + "-made");
            groups(clients, admin, topic, group);
            cluster(admin);
            deletion(admin, topic + "-made");
        }
    }

    private static void topics(Admin admin, String topic) throws Exception {
        NewTopic made = new NewTopic(topic, 3, (short) 1).configs(Map.of("retention.ms", "3600000"));
        admin.createTopics(List.of(made)).all().get();
        Clients.expect(TopicExistsException.class, () -> admin.createTopics(List.of(made)).all().get());
        Clients.await("the topic is listed", () -> admin.listTopics().names().get().contains(topic));
        expectCreateError(admin, InvalidTopicException.class, new NewTopic("bad name!", 1, (short) 1));
        expectCreateError(admin, InvalidTopicException.class, new NewTopic("..", 1, (short) 1));
        expectCreateError(admin, InvalidTopicException.class, new NewTopic("n".repeat(250), 1, (short) 1));
        expectCreateError(admin, InvalidPartitionsException.class, new NewTopic(topic + "x", 0, (short) 1));
        expectCreateError(
                admin, InvalidReplicationFactorException.class, new NewTopic(topic + "x", 1, (short) 5));
        expectCreateError(admin, InvalidConfigurationException.class,
                new NewTopic(topic + "x", 1, (short) 1).configs(Map.of("retention.ms", "soon")));
        expectCreateError(admin, InvalidConfigurationException.class,
                new NewTopic(topic + "x", 1, (short) 1).configs(Map.of("no.such.key", "1")));
        Clients.check(!admin.listTopics().names().get().contains(topic + "x"), "a refused topic is there");

        TopicDescription described = describe(admin, topic);
        Clients.checkEqual(described.partitions().size(), 3, "partitions");
        Clients.checkEqual(described.partitions().get(2).replicas().size(), 1, "replicas");
        admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(5))).all().get();
        Clients.checkEqual(describe(admin, topic).partitions().size(), 5, "partitions");
        Clients.expect(InvalidPartitionsException.class,
                () -> admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(5))).all().get());
        Clients.expect(InvalidPartitionsException.class,
                () -> admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(2))).all().get());
        Clients.expect(UnknownTopicOrPartitionException.class,
                () -> admin.createPartitions(Map.of(topic + "x", NewPartitions.increaseTo(2))).all().get());
        Clients.expect(UnknownTopicOrPartitionException.class, () -> describe(admin, topic + "x"));
    }

    private static void expectCreateError(Admin admin, Class<? extends Throwable> wanted, NewTopic topic)
            throws Exception {
        Clients.expect(wanted, () -> admin.createTopics(List.of(topic)).all().get());
    }

    /** DescribeTopicsResult renamed its methods in 3.1 and lost the old ones in 4.0. */
    @SuppressWarnings("unchecked")
    private static TopicDescription describe(Admin admin, String topic) throws Exception {
        Object result = admin.describeTopics(List.of(topic));
        Method values;
        try {
            values = result.getClass().getMethod("topicNameValues");
        } catch (NoSuchMethodException e) {
            values = result.getClass().getMethod("values");
        }
        return ((Map<String, KafkaFuture<TopicDescription>>) values.invoke(result)).get(topic).get();
    }

    private static void configs(Admin admin, String topic) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        ConfigEntry entry = config(admin, resource).get("retention.ms");
        Clients.checkEqual(entry.value(), "3600000", "retention.ms");
        Clients.checkEqual(entry.source(), ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG, "source");
        alter(admin, resource, "retention.ms", "7200000", AlterConfigOp.OpType.SET);
        alter(admin, resource, "cleanup.policy", "compact", AlterConfigOp.OpType.APPEND);
        Clients.await("the configuration is changed", () ->
                config(admin, resource).get("retention.ms").value().equals("7200000")
                        && config(admin, resource).get("cleanup.policy").value().equals("delete,compact"));
        alter(admin, resource, "cleanup.policy", "compact", AlterConfigOp.OpType.SUBTRACT);
        alter(admin, resource, "retention.ms", "", AlterConfigOp.OpType.DELETE);
        Clients.await("the configuration is back", () ->
                config(admin, resource).get("retention.ms").value().equals("604800000")
                        && config(admin, resource).get("cleanup.policy").value().equals("delete"));
        Clients.checkEqual(config(admin, resource).get("retention.ms").isDefault(), true, "default");
        Clients.expect(InvalidConfigurationException.class,
                () -> alter(admin, resource, "retention.ms", "never", AlterConfigOp.OpType.SET));
        Clients.expect(UnknownTopicOrPartitionException.class, () -> alter(admin,
                new ConfigResource(ConfigResource.Type.TOPIC, topic + "x"), "retention.ms", "1",
                AlterConfigOp.OpType.SET));
        Clients.expect(UnknownTopicOrPartitionException.class,
                () -> config(admin, new ConfigResource(ConfigResource.Type.TOPIC, topic + "x")));
    }

    private static Config config(Admin admin, ConfigResource resource) throws Exception {
        return admin.describeConfigs(List.of(resource)).all().get().get(resource);
    }

    private static void alter(Admin admin, ConfigResource resource, String key, String value,
            AlterConfigOp.OpType type) throws Exception {
        AlterConfigOp op = new AlterConfigOp(new ConfigEntry(key, value), type);
        admin.incrementalAlterConfigs(Map.of(resource, List.of(op))).all().get();
    }

    private static void offsets(Clients clients, Admin admin, String topic) throws Exception {
        TopicPartition partition = new TopicPartition(topic, 4);
        clients.produce(partition, "v", 50);
        Clients.checkEqual(offset(admin, partition, OffsetSpec.earliest()), 0L, "earliest");
        Clients.checkEqual(offset(admin, partition, OffsetSpec.latest()), 50L, "latest");
        Clients.checkEqual(admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(20)))
                .lowWatermarks().get(partition).get().lowWatermark(), 20L, "low watermark");
        Clients.checkEqual(offset(admin, partition, OffsetSpec.earliest()), 20L, "earliest");
        Clients.expect(OffsetOutOfRangeException.class, () ->
                admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(51))).all().get());
        admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(-1))).all().get();
        Clients.checkEqual(offset(admin, partition, OffsetSpec.earliest()), 50L, "earliest");
    }

    private static long offset(Admin admin, TopicPartition partition, OffsetSpec spec) throws Exception {
        return admin.listOffsets(Map.of(partition, spec)).partitionResult(partition).get().offset();
    }

    private static void groups(Clients clients, Admin admin, String topic, String group) throws Exception {
        TopicPartition partition = new TopicPartition(topic, 0);
        clients.produce(partition, "g", 10);
        try (KafkaConsumer<byte[], byte[]> consumer = clients.member(group, "client.id", "the-member")) {
            consumer.subscribe(List.of(topic));
            Clients.read(consumer, 10);
            consumer.commitSync();
            ConsumerGroupDescription described = describeGroup(admin, group);
            Clients.checkEqual(described.state().toString(), "Stable", "state");
            Clients.checkEqual(described.partitionAssignor(), "range", "assignor");
            Clients.checkEqual(described.members().size(), 1, "members");
            described.members().forEach(member -> {
                Clients.checkEqual(member.clientId(), "the-member", "client id");
                Clients.checkEqual(member.host(), "/127.0.0.1", "host");
                Clients.checkEqual(member.assignment().topicPartitions(), Set.of(partition), "assignment");
            });
            Clients.expect(GroupNotEmptyException.class,
                    () -> admin.deleteConsumerGroups(List.of(group)).all().get());
        }
        Clients.checkEqual(describeGroup(admin, group).state().toString(), "Empty", "state");
        Clients.check(admin.listConsumerGroups().all().get().stream()
                .anyMatch(g -> g.groupId().equals(group)), "the group is not listed");
        admin.alterConsumerGroupOffsets(group, Map.of(partition, new OffsetAndMetadata(3, "by hand")))
                .all().get();
        OffsetAndMetadata committed = admin.listConsumerGroupOffsets(group)
                .partitionsToOffsetAndMetadata().get().get(partition);
        Clients.checkEqual(committed, new OffsetAndMetadata(3, Optional.empty(), "by hand"), "commit");
        admin.deleteConsumerGroupOffsets(group, Set.of(partition)).all().get();
        Clients.checkEqual(
                admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get(), Map.of(),
                "commits after their deletion");
        admin.deleteConsumerGroups(List.of(group)).all().get();
        Clients.expect(GroupIdNotFoundException.class,
                () -> admin.deleteConsumerGroups(List.of(group)).all().get());
        Clients.check(admin.listConsumerGroups().all().get().stream()
                .noneMatch(g -> g.groupId().equals(group)), "the group is still listed");
    }

    private static ConsumerGroupDescription describeGroup(Admin admin, String group) throws Exception {
        return admin.describeConsumerGroups(List.of(group)).all().get().get(group);
    }

    private static void cluster(Admin admin) throws Exception {
        int controller = admin.describeCluster().controller().get().id();
        Clients.checkEqual(admin.describeCluster().nodes().get().size(),
                System.getenv("MATRIX_CLUSTER") != null ? 3 : 1, "nodes");
        Clients.check(admin.describeCluster().nodes().get().stream().anyMatch(n -> n.id() == controller),
                "the controller is no node");
        Clients.checkEqual(admin.describeCluster().clusterId().get().length(), 22, "length of cluster id");
    }

    private static void deletion(Admin admin, String topic) throws Exception {
        admin.deleteTopics(List.of(topic)).all().get();
        Clients.expect(UnknownTopicOrPartitionException.class,
                () -> admin.deleteTopics(List.of(topic)).all().get());
        Clients.await("the topic is gone", () -> !admin.listTopics().names().get().contains(topic));
    }

    static void manyTopics(Clients clients, String topic, String group) throws Exception {
        int count = 2000;
        Set<String> names = new HashSet<>();
        List<NewTopic> wanted = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            names.add(topic + "-" + i);
            wanted.add(new NewTopic(topic + "-" + i, 1, (short) 1));
        }
        try (Admin admin = clients.admin()) {
            admin.createTopics(wanted).all().get();
            Clients.await("all topics are listed",
                    () -> admin.listTopics().names().get().containsAll(names));
            awaitLeaders(admin, names);
            produceToEach(clients, names);
            try (KafkaConsumer<byte[], byte[]> consumer = clients.member(group)) {
                consumer.subscribe(names);
                Set<String> read = Clients.read(consumer, count).stream()
                        .map(ConsumerRecord::topic).collect(Collectors.toSet());
                Clients.checkEqual(read, names, "topics that were read");
                consumer.commitSync();
            }
            Clients.checkEqual(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get()
                    .size(), count, "commits");
            admin.deleteTopics(names).all().get();
            Clients.await("all topics are gone", () ->
                    Collections.disjoint(admin.listTopics().names().get(), names));
        }
    }

    /** Kafka lists topics before their leader can serve them; Admin goes on asking until it does. */
    private static void awaitLeaders(Admin admin, Collection<String> names) throws Exception {
        Map<TopicPartition, OffsetSpec> specs = new HashMap<>();
        for (String name : names) {
            specs.put(new TopicPartition(name, 0), OffsetSpec.latest());
        }
        admin.listOffsets(specs).all().get();
    }

    private static void produceToEach(Clients clients, Collection<String> names) throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = clients.producer()) {
            List<Future<?>> sent = new ArrayList<>();
            for (String name : names) {
                sent.add(producer.send(new ProducerRecord<>(name, Clients.bytes("to " + name))));
            }
            for (Future<?> future : sent) {
                future.get();
            }
        }
    }
}
