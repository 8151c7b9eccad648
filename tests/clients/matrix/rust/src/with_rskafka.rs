//! rskafka: partitions and topics, without consumer groups.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeZone, Utc};
use rskafka::client::error::{Error, ProtocolError};
use rskafka::client::partition::{Compression, OffsetAt, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder};
use rskafka::record::Record;

use crate::contract::*;

pub fn run(scenario: &str, bootstrap: &str, topic: &str) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|e| e.to_string())?.block_on(async {
        let library = Library::connect(bootstrap).await?;
        match scenario {
            "codecs" => library.codecs(topic).await,
            "headers_and_nulls" => library.headers_and_nulls(topic).await,
            "sizes" => library.sizes(topic).await,
            "idempotent" => library.idempotent(topic).await,
            "seek_by_time" => library.seek_by_time(topic).await,
            "admin" => library.admin(topic).await,
            "many_topics" => library.many_topics(topic).await,
            "slow_consumer" => library.slow_consumer(topic).await,
            _ => Err(format!("there is no scenario {scenario}")),
        }
    })
}

/// The library hides the numbers of the errors.
fn code(error: &ProtocolError) -> i32 {
    match error {
        ProtocolError::UnknownTopicOrPartition => UNKNOWN_TOPIC,
        ProtocolError::MessageTooLarge => MESSAGE_TOO_LARGE,
        ProtocolError::InvalidTopicException => INVALID_TOPIC,
        ProtocolError::TopicAlreadyExists => TOPIC_ALREADY_EXISTS,
        ProtocolError::InvalidPartitions => INVALID_PARTITIONS,
        ProtocolError::InvalidReplicationFactor => INVALID_REPLICATION_FACTOR,
        _ => 0,
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let text = error.to_string();
        match error {
            Error::ServerError { protocol_error, .. } => {
                Failure { code: code(&protocol_error), text }
            }
            _ => Failure { code: 0, text },
        }
    }
}

struct Library {
    bootstrap: String,
    client: Client,
}

fn value(bytes: impl Into<Vec<u8>>) -> Record {
    let timestamp = Utc.timestamp_millis_opt(Utc::now().timestamp_millis()).unwrap();
    Record { key: None, value: Some(bytes.into()), headers: BTreeMap::new(), timestamp }
}

async fn put(partition: &PartitionClient, record: Record) -> Result<(), Failure> {
    partition.produce(vec![record], Compression::NoCompression).await?;
    Ok(())
}

/// All records from an offset up to the end.
async fn read(partition: &PartitionClient, mut offset: i64) -> Result<Vec<Record>, Failure> {
    let mut found = Vec::new();
    loop {
        let (records, end) = partition.fetch_records(offset, 1..1_000_000, 1000).await?;
        for record in records {
            offset = record.offset + 1;
            found.push(record.record);
        }
        if offset >= end {
            return Ok(found);
        }
    }
}

impl Library {
    async fn connect(bootstrap: &str) -> Result<Library, Failure> {
        let brokers = bootstrap.split(',').map(str::to_string).collect();
        let client = ClientBuilder::new(brokers).build().await?;
        Ok(Library { bootstrap: bootstrap.to_string(), client })
    }

    async fn partition(&self, topic: &str, partition: i32) -> Result<PartitionClient, Failure> {
        Ok(self.client.partition_client(topic, partition, UnknownTopicHandling::Error).await?)
    }

    async fn codecs(&self, topic: &str) -> Outcome {
        for number in 0..3 {
            let partition = self.partition(topic, number).await?;
            let mut wanted = Vec::new();
            for codec in [
                Compression::NoCompression,
                Compression::Gzip,
                Compression::Snappy,
                Compression::Lz4,
                Compression::Zstd,
            ] {
                let records: Vec<Record> = (0..167)
                    .map(|i| {
                        let mut record = value(format!("{codec:?} {i} ").repeat(20));
                        record.key = Some(format!("{codec:?}-{i}").into_bytes());
                        record
                    })
                    .collect();
                partition.produce(records.clone(), codec).await.map_err(Failure::from)?;
                wanted.extend(records);
            }
            expect_equal(read(&partition, 0).await?, wanted, "records of all codecs")?;
        }
        Ok(())
    }

    async fn headers_and_nulls(&self, topic: &str) -> Outcome {
        let partition = self.partition(topic, 0).await?;
        let header = |key: &str, value: &[u8]| (key.to_string(), value.to_vec());
        let every_byte: Vec<u8> = (0..=255).collect();
        let mut wanted = Vec::new();
        for (key, content, headers) in [
            (Some("k"), Some("v"), vec![]),
            (Some("k"), Some("v"), vec![header("one", b"1")]),
            (
                Some("k"),
                Some("v"),
                vec![header("a", b"1"), header("b", b""), header("ü€", &every_byte)],
            ),
            (None, Some("no key"), vec![]),
            (Some(""), Some("empty key"), vec![]),
            (Some("no value"), None, vec![]),
            (Some("empty value"), Some(""), vec![]),
            (None, None, vec![header("only", b"headers")]),
            (None, Some(""), vec![]),
        ] {
            let mut record = value("");
            record.key = key.map(|k| k.as_bytes().to_vec());
            record.value = content.map(|v: &str| v.as_bytes().to_vec());
            record.headers = headers.into_iter().collect();
            put(&partition, record.clone()).await?;
            wanted.push(record);
        }
        expect_equal(read(&partition, 0).await?, wanted, "records")
    }

    async fn sizes(&self, topic: &str) -> Outcome {
        let partition = self.partition(topic, 0).await?;
        let sent = [1, 100, 10_000, 199_000, LARGEST];
        for size in sent {
            put(&partition, value(vec![b'x'; size])).await?;
        }
        for size in [LARGEST + 1, 500_000] {
            let result = put(&partition, value(vec![b'x'; size])).await;
            expect_failure(MESSAGE_TOO_LARGE, &format!("a value of {size} bytes"), result)?;
        }
        put(&partition, value("after")).await?;
        let found: Vec<usize> =
            read(&partition, 0).await?.iter().map(|r| r.value.as_ref().unwrap().len()).collect();
        expect_equal(found, [&sent[..], &[5]].concat(), "sizes")?;
        let large = self.partition(&format!("{topic}-large"), 0).await?;
        put(&large, value(vec![b'y'; 500_000])).await?;
        expect_equal(read(&large, 0).await?.len(), 1, "records in the topic of large ones")
    }

    /// The library has no idempotent producer: records may come twice, but none is lost.
    async fn idempotent(&self, topic: &str) -> Outcome {
        for number in 0..3 {
            let partition = self.partition(topic, number).await?;
            let wanted: Vec<Vec<u8>> =
                (0..1000).map(|i| format!("{i} {}", "x".repeat(100)).into_bytes()).collect();
            for some in wanted.chunks(20) {
                let records = some.iter().map(|v| value(v.clone())).collect();
                let result = partition.produce(records, Compression::NoCompression).await;
                result.map_err(Failure::from)?;
            }
            let mut found: Vec<Vec<u8>> = Vec::new();
            let mut seen = std::collections::HashSet::new();
            for record in read(&partition, 0).await? {
                let content = record.value.unwrap_or_default();
                if seen.insert(content.clone()) {
                    found.push(content);
                }
            }
            expect_equal(found, wanted, "records after connections were cut")?;
        }
        Ok(())
    }

    async fn seek_by_time(&self, topic: &str) -> Outcome {
        let partition = self.partition(topic, 0).await?;
        let base = 1_700_000_000_000;
        let time = |ms: i64| -> DateTime<Utc> { Utc.timestamp_millis_opt(ms).unwrap() };
        for i in 0..100 {
            let record = Record { timestamp: time(base + 1000 * i), ..value(i.to_string()) };
            put(&partition, record).await?;
        }
        for (ms, wanted) in [
            (base + 30_000, 30),
            (base - 5_000, 0),
            (base + 30_001, 31),
            (base + 30_999, 31),
            (base + 99_000, 99),
            (base + 99_001, -1),
        ] {
            let found = partition.get_offset(OffsetAt::Timestamp(time(ms))).await;
            expect_equal(found.map_err(Failure::from)?, wanted, &format!("offset at {ms}"))?;
        }
        let found = read(&partition, 31).await?;
        expect_equal(found.len(), 69, "records from there on")?;
        expect_equal(found[0].timestamp, time(base + 31_000), "timestamp")
    }

    async fn create(&self, name: &str, partitions: i32, replicas: i16) -> Result<(), Failure> {
        let controller = self.client.controller_client()?;
        Ok(controller.create_topic(name, partitions, replicas, 30_000).await?)
    }

    async fn has(&self, name: &str) -> Result<bool, Failure> {
        Ok(self.client.list_topics().await?.iter().any(|t| t.name == name))
    }

    async fn admin(&self, topic: &str) -> Outcome {
        let name = format!("{topic}-made");
        self.create(&name, 3, 1).await?;
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.has(&name).await? {
            expect(Instant::now() < deadline, "the topic is not listed")?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for (code, made, partitions, replicas) in [
            (TOPIC_ALREADY_EXISTS, name.as_str(), 1, 1),
            (INVALID_TOPIC, "a/b", 1, 1),
            (INVALID_PARTITIONS, "none", 0, 1),
            (INVALID_REPLICATION_FACTOR, "five", 1, 5),
        ] {
            let result = self.create(made, partitions, replicas).await;
            expect_failure(code, &format!("creating {made}"), result)?;
        }
        let partition = self.partition(&name, 0).await?;
        let records = (0..20).map(|i| value(i.to_string())).collect();
        partition.produce(records, Compression::NoCompression).await.map_err(Failure::from)?;
        partition.delete_records(15, 30_000).await.map_err(Failure::from)?;
        let first = partition.get_offset(OffsetAt::Earliest).await.map_err(Failure::from)?;
        let end = partition.get_offset(OffsetAt::Latest).await.map_err(Failure::from)?;
        expect_equal((first, end), (15, 20), "bounds after records were deleted")?;
        expect_equal(read(&partition, 15).await?.len(), 5, "what is left")?;
        let controller = self.client.controller_client().map_err(Failure::from)?;
        controller.delete_topic(&name, 30_000).await.map_err(Failure::from)?;
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.has(&name).await? {
            expect(Instant::now() < deadline, "the topic does not go away")?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    async fn many_topics(&self, topic: &str) -> Outcome {
        let names: Vec<String> = (0..1000).map(|i| format!("{topic}-{i}")).collect();
        for name in &names {
            self.create(name, 1, 1).await?;
        }
        let deadline = Instant::now() + Duration::from_secs(150);
        for name in &names {
            while !self.has(name).await? {
                expect(Instant::now() < deadline, format!("{name} is not listed"))?;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            let partition = self.partition(name, 0).await?;
            put(&partition, value(name.as_bytes())).await?;
            let found = read(&partition, 0).await?;
            expect_equal(found.len(), 1, "records of a topic")?;
            expect_equal(
                found[0].value.as_deref(),
                Some(name.as_bytes()),
                "the record of a topic",
            )?;
        }
        let controller = self.client.controller_client().map_err(Failure::from)?;
        for name in &names {
            controller.delete_topic(name, 30_000).await.map_err(Failure::from)?;
        }
        Ok(())
    }

    async fn slow_consumer(&self, topic: &str) -> Outcome {
        let (count, size, since) = (2000, 10_000, Instant::now());
        let idle = self.partition(&format!("{topic}-idle"), 0).await?;
        let partition = self.partition(topic, 0).await?;
        for start in (0..count).step_by(10) {
            let records = (start..start + 10)
                .map(|i| {
                    let mut content = format!("{i} ").into_bytes();
                    content.resize(size, b'.');
                    value(content)
                })
                .collect();
            let result = partition.produce(records, Compression::NoCompression).await;
            result.map_err(Failure::from)?;
        }
        let mut seen = 0;
        while seen < count {
            let fetched = partition.fetch_records(seen, 1..65_536, 1000).await;
            for record in fetched.map_err(Failure::from)?.0 {
                let content = record.record.value.unwrap_or_default();
                expect(
                    content.starts_with(format!("{seen} ").as_bytes()),
                    "order of a slow reader",
                )?;
                expect_equal(content.len(), size, "size")?;
                seen += 1;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        while since.elapsed() < Duration::from_secs(12) {
            let fetched = idle.fetch_records(0, 1..65_536, 1000).await.map_err(Failure::from)?;
            expect_equal(fetched.0.len(), 0, "records before there is one")?;
        }
        // Requests of one connection are answered in turn, so the record comes through another.
        let other = Library::connect(&self.bootstrap).await?;
        let writer = other.partition(idle.topic(), 0).await?;
        let (record, sent) =
            tokio::join!(idle.fetch_records(0, 1..65_536, 20_000), put(&writer, value("at last")));
        sent?;
        let found = record.map_err(Failure::from)?.0;
        expect_equal(found.len(), 1, "records of the idle reader")
    }
}
