//! What scenarios share.

use std::time::{Duration, Instant};

pub type Outcome = Result<(), String>;

pub const TOPIC_ALREADY_EXISTS: i32 = 36;
pub const INVALID_PARTITIONS: i32 = 37;
pub const INVALID_REPLICATION_FACTOR: i32 = 38;
pub const INVALID_TOPIC: i32 = 17;
pub const INVALID_CONFIG: i32 = 40;
pub const UNKNOWN_TOPIC: i32 = 3;
pub const MESSAGE_TOO_LARGE: i32 = 10;
pub const NON_EMPTY_GROUP: i32 = 68;
pub const GROUP_ID_NOT_FOUND: i32 = 69;

/// The largest value whose batch of one record has 200,000 bytes: a header of 61, three bytes of
/// each of two lengths, five fields of a byte.
pub const LARGEST: usize = 200_000 - 61 - 11;

/// What a library refused. `code` is Kafka's error code, 0 for an error of the library's own.
#[derive(Debug, Clone)]
pub struct Failure {
    pub code: i32,
    pub text: String,
}

impl From<Failure> for String {
    fn from(failure: Failure) -> String {
        format!("error {}: {}", failure.code, failure.text)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    pub timestamp_ms: i64,
}

impl Read {
    pub fn number(&self) -> i64 {
        let value = self.value.as_deref().unwrap_or_default();
        let digits = value.split(|b| *b == b' ').next().unwrap_or_default();
        String::from_utf8_lossy(digits).parse().unwrap_or(-1)
    }
}

pub fn numbers(records: &[Read]) -> Vec<i64> {
    records.iter().map(Read::number).collect()
}

pub fn expect(condition: bool, claim: impl Into<String>) -> Outcome {
    if condition {
        Ok(())
    } else {
        Err(claim.into())
    }
}

pub fn expect_equal<T: PartialEq + std::fmt::Debug>(found: T, wanted: T, what: &str) -> Outcome {
    if found == wanted {
        return Ok(());
    }
    let shown = |value: &T| format!("{value:?}").chars().take(400).collect::<String>();
    Err(format!("{what}: {} where {} is right", shown(&found), shown(&wanted)))
}

pub fn expect_failure<T>(code: i32, what: &str, result: Result<T, Failure>) -> Outcome {
    match result {
        Ok(_) => Err(format!("{what}: there was no error")),
        Err(failure) if failure.code == code => Ok(()),
        Err(failure) => Err(format!("{what}: {failure:?} where {code} is right")),
    }
}

pub fn wait_until(
    what: &str,
    seconds: u64,
    mut condition: impl FnMut() -> Result<bool, String>,
) -> Outcome {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    while !condition()? {
        expect(Instant::now() < deadline, format!("waited {seconds} s in vain: {what}"))?;
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
