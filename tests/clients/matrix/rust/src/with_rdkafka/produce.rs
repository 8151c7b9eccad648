//! Scenarios about what is written.

use super::clients::{Library, New};
use crate::contract::{expect_equal, expect_failure, Outcome, LARGEST, MESSAGE_TOO_LARGE};

pub fn codecs(library: &Library, topic: &str) -> Outcome {
    let (each, partitions) = (500, 3);
    let all = ["none", "gzip", "snappy", "lz4", "zstd"];
    let mut wanted = vec![Vec::new(); partitions];
    for codec in all {
        let producer = library.producer(&[("compression.type", codec), ("linger.ms", "20")])?;
        for i in 0..each {
            let key = format!("{codec}-{i}").into_bytes();
            let value = format!("{codec} {i} ").repeat(20).into_bytes();
            let new = New { key: Some(&key), value: Some(&value), ..New::default() };
            producer.send(topic, (i % partitions) as i32, &new)?;
            wanted[i % partitions].push((Some(key), Some(value)));
        }
        producer.flush()?;
    }
    let consumer = library.consumer("unused", &[])?;
    consumer.assign(&[(topic, 0), (topic, 1), (topic, 2)])?;
    let mut found = vec![Vec::new(); partitions];
    for record in consumer.take(each * all.len())? {
        found[record.partition as usize].push((record.key, record.value));
    }
    expect_equal(found, wanted, "records of all codecs")
}

pub fn headers_and_nulls(library: &Library, topic: &str) -> Outcome {
    let header = |key: &str, value: Option<&[u8]>| (key.to_string(), value.map(<[u8]>::to_vec));
    let every_byte: Vec<u8> = (0..=255).collect();
    let many = (0..100).map(|i| header(&format!("h{i}"), Some(&vec![b'x'; i]))).collect();
    let several = vec![
        header("a", Some(b"1")),
        header("a", Some(b"2")),
        header("b", Some(b"")),
        header("ü€", Some(&every_byte)),
    ];
    let null = vec![header("null", None), header("then", Some(b"x"))];
    let long = vec![b'v'; 1000];
    type Case<'a> = (Option<&'a [u8]>, Option<&'a [u8]>, Vec<(String, Option<Vec<u8>>)>);
    let wanted: Vec<Case> = vec![
        (Some(b"k"), Some(b"v"), vec![]),
        (Some(b"k"), Some(b"v"), vec![header("one", Some(b"1"))]),
        (Some(b"k"), Some(b"v"), several),
        (Some(b"k"), Some(b"v"), null),
        (None, Some(b"no key"), vec![]),
        (Some(b""), Some(b"empty key"), vec![]),
        (Some(b"no value"), None, vec![]),
        (Some(b"empty value"), Some(b""), vec![]),
        (None, None, vec![header("only", Some(b"headers"))]),
        (None, Some(b""), vec![]),
        (Some(b"last"), Some(&long), many),
    ];
    let producer = library.producer(&[])?;
    for (key, value, headers) in &wanted {
        let headers = headers.clone();
        producer.send(topic, 0, &New { key: *key, value: *value, headers, timestamp_ms: None })?;
    }
    producer.flush()?;
    let consumer = library.consumer("unused", &[])?;
    consumer.assign(&[(topic, 0)])?;
    for (found, (key, value, headers)) in consumer.take(wanted.len())?.into_iter().zip(&wanted) {
        expect_equal(found.key.as_deref(), *key, "key")?;
        expect_equal(found.value.as_deref(), *value, "value")?;
        expect_equal(&found.headers, headers, "headers")?;
    }
    Ok(())
}

pub fn sizes(library: &Library, topic: &str) -> Outcome {
    let producer = library.producer(&[("message.max.bytes", "2000000")])?;
    let sent = [1, 100, 10_000, 199_000, LARGEST];
    for size in sent {
        producer.put(topic, 0, &vec![b'x'; size])?;
    }
    for size in [LARGEST + 1, 500_000] {
        let result = producer.put(topic, 0, &vec![b'x'; size]);
        expect_failure(MESSAGE_TOO_LARGE, &format!("a value of {size} bytes"), result)?;
    }
    producer.put(topic, 0, b"after")?;
    let large = format!("{topic}-large");
    producer.put(&large, 0, &vec![b'y'; 500_000])?;
    let consumer = library.consumer("unused", &[])?;
    consumer.assign(&[(topic, 0)])?;
    let found: Vec<usize> =
        consumer.take(sent.len() + 1)?.iter().map(|r| r.value.as_ref().unwrap().len()).collect();
    expect_equal(found, [&sent[..], &[5]].concat(), "sizes")?;
    consumer.assign(&[(&large, 0)])?;
    let found = consumer.take(1)?;
    expect_equal(found[0].value.as_ref().unwrap().len(), 500_000, "size of the large value")
}

pub fn idempotent(library: &Library, topic: &str) -> Outcome {
    let (count, partitions) = (3000, 3);
    let mut wanted = vec![Vec::new(); partitions];
    let producer = library.producer(&[("enable.idempotence", "true"), ("linger.ms", "2")])?;
    for i in 0..count {
        let value = format!("{i} {}", "x".repeat(100));
        let new = New { value: Some(value.as_bytes()), ..New::default() };
        producer.send(topic, (i % partitions) as i32, &new)?;
        wanted[i % partitions].push(i as i64);
        if i % 100 == 99 {
            producer.flush()?;
        }
    }
    producer.flush()?;
    let consumer = library.consumer("unused", &[])?;
    consumer.assign(&[(topic, 0), (topic, 1), (topic, 2)])?;
    let mut found = vec![Vec::new(); partitions];
    for record in consumer.take(count)? {
        found[record.partition as usize].push(record.number());
    }
    expect_equal(found, wanted, "records after connections were cut")
}
