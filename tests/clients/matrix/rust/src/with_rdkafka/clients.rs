//! Producers and consumers of the library, in the form that the scenarios use.

use std::sync::Mutex;
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use crate::contract::{expect_equal, Failure, Outcome, Read};

pub const TIMEOUT: Duration = Duration::from_secs(100);

impl From<KafkaError> for Failure {
    fn from(error: KafkaError) -> Failure {
        let code = error.rdkafka_error_code().map_or(0, |code| code as i32);
        Failure { code: code.max(0), text: error.to_string() }
    }
}

/// One partition, at an offset where it matters.
pub fn at(topic: &str, partition: i32, offset: Offset) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, offset).expect("a valid offset");
    list
}

pub struct Library {
    bootstrap: String,
}

impl Library {
    pub fn new(bootstrap: &str) -> Library {
        Library { bootstrap: bootstrap.to_string() }
    }

    pub fn config(&self, options: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap);
        config.set_log_level(RDKafkaLogLevel::Warning);
        for (key, value) in options {
            config.set(*key, *value);
        }
        config
    }

    pub fn producer(&self, options: &[(&str, &str)]) -> Result<Sender, Failure> {
        let mut config = self.config(options);
        if std::env::var_os("MATRIX_SAFE").is_some() {
            config.set("enable.idempotence", "true"); // nodes die meanwhile
        }
        Ok(Sender { producer: config.create_with_context(Deliveries::default())? })
    }

    /// A consumer that commits only when told, and begins at the beginning.
    pub fn consumer(&self, group: &str, options: &[(&str, &str)]) -> Result<Reader, Failure> {
        let mut config = self.config(&[
            ("group.id", group),
            ("enable.auto.commit", "false"),
            ("auto.offset.reset", "earliest"),
        ]);
        for (key, value) in options {
            config.set(*key, *value);
        }
        Ok(Reader { consumer: config.create_with_context(Changes::default())? })
    }
}

#[derive(Default)]
pub struct Deliveries {
    first_error: Mutex<Option<Failure>>,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();
    fn delivery(&self, result: &DeliveryResult<'_>, _: ()) {
        if let Err((error, _)) = result {
            let mut first = self.first_error.lock().expect("no panic while it is held");
            first.get_or_insert(Failure::from(error.clone()));
        }
    }
}

pub struct Sender {
    producer: ThreadedProducer<Deliveries>,
}

/// A record to send; what is left out is null, or chosen by the library.
#[derive(Default, Clone)]
pub struct New<'a> {
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    pub timestamp_ms: Option<i64>,
}

impl Sender {
    pub fn send(&self, topic: &str, partition: i32, new: &New) -> Result<(), Failure> {
        let mut record: BaseRecord<[u8], [u8]> = BaseRecord::to(topic).partition(partition);
        record.key = new.key;
        record.payload = new.value;
        record.timestamp = new.timestamp_ms;
        if !new.headers.is_empty() {
            let mut headers = OwnedHeaders::new();
            for (key, value) in &new.headers {
                headers = headers.insert(Header { key, value: value.as_ref() });
            }
            record.headers = Some(headers);
        }
        self.producer.send(record).map_err(|(error, _)| Failure::from(error))
    }

    /// Waits for all that was sent, and gives the first error.
    pub fn flush(&self) -> Result<(), Failure> {
        self.producer.flush(TIMEOUT)?;
        let context = self.producer.context();
        let mut first = context.first_error.lock().expect("no panic while it is held");
        first.take().map_or(Ok(()), Err)
    }

    pub fn put(&self, topic: &str, partition: i32, value: &[u8]) -> Result<(), Failure> {
        self.send(topic, partition, &New { value: Some(value), ..New::default() })?;
        self.flush()
    }
}

/// What the callbacks of a group's member were told: one list of partitions for each call.
#[derive(Default)]
pub struct Changes {
    pub gained: Mutex<Vec<Vec<i32>>>,
    pub lost: Mutex<Vec<Vec<i32>>>,
}

impl ClientContext for Changes {}

impl ConsumerContext for Changes {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let partitions = |list: &TopicPartitionList| {
            list.elements().iter().map(|e| e.partition()).collect::<Vec<i32>>()
        };
        match rebalance {
            Rebalance::Assign(list) => self.gained.lock().unwrap().push(partitions(list)),
            Rebalance::Revoke(list) => self.lost.lock().unwrap().push(partitions(list)),
            Rebalance::Error(_) => {}
        }
    }
}

pub struct Reader {
    pub consumer: BaseConsumer<Changes>,
}

impl Reader {
    pub fn assign(&self, partitions: &[(&str, i32)]) -> Result<(), Failure> {
        let mut list = TopicPartitionList::new();
        for (topic, partition) in partitions {
            list.add_partition(topic, *partition);
        }
        Ok(self.consumer.assign(&list)?)
    }

    /// A node that is gone is told as an error, though the library goes on by itself.
    pub fn poll(&self, timeout: Duration) -> Result<Option<Read>, Failure> {
        let deadline = std::time::Instant::now() + timeout;
        let message = loop {
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            match self.consumer.poll(left) {
                None => return Ok(None),
                Some(Err(KafkaError::MessageConsumption(
                    RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::BrokerTransportFailure,
                ))) => {}
                Some(message) => break message?,
            }
        };
        let headers = message.headers().map_or(Vec::new(), |headers| {
            headers.iter().map(|h| (h.key.to_string(), h.value.map(<[u8]>::to_vec))).collect()
        });
        Ok(Some(Read {
            topic: message.topic().to_string(),
            partition: message.partition(),
            offset: message.offset(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers,
            timestamp_ms: message.timestamp().to_millis().unwrap_or(-1),
        }))
    }

    /// Exactly so many records, and no more that would come at once.
    pub fn take(&self, count: usize) -> Result<Vec<Read>, String> {
        let mut records = Vec::new();
        let deadline = std::time::Instant::now() + TIMEOUT;
        while records.len() < count && std::time::Instant::now() < deadline {
            records.extend(self.poll(Duration::from_millis(500))?);
        }
        expect_equal(records.len(), count, "records that came")?;
        self.nothing(Duration::from_millis(200))?;
        Ok(records)
    }

    pub fn nothing(&self, wait: Duration) -> Outcome {
        expect_equal(self.poll(wait)?, None, "a record too many")
    }

    pub fn seek(&self, topic: &str, partition: i32, offset: Offset) -> Result<(), Failure> {
        Ok(self.consumer.seek(topic, partition, offset, TIMEOUT)?)
    }

    pub fn commit(&self, topic: &str, partition: i32, offset: i64) -> Result<(), Failure> {
        let list = at(topic, partition, Offset::Offset(offset));
        Ok(self.consumer.commit(&list, CommitMode::Sync)?)
    }

    pub fn committed(&self, topic: &str, partition: i32) -> Result<Option<i64>, Failure> {
        let wanted = at(topic, partition, Offset::Invalid);
        let found = self.consumer.committed_offsets(wanted, TIMEOUT)?;
        Ok(match found.elements()[0].offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        })
    }

    pub fn bounds(&self, topic: &str, partition: i32) -> Result<(i64, i64), Failure> {
        Ok(self.consumer.fetch_watermarks(topic, partition, TIMEOUT)?)
    }

    pub fn owned(&self) -> Result<Vec<i32>, Failure> {
        let mut owned: Vec<i32> =
            self.consumer.assignment()?.elements().iter().map(|e| e.partition()).collect();
        owned.sort();
        Ok(owned)
    }
}

/// Records of which the values are numbers: counts[p] into each partition p.
pub fn fill(library: &Library, topic: &str, counts: &[i64], first: i64) -> Outcome {
    let producer = library.producer(&[])?;
    for (partition, count) in counts.iter().enumerate() {
        for number in first..first + count {
            let value = number.to_string();
            let new = New { value: Some(value.as_bytes()), ..New::default() };
            producer.send(topic, partition as i32, &new)?;
        }
    }
    Ok(producer.flush()?)
}
