//! Scenarios about what is read, and from where.

use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::Consumer;
use rdkafka::Offset;

use super::clients::{at, fill, Library, New, TIMEOUT};
use crate::contract::{expect, expect_equal, numbers, Failure, Outcome};

const BASE: i64 = 1_700_000_000_000;

pub fn seek_by_time(library: &Library, topic: &str) -> Outcome {
    let producer = library.producer(&[])?;
    for i in 0..100 {
        let value = i.to_string();
        let timestamp_ms = Some(BASE + 1000 * i);
        let new = New { value: Some(value.as_bytes()), timestamp_ms, ..New::default() };
        producer.send(topic, 0, &new)?;
    }
    producer.flush()?;
    let consumer = library.consumer("unused", &[])?;
    for (time, wanted) in [
        (BASE + 30_000, Offset::Offset(30)),
        (BASE - 5_000, Offset::Offset(0)),
        (BASE + 30_001, Offset::Offset(31)),
        (BASE + 30_999, Offset::Offset(31)),
        (BASE + 99_000, Offset::Offset(99)),
        (BASE + 99_001, Offset::End),
    ] {
        let asked = at(topic, 0, Offset::Offset(time));
        let found = consumer.consumer.offsets_for_times(asked, TIMEOUT).map_err(Failure::from)?;
        expect_equal(found.elements()[0].offset(), wanted, &format!("offset at {time}"))?;
    }
    let from = at(topic, 0, Offset::Offset(31));
    consumer.consumer.assign(&from).map_err(Failure::from)?;
    let found = consumer.take(69)?;
    expect_equal(numbers(&found), (31..100).collect(), "records from there on")?;
    expect_equal(found[0].timestamp_ms, BASE + 31_000, "timestamp")
}

pub fn replay(library: &Library, topic: &str, group: &str) -> Outcome {
    fill(library, topic, &[300], 0)?;
    let consumer = library.consumer(group, &[])?;
    consumer.assign(&[(topic, 0)])?;
    let first = consumer.take(300)?;
    expect_equal(numbers(&first), (0..300).collect(), "the first reading")?;
    consumer.commit(topic, 0, 300)?;
    consumer.seek(topic, 0, Offset::Beginning)?;
    expect_equal(&consumer.take(300)?, &first, "the second reading")?;
    consumer.seek(topic, 0, Offset::Offset(150))?;
    expect_equal(&consumer.take(150)?[..], &first[150..], "the reading from the middle")?;
    consumer.seek(topic, 0, Offset::End)?;
    consumer.nothing(Duration::from_millis(500))?;
    fill(library, topic, &[1], 300)?;
    expect_equal(numbers(&consumer.take(1)?), vec![300], "what came after the end")?;
    expect_equal(consumer.committed(topic, 0)?, Some(300), "the committed offset")
}

pub fn lag(library: &Library, topic: &str, group: &str) -> Outcome {
    fill(library, topic, &[100, 100], 0)?;
    let consumer = library.consumer(group, &[])?;
    consumer.assign(&[(topic, 0), (topic, 1)])?;
    consumer.take(200)?;
    consumer.commit(topic, 0, 40)?;
    consumer.commit(topic, 1, 75)?;
    fill(library, topic, &[20, 0], 100)?;
    let watcher = library.consumer(group, &[])?;
    for (partition, wanted) in [(0, 80), (1, 25)] {
        let committed = watcher.committed(topic, partition)?.ok_or("nothing is committed")?;
        expect_equal(watcher.bounds(topic, partition)?.1 - committed, wanted, "lag")?;
    }
    Ok(())
}

pub fn offset_reset(library: &Library, topic: &str, group: &str) -> Outcome {
    fill(library, topic, &[50], 0)?;
    let admin: AdminClient<DefaultClientContext> =
        library.config(&[]).create().map_err(Failure::from)?;
    let before = at(topic, 0, Offset::Offset(10));
    futures::executor::block_on(admin.delete_records(&before, &AdminOptions::new()))
        .map_err(Failure::from)?;
    let cases = [("nothing", None), ("beyond", Some(1000)), ("before", Some(3))];
    for (name, committed) in cases {
        let own = format!("{group}-{name}");
        if let Some(offset) = committed {
            // Without an assignment, whose look-up of offsets might be on its way when it is dropped.
            library.consumer(&own, &[])?.commit(topic, 0, offset)?;
        }
        let consumer = library.consumer(&own, &[])?;
        consumer.assign(&[(topic, 0)])?;
        let found = numbers(&consumer.take(40)?);
        expect_equal(found, (10..50).collect(), &format!("earliest, {name} committed"))?;
        let consumer = library.consumer(&own, &[("auto.offset.reset", "error")])?;
        consumer.assign(&[(topic, 0)])?;
        let none = consumer.poll(TIMEOUT);
        expect(none.is_err(), format!("error, {name} committed: {none:?}"))?;
    }
    for (i, (name, _)) in cases.iter().enumerate() {
        let own = format!("{group}-{name}");
        let consumer = library.consumer(&own, &[("auto.offset.reset", "latest")])?;
        consumer.assign(&[(topic, 0)])?;
        consumer.nothing(Duration::from_millis(1500))?;
        fill(library, topic, &[1], 50 + i as i64)?;
        let found = numbers(&consumer.take(1)?);
        expect_equal(found, vec![50 + i as i64], &format!("latest, {name} committed"))?;
    }
    Ok(())
}

pub fn slow_consumer(library: &Library, topic: &str) -> Outcome {
    let (count, size, since) = (2000, 10_000, Instant::now());
    let idle_topic = format!("{topic}-idle");
    let idle = library.consumer("unused", &[])?;
    idle.assign(&[(&idle_topic, 0)])?;
    let producer = library.producer(&[])?;
    for i in 0..count {
        let mut value = format!("{i} ").into_bytes();
        value.resize(size, b'.');
        producer.send(topic, 0, &New { value: Some(&value), ..New::default() })?;
        if i % 100 == 0 {
            producer.flush()?;
        }
    }
    producer.flush()?;
    let consumer = library.consumer(
        "unused",
        &[("fetch.message.max.bytes", "65536"), ("queued.max.messages.kbytes", "128")],
    )?;
    consumer.assign(&[(topic, 0)])?;
    for i in 0..count {
        let record = consumer.poll(TIMEOUT)?.ok_or(format!("nothing came after {i} records"))?;
        expect_equal(record.number(), i, "order of a slow reader")?;
        expect_equal(record.value.map(|v| v.len()), Some(size), "size")?;
        if i % 10 == 0 {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    let rest = Duration::from_secs(12).saturating_sub(since.elapsed());
    idle.nothing(rest.max(Duration::from_millis(100)))?;
    producer.put(&idle_topic, 0, b"1")?;
    expect_equal(numbers(&idle.take(1)?), vec![1], "the record of the idle consumer")
}
