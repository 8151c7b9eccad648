//! rdkafka: librdkafka.

mod admin;
mod clients;
mod groups;
mod produce;
mod read;

use crate::contract::Outcome;
use clients::Library;

pub fn run(scenario: &str, bootstrap: &str, topic: &str, group: &str) -> Outcome {
    let library = Library::new(bootstrap);
    match scenario {
        "codecs" => produce::codecs(&library, topic),
        "headers_and_nulls" => produce::headers_and_nulls(&library, topic),
        "sizes" => produce::sizes(&library, topic),
        "idempotent" => produce::idempotent(&library, topic),
        "eager" => groups::eager(&library, topic, group),
        "cooperative" => groups::cooperative(&library, topic, group),
        "static" => groups::static_members(&library, topic, group),
        "seek_by_time" => read::seek_by_time(&library, topic),
        "replay" => read::replay(&library, topic, group),
        "lag" => read::lag(&library, topic, group),
        "offset_reset" => read::offset_reset(&library, topic, group),
        "admin" => admin::admin(&library, topic, group),
        "many_topics" => admin::many_topics(&library, topic),
        "slow_consumer" => read::slow_consumer(&library, topic),
        "many_groups" => groups::many_groups(&library, topic, group),
        _ => Err(format!("there is no scenario {scenario}")),
    }
}
