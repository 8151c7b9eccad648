//! Scenarios about consumer groups.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::consumer::Consumer;

use super::clients::{fill, Library, New, Reader};
use crate::contract::{expect, expect_equal, wait_until, Failure, Outcome};

const PARTITIONS: i32 = 6;
const COMMIT_MUST_WAIT: [i32; 4] = [0, 22, 25, 27]; // the group is changing

/// What a member shows to the scenario that watches it.
#[derive(Default)]
struct Seen {
    owned: Vec<i32>,
    read: Vec<(i32, i64)>,
    gained: usize,
    lost: Vec<Vec<i32>>,
    error: Option<String>,
}

/// A member of a group in a thread of its own: reads, and commits what it has read.
struct Member {
    seen: Arc<Mutex<Seen>>,
    wanted: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Member {
    fn new(
        library: &Library,
        topic: &str,
        group: &str,
        options: &[(&str, &str)],
    ) -> Result<Member, Failure> {
        let reader = library.consumer(group, options)?;
        reader.consumer.subscribe(&[topic])?;
        let (seen, wanted) =
            (Arc::new(Mutex::new(Seen::default())), Arc::new(AtomicBool::new(true)));
        let (its_seen, its_wanted) = (seen.clone(), wanted.clone());
        let thread = std::thread::spawn(move || {
            let result = follow(&reader, &its_seen, &its_wanted);
            drop(reader); // leaves the group
            let mut seen = its_seen.lock().unwrap();
            seen.owned.clear();
            seen.error = result.err().map(String::from);
        });
        Ok(Member { seen, wanted, thread: Some(thread) })
    }

    fn stop(&mut self) {
        self.wanted.store(false, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("a member does not panic");
        }
    }

    fn owned(&self) -> Vec<i32> {
        self.seen.lock().unwrap().owned.clone()
    }

    fn changes(&self) -> (usize, usize) {
        let seen = self.seen.lock().unwrap();
        (seen.gained, seen.lost.len())
    }

    fn read_of(&self, partitions: &[i32]) -> usize {
        let seen = self.seen.lock().unwrap();
        let read: BTreeSet<_> = seen.read.iter().filter(|r| partitions.contains(&r.0)).collect();
        read.len()
    }
}

fn follow(reader: &Reader, seen: &Mutex<Seen>, wanted: &AtomicBool) -> Result<(), Failure> {
    let mut next: HashMap<i32, (String, i64)> = HashMap::new(); // not committed yet
    while wanted.load(Ordering::SeqCst) {
        let record = reader.poll(Duration::from_millis(100))?;
        let owned = reader.owned()?;
        let kept = owned.clone();
        {
            let mut seen = seen.lock().unwrap();
            seen.owned = owned;
            let context = reader.consumer.context();
            seen.gained = context.gained.lock().unwrap().len();
            seen.lost = context.lost.lock().unwrap().clone();
            if let Some(record) = &record {
                seen.read.push((record.partition, record.number()));
            }
        }
        if let Some(record) = record {
            next.insert(record.partition, (record.topic, record.offset + 1));
        }
        next.retain(|partition, _| kept.contains(partition));
        for (partition, (topic, offset)) in next.clone() {
            match reader.commit(&topic, partition, offset) {
                Ok(()) => drop(next.remove(&partition)),
                Err(failure) if COMMIT_MUST_WAIT.contains(&failure.code) => break,
                Err(failure) => return Err(failure),
            }
        }
    }
    Ok(())
}

/// Whether the members own all partitions, each member some and none twice.
fn shared_out(members: &[&Member]) -> Result<bool, String> {
    for member in members {
        if let Some(error) = &member.seen.lock().unwrap().error {
            return Err(format!("a member ended: {error}"));
        }
    }
    let mut owned: Vec<i32> = members.iter().flat_map(|m| m.owned()).collect();
    owned.sort();
    Ok(owned == (0..PARTITIONS).collect::<Vec<i32>>()
        && members.iter().all(|m| !m.owned().is_empty()))
}

/// Three members come one after the other, one goes, while records come all the time. Returns the
/// partitions that the first gave up for the second.
fn rebalances(
    library: &Library,
    topic: &str,
    group: &str,
    assignor: &str,
) -> Result<BTreeSet<i32>, String> {
    let running = Arc::new(AtomicBool::new(true));
    let producer = library.producer(&[])?;
    let (its_running, its_topic) = (running.clone(), topic.to_string());
    let source = std::thread::spawn(move || -> Result<i64, Failure> {
        let mut next = 0;
        while its_running.load(Ordering::SeqCst) {
            let value = next.to_string();
            let new = New { value: Some(value.as_bytes()), ..New::default() };
            producer.send(&its_topic, (next % PARTITIONS as i64) as i32, &new)?;
            next += 1;
            std::thread::sleep(Duration::from_millis(5));
        }
        producer.flush()?;
        Ok(next)
    });
    let options = [("partition.assignment.strategy", assignor)];
    let mut members: Vec<Member> = Vec::new();
    let mut given_up = BTreeSet::new();
    for count in 1..=3 {
        members.push(Member::new(library, topic, group, &options)?);
        let all: Vec<&Member> = members.iter().collect();
        wait_until(&format!("{count} members share"), 60, || shared_out(&all))?;
        if count == 2 {
            given_up = members[0].seen.lock().unwrap().lost.iter().flatten().copied().collect();
        }
    }
    members[1].stop();
    wait_until("the others share what one left", 60, || shared_out(&[&members[0], &members[2]]))?;
    running.store(false, Ordering::SeqCst);
    let sent = source.join().expect("the producer does not panic")?;
    wait_until("every record is read", 60, || {
        let read: BTreeSet<i64> = members
            .iter()
            .flat_map(|m| m.seen.lock().unwrap().read.iter().map(|r| r.1).collect::<Vec<_>>())
            .collect();
        Ok((0..sent).all(|number| read.contains(&number)))
    })?;
    let watcher = library.consumer(group, &[])?;
    wait_until("the ends are committed", 30, || {
        for partition in 0..PARTITIONS {
            let end = (sent - partition as i64 + PARTITIONS as i64 - 1) / PARTITIONS as i64;
            if watcher.committed(topic, partition)? != Some(end) {
                return Ok(false);
            }
        }
        Ok(true)
    })?;
    for member in &mut members {
        member.stop();
    }
    Ok(given_up)
}

pub fn eager(library: &Library, topic: &str, group: &str) -> Outcome {
    let given_up = rebalances(library, topic, group, "roundrobin")?;
    expect_equal(given_up.len(), 6, "number of partitions given up for another")
}

pub fn cooperative(library: &Library, topic: &str, group: &str) -> Outcome {
    let given_up = rebalances(library, topic, group, "cooperative-sticky")?;
    expect_equal(given_up.len(), 3, "number of partitions given up for another")
}

pub fn static_members(library: &Library, topic: &str, group: &str) -> Outcome {
    let named = |name| Member::new(library, topic, group, &[("group.instance.id", name)]);
    let mut stays = named("stays")?; // the first one leads
    wait_until("the first member owns all", 60, || shared_out(&[&stays]))?;
    let mut goes = named("goes")?;
    wait_until("two static members share", 60, || shared_out(&[&stays, &goes]))?;
    let (kept, left, told) = (stays.owned(), goes.owned(), stays.changes());
    goes.stop();
    fill(library, topic, &[5; PARTITIONS as usize], 0)?;
    wait_until("the other reads on", 60, || Ok(stays.read_of(&kept) == 5 * kept.len()))?;
    let mut again = named("goes")?;
    wait_until("it reads what came meanwhile", 60, || Ok(again.read_of(&left) == 5 * left.len()))?;
    expect_equal(again.owned(), left, "partitions of the member that is back")?;
    expect_equal(stays.owned(), kept, "partitions of the other")?;
    expect_equal(stays.changes(), told, "rebalances of the other")?;
    stays.stop();
    again.stop();
    Ok(())
}

pub fn many_groups(library: &Library, topic: &str, group: &str) -> Outcome {
    fill(library, topic, &[50, 50], 0)?;
    let use_group = |number: i64| -> Outcome {
        let reader = library.consumer(&format!("{group}-{number}"), &[])?;
        reader.consumer.subscribe(&[topic]).map_err(Failure::from)?;
        let records = reader.take(100)?;
        let each: HashMap<i32, usize> = records.iter().fold(HashMap::new(), |mut counts, r| {
            *counts.entry(r.partition).or_default() += 1;
            counts
        });
        expect(each.values().all(|n| *n == 50), format!("records of group {number}: {each:?}"))?;
        reader.commit(topic, 0, number)?;
        Ok(reader.commit(topic, 1, 50 - number)?)
    };
    let numbers: Vec<i64> = (0..50).collect();
    for together in numbers.chunks(5) {
        std::thread::scope(|scope| {
            let threads: Vec<_> = together.iter().map(|n| scope.spawn(|| use_group(*n))).collect();
            threads.into_iter().try_for_each(|t| t.join().expect("a group does not panic"))
        })?;
    }
    for number in 0..50 {
        let watcher = library.consumer(&format!("{group}-{number}"), &[])?;
        let found = (watcher.committed(topic, 0)?, watcher.committed(topic, 1)?);
        expect_equal(
            found,
            (Some(number), Some(50 - number)),
            &format!("offsets of group {number}"),
        )?;
    }
    Ok(())
}
