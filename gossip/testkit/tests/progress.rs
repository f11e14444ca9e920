//! How far two are while one gets everything from the other.

use std::time::Duration;

use gossip_proto::ChannelId;
use gossip_proto::node::{Command, Event, Query, Reply, SyncStatus};
use gossip_testkit::sim::pair::{Logs, Pair, Side};

const STEP: Duration = Duration::from_millis(10);
const LOGS: u64 = 4;
const ENTRIES: u64 = 1_000;

fn status(pair: &mut Pair, side: Side) -> Option<SyncStatus> {
    let channel = ChannelId::new("c").expect("a channel id");
    match pair.command(side, Command::Query(Query::Sync(Some(channel)))) {
        Ok(Reply::Sync(mut all)) => all.pop(),
        other => panic!("{other:?}"),
    }
}

/// Told since the last call, at this time.
fn told(pair: &mut Pair, side: Side) -> Vec<SyncStatus> {
    let of = |event| if let Event::SyncChanged(status) = event { Some(status) } else { None };
    pair.events(side).into_iter().filter_map(of).collect()
}

fn missing(pair: &Pair) -> u64 {
    let sum = |side| pair.heads(side).values().map(|(height, _)| height).sum::<u64>();
    sum(Side::Ann) - sum(Side::Bob)
}

/// Over each kind of link, whoever speaks first.
fn cold(check: impl Fn(Pair, &str)) {
    for version in [1, 2] {
        for initiator in Side::BOTH {
            let logs = Logs::of(LOGS).payload(2_000).more(Side::Ann, ENTRIES);
            let setup = Pair::setup().delay(Duration::from_millis(100)).initiator(initiator).logs(logs);
            check(setup.version(Side::Ann, version).begin(), &format!("version {version}, {initiator:?}"));
        }
    }
}

#[test]
fn what_is_missing_counts_down_to_nothing() {
    cold(|mut pair, what| {
        pair.link();
        let (mut last, mut seen) = ([u64::MAX; 2], 0);
        loop {
            pair.pass(STEP);
            let missing = missing(&pair);
            let [ann, bob] = Side::BOTH.map(|side| status(&mut pair, side));
            let (Some(ann), Some(bob)) = (ann, bob) else { continue };
            if ann.in_sync && bob.in_sync {
                break;
            }
            if missing == LOGS * ENTRIES {
                continue;
            }
            let (get, give) = (bob.to_get, ann.to_give);
            // The stream may still count as one.
            assert!((missing..=missing + 1).contains(&get.entries), "{what}: {get:?}, {missing} missing");
            assert!(give.entries <= missing + 1, "{what}: {give:?}, {missing} missing");
            for (now, last) in [get, give].iter().zip(&mut last) {
                assert!(now.entries <= *last, "{what}: {now:?} after {last}");
                // Entries of 2,000 bytes and what is around them.
                let each = now.bytes.checked_div(now.entries);
                assert!(each.is_none_or(|each| (2_000..2_100).contains(&each)), "{what}: {now:?}");
                *last = now.entries;
            }
            seen += u32::from(get.entries > 1) + u32::from(give.entries > 1);
            assert!(pair.elapsed() < Duration::from_secs(60), "{what}");
        }
        assert!(seen > 20, "{what}: {seen} looks while it was under way");
        assert_eq!(missing(&pair), 0);
    });
}

#[test]
fn progress_is_told_now_and_then() {
    cold(|mut pair, what| {
        pair.link();
        let mut last = Side::BOTH.map(|_| (false, None::<Duration>));
        let mut counts = [0; 2];
        while counts == [0; 2] || last.iter().any(|(in_sync, _)| !in_sync) {
            pair.pass(STEP);
            for side in Side::BOTH {
                for status in told(&mut pair, side) {
                    let (was, at) = &mut last[side as usize];
                    let flips = status.in_sync != *was;
                    let since = at.map(|at| pair.elapsed() - at);
                    let paced = since.is_none_or(|since| since + STEP >= Duration::from_millis(250));
                    assert!(flips || paced, "{what}: {side:?} was told after {since:?}: {status:?}");
                    (*was, *at) = (status.in_sync, Some(pair.elapsed()));
                    counts[side as usize] += 1;
                    let done = (status.to_get.entries, status.to_give.entries) == (0, 0);
                    assert!(done || !status.in_sync);
                }
            }
            assert!(pair.elapsed() < Duration::from_secs(60), "{what}");
        }
        assert!(counts.iter().all(|count| *count >= 3), "{what}: told {counts:?} times");
    });
}

/// What others brought them is not taken for missing once both agreed.
#[test]
fn what_was_agreed_on_is_not_missing_later() {
    let mut pair = Pair::setup().logs(Logs::of(3).alike(100).more(Side::Bob, 9)).begin();
    pair.link();
    pair.settle();
    pair.append(Side::Ann, "own", b"one");
    for side in Side::BOTH {
        let status = status(&mut pair, side).expect("a peer");
        assert!(status.to_give.entries <= 1 && status.to_get.entries <= 1, "{status:?}");
    }
}
