"""Scenarios about topics, their configuration and groups, as an administrator sees them."""

from contract import (
    GROUP_ID_NOT_FOUND,
    INVALID_CONFIG,
    INVALID_PARTITIONS,
    INVALID_REPLICATION_FACTOR,
    INVALID_TOPIC,
    NON_EMPTY_GROUP,
    TOPIC_ALREADY_EXISTS,
    UNKNOWN_TOPIC,
    expect,
    expect_equal,
    expect_failure,
    read,
    wait_until,
)
from read_scenarios import fill, numbers


def admin(client, topic, group):
    administer = client.admin()
    name = f"{topic}-made"
    topics(administer, name)
    configs(administer, name)
    records(client, administer, name)
    groups(client, administer, name, group)
    administer.delete([name])
    wait_until(lambda: name not in administer.topics(), "the topic goes away")
    expect_failure({UNKNOWN_TOPIC}, "deleting it again", administer.delete, [name])
    administer.close()


def topics(administer, name):
    administer.create([name], partitions=3, config={"retention.ms": "7200000"})
    wait_until(lambda: name in administer.topics(), "the topic is listed")
    expect_equal(administer.partitions(name), 3, "partitions")
    for codes, what, made, options in [
        ({TOPIC_ALREADY_EXISTS}, "a topic that exists", name, {}),
        ({INVALID_TOPIC}, "a name with a slash", "a/b", {}),
        ({INVALID_TOPIC}, "a long name", "x" * 250, {}),
        ({INVALID_PARTITIONS}, "no partitions", f"{name}-not", {"partitions": 0}),
        ({INVALID_REPLICATION_FACTOR}, "more replicas than nodes", f"{name}-not", {"replication": 5}),
        ({INVALID_CONFIG}, "an unknown key", f"{name}-not", {"config": {"no.such.key": "1"}}),
        ({INVALID_CONFIG}, "a bad value", f"{name}-not", {"config": {"retention.ms": "long"}}),
    ]:
        expect_failure(codes, what, administer.create, [made], **options)
    expect(f"{name}-not" not in administer.topics(), "a refused topic is there")
    administer.add_partitions(name, 5)
    wait_until(lambda: administer.partitions(name) == 5, "more partitions")
    expect_failure({INVALID_PARTITIONS}, "fewer partitions", administer.add_partitions, name, 2)


def configs(administer, name):
    found = administer.config(name)
    expect_equal(found.get("retention.ms"), "7200000", "a set value")
    expect_equal(found.get("segment.bytes"), "1073741824", "a default value")
    administer.set_config(name, "retention.ms", "3600000")
    wait_until(
        lambda: administer.config(name).get("retention.ms") == "3600000", "the altered value"
    )
    expect_failure(
        {INVALID_CONFIG}, "altering to a bad value",
        administer.set_config, name, "retention.ms", "soon",
    )  # fmt: skip


def records(client, administer, name):
    fill(client, name, [20])
    consumer = client.consumer()
    expect_equal(consumer.bounds((name, 0)), (0, 20), "bounds")
    if client.can_delete_records:
        administer.delete_records(name, 0, 15)
        expect_equal(consumer.bounds((name, 0)), (15, 20), "bounds after records were deleted")
        consumer.assign([(name, 0)])
        expect_equal(numbers(read(consumer, 5)), list(range(15, 20)), "what is left")
    consumer.close()


def groups(client, administer, name, group):
    member = client.consumer(group=group)
    member.subscribe(name)
    seen = []

    def joined():
        seen.extend(member.poll(0.2))
        return bool(member.assignment())

    wait_until(joined, "the member joins")
    member.commit({(name, 0): 17})
    wait_until(lambda: group in administer.groups(), "the group is listed")
    if client.can_describe_groups:
        wait_until(lambda: administer.group(group) == ("Stable", 1), "the group is stable")
        expect_failure({NON_EMPTY_GROUP}, "deleting it", administer.delete_group, group)
    member.close()
    if client.can_describe_groups:
        wait_until(lambda: administer.group(group) == ("Empty", 0), "the group is empty")
        administer.delete_group(group)
        expect(group not in administer.groups(), "a deleted group is listed")
        expect_failure({GROUP_ID_NOT_FOUND}, "deleting it again", administer.delete_group, group)


def many_topics(client, topic, _group):
    count, at_once = client.topics_at_once, 100
    names = [f"{topic}-{i:04}" for i in range(count)]
    administer = client.admin()
    for start in range(0, count, at_once):
        administer.create(names[start : start + at_once])
    wait_until(
        lambda: set(names) <= set(administer.topics()), "all topics are listed", seconds=150
    )
    producer = client.producer(linger_ms=5)
    for name in names:
        producer.send(name, name.encode(), partition=0)
    producer.flush()
    producer.close()
    consumer = client.consumer()
    consumer.assign([(name, 0) for name in names])
    found = {r.topic: r.value.decode() for r in read(consumer, count, seconds=150)}
    consumer.close()
    expect_equal(found, {name: name for name in names}, "one record of each topic")
    for start in range(0, count, at_once):
        administer.delete(names[start : start + at_once])
    administer.close()
