//! What synchronisation costs at most, byte for byte: the table of targets, a test for each row.
//!
//! Bytes are those on a TCP connection, with the 4 that say how long a frame is. Entries are counted as
//! encoded runs; everything else is overhead. Greetings (who is there, which channels are shared, whether
//! anyone still answers) and what members say of each other are not counted: they cost the same whatever is
//! held. Round trips count from when both knew that they share the channel.
//!
//! Sketches are made of hashes, so what they cost is a matter of luck: those rows run over 16 sets of names.

use std::time::Duration;

use gossip_testkit::sim::pair::{Logs, Pair, Setup, Side, Traffic};

/// Sets of names that a row with a sketch is tried with.
const SALTS: u64 = 16;
/// Bytes of one exchange between two that are equal, both ways.
const IDLE: usize = 64;
/// Bytes beside an entry that one of two who know each other lacks.
const KNOWN: usize = 24;
/// The same for strangers.
const STRANGER: usize = 256;

/// Both hold the same, have found that out, and the next exchange is watched.
fn settled(setup: &Setup) -> Pair {
    let mut pair = setup.begin();
    pair.link();
    pair.settle();
    pair.watch();
    pair
}

/// Looks at exchanges of two that are equal: nothing but question and answer, one round trip each.
fn assert_idle(traffic: &Traffic, exchanges: usize) {
    let passed = traffic.passed();
    let in_turns = passed.iter().zip(["beacon", "equal"].iter().cycle()).all(|(it, kind)| it.kind == *kind);
    assert!(in_turns && passed.len() == 2 * exchanges, "not {exchanges} exchanges: {traffic}");
    for exchange in passed.chunks(2) {
        let bytes: usize = exchange.iter().map(|passed| passed.bytes()).sum();
        assert!(bytes <= IDLE, "{bytes} B in {traffic}");
        let (asked, answered) = (&exchange[0], &exchange[1]);
        assert_eq!(asked.from.other(), answered.from);
        assert_eq!(answered.at.since(asked.at), Duration::from_millis(5), "one way");
    }
}

/// A minute of two that hold 10 authors in each of so many streams.
fn idle_minute(logs: Logs) -> Traffic {
    let mut pair = settled(&Pair::setup().logs(logs));
    pair.pass(Duration::from_secs(60));
    pair.traffic().without_greeting()
}

#[test]
fn idle_with_a_thousand_streams_of_ten_authors() {
    let traffic = idle_minute(Logs::of(10_000).alike(100));
    assert_idle(&traffic, traffic.frames() / 2);
    assert!(traffic.frames() >= 2, "a minute without a word");
}

#[test]
fn idle_with_a_hundred_thousand_streams_costs_the_same() {
    let many = idle_minute(Logs::of(100_000).authors(1).alike(1));
    let few = idle_minute(Logs::of(10).authors(1).alike(1));
    assert_idle(&many, many.frames() / 2);
    assert_eq!(many.bytes(), few.bytes());
}

#[test]
fn an_idle_hour_is_a_beacon_every_half_minute() {
    let mut pair = settled(&Pair::setup().logs(Logs::of(100).alike(1)));
    pair.pass(Duration::from_secs(3600));
    let traffic = pair.traffic().without_greeting();
    assert_idle(&traffic, traffic.frames() / 2);
    // Pauses are drawn between half and one and a half of their mean.
    assert!(traffic.frames() / 2 <= 2 * 121 && traffic.frames() / 2 >= 60, "{traffic}");
}

#[test]
fn first_contact_of_equal_strangers() {
    for side in Side::BOTH {
        let mut pair = Pair::setup().initiator(side).logs(Logs::of(10_000).alike(100)).begin();
        pair.link();
        pair.settle();
        let traffic = pair.traffic().without_greeting();
        assert!(traffic.bytes() <= STRANGER, "{traffic}");
        assert!(traffic.over_after() <= 2, "{traffic}");
    }
}

/// Two that hold a million entries in 10,000 logs, and have heard of the log one writes to.
fn acquainted() -> Pair {
    let mut pair = Pair::setup().logs(Logs::of(10_000).alike(100)).begin();
    pair.append(Side::Ann, "own", b"the first of its log");
    pair.link();
    pair.settle();
    pair.watch();
    pair
}

#[test]
fn one_missing_of_a_million_at_a_known_peer() {
    let mut pair = acquainted();
    pair.append(Side::Ann, "own", b"and one more");
    pair.settle();
    let traffic = pair.traffic().without_group();
    let data = traffic.clone().until_data();
    assert_eq!((data.frames(), data.entries(), data.data_after()), (1, 1, 1), "{traffic}");
    assert!(data.overhead() <= KNOWN, "{traffic}");
    assert_idle(&traffic.after_data(), 1);
}

#[test]
fn one_missing_of_a_million_at_a_known_peer_that_was_away() {
    for side in Side::BOTH {
        let mut pair = acquainted();
        pair.unlink();
        pair.append(side, "own", b"while nobody listened");
        if side == Side::Bob {
            // The name of a new log is data of the first contact.
            pair.link();
            pair.settle();
            pair.unlink();
            pair.append(side, "own", b"while nobody listened");
        }
        pair.link();
        pair.settle();
        let traffic = pair.traffic().without_greeting();
        assert_eq!((traffic.entries(), traffic.clone().from(side).entries()), (1, 1), "{traffic}");
        assert!(traffic.data_after() <= 1, "{traffic}");
        // A beacon of the other side may cross it, and one exchange says that all is well.
        assert!(traffic.overhead() <= KNOWN + IDLE + 34, "{traffic}");
    }
}

#[test]
fn one_missing_of_a_million_at_a_stranger() {
    for holder in Side::BOTH {
        for initiator in Side::BOTH {
            let logs = Pair::setup().initiator(initiator).logs(Logs::of(9_999).alike(100));
            let mut pair = logs.logs(Logs::of(1).alike(99).more(holder, 1)).begin();
            pair.link();
            pair.settle();
            let traffic = pair.traffic().without_greeting();
            let data = traffic.clone().until_data();
            assert_eq!(data.entries(), 1, "{traffic}");
            assert!(data.overhead() <= STRANGER, "{holder:?} holds it, {initiator:?} initiates: {traffic}");
            assert!(data.data_after() <= 2, "{traffic}");
            assert_idle(&traffic.after_data(), 1);
        }
    }
}

/// Overhead until all was given, and whether data flowed after one round trip, of each set of names.
fn delta(logs: impl Fn(Setup) -> Setup, entries: u64) -> Vec<(usize, bool)> {
    let mut costs = Vec::new();
    for salt in 0..SALTS {
        let initiator = Side::BOTH[salt as usize % 2];
        let mut pair = logs(Pair::setup().initiator(initiator).salt(salt)).begin();
        pair.link();
        pair.settle();
        let traffic = pair.traffic().without_greeting().until_data();
        assert_eq!(traffic.entries(), entries, "each once: {traffic}");
        // What leaves after one round trip arrives half a round trip later.
        costs.push((traffic.overhead(), traffic.data_after() <= 3));
    }
    costs
}

/// How many of them hold.
fn count<T>(all: &[T], holds: impl Fn(&T) -> bool) -> u64 {
    all.iter().filter(|one| holds(one)).count() as u64
}

#[test]
fn ten_thousand_missing_of_a_million_in_a_hundred_logs() {
    let logs = |setup: Setup| {
        let setup = setup.logs(Logs::of(9_900).alike(100));
        setup.logs(Logs::of(100).alike(100).more(Side::Ann, 100))
    };
    let costs = delta(logs, 10_000);
    assert!(count(&costs, |cost| cost.0 <= 4_000) + 1 >= SALTS, "{costs:?}");
    assert!(count(&costs, |cost| cost.1) + 1 >= SALTS, "{costs:?}");
}

#[test]
fn ten_thousand_missing_of_a_million_in_a_thousand_logs() {
    let logs = |setup: Setup| {
        let setup = setup.logs(Logs::of(9_000).alike(100));
        setup.logs(Logs::of(1_000).alike(100).more(Side::Ann, 10))
    };
    let costs = delta(logs, 10_000);
    assert!(costs.iter().all(|cost| cost.0 <= 30_000), "{costs:?}");
    assert!(count(&costs, |cost| cost.1) + 1 >= SALTS, "{costs:?}");
}

#[test]
fn something_missing_in_every_log() {
    let every = |count| move |setup: Setup| setup.logs(Logs::of(count).alike(10).more(Side::Ann, 10));
    let costs = delta(every(100), 1_000);
    assert!(costs.iter().all(|cost| cost.0 <= 4_000), "{costs:?}");
    let costs = delta(every(1_000), 10_000);
    assert!(costs.iter().all(|cost| cost.0 <= 30_000), "{costs:?}");
}

/// What crosses when one side holds so many entries of 100 bytes and the other nothing, as a share of the
/// payload.
fn cold(logs: Logs, entries: u64) -> f64 {
    let mut pair = Pair::setup().logs(logs).begin();
    pair.link();
    pair.settle();
    let traffic = pair.traffic().without_greeting();
    assert_eq!(traffic.entries(), entries, "{traffic}");
    traffic.bytes() as f64 / (100 * entries) as f64
}

#[test]
fn a_cold_copy_of_one_author() {
    let share = cold(Logs::of(1).more(Side::Ann, 50_000).sealed(), 50_000);
    assert!(share <= 1.04, "{share}");
}

/// Each entry was committed and signed alone.
#[test]
fn a_cold_copy_of_ten_authors_who_wrote_in_turns() {
    let share = cold(Logs::of(10).more(Side::Ann, 2_000).run(1).sealed(), 20_000);
    assert!(share <= 1.10, "{share}");
}

#[test]
fn history_that_one_side_evicted_costs_nothing() {
    let reconnect = |evicted: u64| {
        let mut pair = Pair::setup().logs(Logs::of(100).more(Side::Ann, 100)).begin();
        pair.link();
        pair.settle();
        pair.evict(Side::Ann, evicted);
        pair.link();
        pair.settle();
        pair.traffic().without_greeting()
    };
    let (whole, evicted) = (reconnect(0), reconnect(90));
    assert_eq!(evicted.bytes(), whole.bytes(), "{evicted}");
    assert!(evicted.bytes() <= IDLE, "{evicted}");
}

#[test]
fn a_burst_of_pushes_is_followed_by_one_exchange() {
    let mut pair = acquainted();
    for n in 0..1_000 {
        pair.append(Side::Ann, "own", format!("{n}").as_bytes());
        pair.pass(Duration::from_millis(1));
    }
    pair.settle();
    let traffic = pair.traffic().without_group();
    assert_eq!(traffic.entries(), 1_000, "{traffic}");
    assert!(traffic.clone().until_data().overhead() <= 1_000 * KNOWN, "{traffic}");
    assert_idle(&traffic.of(&["beacon", "equal"]), 1);
}
