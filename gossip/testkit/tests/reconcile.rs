//! Differences of every kind are found by sketches and made good; what it may cost is in `budgets`.

use std::time::Duration;

use gossip_proto::node::Command;
use gossip_proto::{ChannelId, StreamId};
use gossip_testkit::sim::pair::{Logs, Pair, Setup, Side};

/// 2,000 logs of which so many are longer at either side, some of them unknown to the other.
fn apart(ann: u64, bob: u64) -> Setup {
    let setup = Pair::setup().logs(Logs::of(2_000).alike(3));
    [(Side::Ann, ann), (Side::Bob, bob)].into_iter().fold(setup, |setup, (side, count)| {
        setup.logs(Logs::of(count).alike(3).more(side, 2)).logs(Logs::of(count / 5).more(side, 2))
    })
}

#[test]
fn both_lack_something() {
    for (ann, bob) in [(1, 1), (2, 0), (50, 60), (400, 5), (0, 300)] {
        let mut pair = apart(ann, bob).begin();
        pair.link();
        pair.settle();
        let all = pair.traffic();
        let missing = |count: u64| 2 * (count + count / 5);
        assert_eq!(all.entries(), missing(ann) + missing(bob), "each once, {ann} and {bob}: {all}");
        assert_eq!(all.clone().of(&["offer"]).frames(), 0, "sketches were enough: {all}");
    }
}

#[test]
fn more_differs_than_sketches_tell() {
    let mut pair = apart(1_200, 1_300).begin();
    pair.link();
    pair.settle();
    assert!(pair.traffic().of(&["offer"]).frames() > 0, "{}", pair.traffic());
}

#[test]
fn what_is_lost_is_said_again() {
    for (seed, (ann, bob)) in [(0, 1), (30, 0), (0, 300), (40, 40)].into_iter().enumerate() {
        let mut pair = apart(ann, bob).lossy(300).seed(seed as u64).begin();
        pair.link();
        pair.settle();
        assert!(pair.traffic().passed().iter().any(|passed| passed.lost));
    }
}

#[test]
fn a_stream_that_one_side_refuses_is_not_given() {
    for side in Side::BOTH {
        let mut pair = Pair::setup().logs(Logs::of(20).alike(3)).begin();
        pair.append(side.other(), "refused", b"of no use after all");
        let (channel, stream) = (ChannelId::new("c").unwrap(), StreamId::new("refused").unwrap());
        pair.command(side.other(), Command::RemoveStream { channel, stream }).unwrap();
        for _ in 0..50 {
            pair.append(side, "refused", &[7; 100]);
        }
        pair.link();
        pair.watch();
        pair.pass(Duration::from_secs(20));
        let all = pair.traffic().without_greeting();
        assert_eq!(all.entries(), 0, "{side:?}: {all}");
        assert_eq!(all.passed().last().map(|last| last.kind), Some("equal"), "they agree: {all}");
        assert!(all.frames() < 20, "{all}");
    }
}
