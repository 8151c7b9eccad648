//! Scenarios about topics, their configuration and groups, as an administrator sees them.

use futures::executor::block_on;
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::Consumer;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::Offset;

use super::clients::{at, fill, Library, New, Reader, TIMEOUT};
use crate::contract::*;

struct Administrator {
    admin: AdminClient<DefaultClientContext>,
    reader: Reader,
}

/// The outcome of the first thing that an answer is about.
fn first<T>(answer: Vec<Result<T, (String, RDKafkaErrorCode)>>) -> Result<T, Failure> {
    match answer.into_iter().next() {
        Some(Ok(value)) => Ok(value),
        Some(Err((name, code))) => Err(Failure { code: code as i32, text: name }),
        None => Err(Failure { code: 0, text: "the answer is empty".to_string() }),
    }
}

impl Administrator {
    fn new(library: &Library) -> Result<Administrator, Failure> {
        Ok(Administrator {
            admin: library.config(&[]).create()?,
            reader: library.consumer("unused", &[])?,
        })
    }

    fn create(
        &self,
        name: &str,
        partitions: i32,
        replicas: i32,
        config: &[(&str, &str)],
    ) -> Result<(), Failure> {
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(replicas));
        for (key, value) in config {
            topic = topic.set(key, value);
        }
        first(block_on(self.admin.create_topics(&[topic], &AdminOptions::new()))?).map(|_| ())
    }

    fn topics(&self) -> Result<Vec<String>, Failure> {
        let metadata = self.reader.consumer.fetch_metadata(None, TIMEOUT)?;
        Ok(metadata.topics().iter().map(|t| t.name().to_string()).collect())
    }

    fn has(&self, name: &str) -> Result<bool, Failure> {
        Ok(self.topics()?.iter().any(|t| t == name))
    }

    fn partitions(&self, name: &str) -> Result<usize, Failure> {
        let metadata = self.reader.consumer.fetch_metadata(Some(name), TIMEOUT)?;
        Ok(metadata.topics()[0].partitions().len())
    }

    fn delete(&self, names: &[&str]) -> Result<(), Failure> {
        first(block_on(self.admin.delete_topics(names, &AdminOptions::new()))?).map(|_| ())
    }

    fn add_partitions(&self, name: &str, total: usize) -> Result<(), Failure> {
        let new = NewPartitions::new(name, total);
        first(block_on(self.admin.create_partitions(&[new], &AdminOptions::new()))?).map(|_| ())
    }

    fn config(&self, name: &str, key: &str) -> Result<Option<String>, Failure> {
        let resource = ResourceSpecifier::Topic(name);
        let answer = block_on(self.admin.describe_configs(&[resource], &AdminOptions::new()))?;
        match answer.into_iter().next() {
            Some(Ok(resource)) => Ok(resource.get(key).and_then(|entry| entry.value.clone())),
            Some(Err(code)) => Err(Failure { code: code as i32, text: name.to_string() }),
            None => Err(Failure { code: 0, text: "the answer is empty".to_string() }),
        }
    }

    fn set_config(&self, name: &str, key: &str, value: &str) -> Result<(), Failure> {
        let change = AlterConfig::new(ResourceSpecifier::Topic(name)).set(key, value);
        let answer = block_on(self.admin.alter_configs(&[change], &AdminOptions::new()))?;
        match answer.into_iter().next() {
            Some(Err((_, code))) => Err(Failure { code: code as i32, text: key.to_string() }),
            _ => Ok(()),
        }
    }

    fn group(&self, group: &str) -> Result<(String, usize), Failure> {
        let list = self.reader.consumer.fetch_group_list(Some(group), TIMEOUT)?;
        let found = list.groups().iter().find(|g| g.name() == group);
        Ok(found.map_or((String::new(), 0), |g| (g.state().to_string(), g.members().len())))
    }

    fn delete_group(&self, group: &str) -> Result<(), Failure> {
        first(block_on(self.admin.delete_groups(&[group], &AdminOptions::new()))?).map(|_| ())
    }
}

pub fn admin(library: &Library, topic: &str, group: &str) -> Outcome {
    let administrator = Administrator::new(library)?;
    let name = format!("{topic}-made");
    topics(&administrator, &name)?;
    configs(&administrator, &name)?;
    records(library, &administrator, &name)?;
    groups(library, &administrator, &name, group)?;
    administrator.delete(&[&name])?;
    wait_until("the topic goes away", 60, || Ok(!administrator.has(&name)?))?;
    expect_failure(UNKNOWN_TOPIC, "deleting it again", administrator.delete(&[&name]))
}

fn topics(administrator: &Administrator, name: &str) -> Outcome {
    administrator.create(name, 3, 1, &[("retention.ms", "7200000")])?;
    wait_until("the topic is listed", 60, || Ok(administrator.has(name)?))?;
    expect_equal(administrator.partitions(name)?, 3, "partitions")?;
    let (not, long) = (format!("{name}-not"), "x".repeat(250));
    type Case<'a> = (i32, &'a str, i32, i32, &'a [(&'a str, &'a str)]);
    let cases: [Case; 6] = [
        (TOPIC_ALREADY_EXISTS, name, 1, 1, &[]),
        (INVALID_TOPIC, "a/b", 1, 1, &[]),
        (INVALID_TOPIC, &long, 1, 1, &[]),
        (INVALID_REPLICATION_FACTOR, &not, 1, 5, &[]),
        (INVALID_CONFIG, &not, 1, 1, &[("no.such.key", "1")]),
        (INVALID_CONFIG, &not, 1, 1, &[("retention.ms", "long")]),
    ];
    for (code, made, partitions, replicas, config) in cases {
        let result = administrator.create(made, partitions, replicas, config);
        expect_failure(code, &format!("creating {made}"), result)?;
    }
    expect(!administrator.has(&not)?, "a refused topic is there")
}

fn configs(administrator: &Administrator, name: &str) -> Outcome {
    administrator.add_partitions(name, 5)?;
    wait_until("more partitions", 60, || Ok(administrator.partitions(name)? == 5))?;
    expect_failure(INVALID_PARTITIONS, "fewer partitions", administrator.add_partitions(name, 2))?;
    let value = administrator.config(name, "retention.ms")?;
    expect_equal(value.as_deref(), Some("7200000"), "a set value")?;
    let value = administrator.config(name, "segment.bytes")?;
    expect_equal(value.as_deref(), Some("1073741824"), "a default value")?;
    administrator.set_config(name, "retention.ms", "3600000")?;
    wait_until("the altered value", 60, || {
        Ok(administrator.config(name, "retention.ms")?.as_deref() == Some("3600000"))
    })?;
    // The library does not pass on that a value is refused; that it is not taken can be seen.
    administrator.set_config(name, "retention.ms", "soon")?;
    let value = administrator.config(name, "retention.ms")?;
    expect_equal(value.as_deref(), Some("3600000"), "the value after a bad one was refused")
}

fn records(library: &Library, administrator: &Administrator, name: &str) -> Outcome {
    fill(library, name, &[20], 0)?;
    expect_equal(administrator.reader.bounds(name, 0)?, (0, 20), "bounds")?;
    let before = at(name, 0, Offset::Offset(15));
    block_on(administrator.admin.delete_records(&before, &AdminOptions::new()))
        .map_err(Failure::from)?;
    expect_equal(administrator.reader.bounds(name, 0)?, (15, 20), "bounds afterwards")
}

fn groups(library: &Library, administrator: &Administrator, name: &str, group: &str) -> Outcome {
    let member = library.consumer(group, &[])?;
    member.consumer.subscribe(&[name]).map_err(Failure::from)?;
    expect_equal(numbers(&member.take(5)?), (15..20).collect(), "what is left")?;
    member.commit(name, 0, 17)?;
    let (state, members) = administrator.group(group)?;
    expect_equal((state.as_str(), members), ("Stable", 1), "the group")?;
    expect_failure(NON_EMPTY_GROUP, "deleting it", administrator.delete_group(group))?;
    drop(member);
    wait_until("the group is empty", 60, || Ok(administrator.group(group)?.0 == "Empty"))?;
    administrator.delete_group(group)?;
    expect_failure(GROUP_ID_NOT_FOUND, "deleting it again", administrator.delete_group(group))
}

pub fn many_topics(library: &Library, topic: &str) -> Outcome {
    let administrator = Administrator::new(library)?;
    let names: Vec<String> = (0..2000).map(|i| format!("{topic}-{i}")).collect();
    for some in names.chunks(100) {
        let new: Vec<NewTopic> =
            some.iter().map(|n| NewTopic::new(n, 1, TopicReplication::Fixed(1))).collect();
        let answer = block_on(administrator.admin.create_topics(&new, &AdminOptions::new()));
        for result in answer.map_err(Failure::from)? {
            result.map_err(|(name, code)| format!("creating {name}: {code}"))?;
        }
    }
    wait_until("all topics are listed", 150, || {
        let listed: std::collections::HashSet<String> =
            administrator.topics()?.into_iter().collect();
        Ok(names.iter().all(|name| listed.contains(name)))
    })?;
    let producer = library.producer(&[])?;
    for name in &names {
        producer.send(name, 0, &New { value: Some(name.as_bytes()), ..New::default() })?;
    }
    producer.flush()?;
    let consumer = library.consumer("unused", &[])?;
    consumer.assign(&names.iter().map(|n| (n.as_str(), 0)).collect::<Vec<_>>())?;
    let mut found = std::collections::HashSet::new();
    for record in consumer.take(names.len())? {
        expect_equal(
            record.value.as_deref(),
            Some(record.topic.as_bytes()),
            "the record of a topic",
        )?;
        found.insert(record.topic);
    }
    expect_equal(found.len(), names.len(), "topics with a record")?;
    for some in names.chunks(100) {
        administrator.delete(&some.iter().map(String::as_str).collect::<Vec<_>>())?;
    }
    Ok(())
}
