//! Runs one scenario with one library: matrix LIBRARY SCENARIO BOOTSTRAP TOPIC GROUP

mod contract;
mod with_rdkafka;
mod with_rskafka;

/// The libraries log through the crate `log`.
struct Log;

impl log::Log for Log {
    fn enabled(&self, metadata: &log::Metadata) -> bool {
        metadata.level() <= log::Level::Warn
    }
    fn log(&self, record: &log::Record) {
        if self.enabled(record.metadata()) {
            eprintln!("WARN {} {} {}", record.level(), record.target(), record.args());
        }
    }
    fn flush(&self) {}
}

fn main() {
    log::set_logger(&Log).expect("there is no other logger");
    log::set_max_level(log::LevelFilter::Warn);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [library, scenario, bootstrap, topic, group] = arguments.as_slice() else {
        eprintln!("usage: matrix LIBRARY SCENARIO BOOTSTRAP TOPIC GROUP");
        std::process::exit(2);
    };
    let outcome = match library.as_str() {
        "rdkafka" => with_rdkafka::run(scenario, bootstrap, topic, group),
        "rskafka" => with_rskafka::run(scenario, bootstrap, topic),
        _ => Err(format!("there is no driver for {library}")),
    };
    if let Err(claim) = outcome {
        eprintln!("{claim}");
        std::process::exit(1);
    }
}
