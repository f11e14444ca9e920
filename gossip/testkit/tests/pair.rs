//! The pair of nodes that others measure with counts right.

use std::time::Duration;

use gossip_proto::node::Event;
use gossip_testkit::sim::pair::{Logs, Pair, Side};

#[test]
fn what_one_side_lacks_comes_over_and_is_counted() {
    let setup = Pair::setup().logs(Logs::of(30).alike(100)).logs(Logs::of(5).alike(10).more(Side::Ann, 300));
    let mut pair = setup.begin();
    assert!(!pair.same());
    pair.link();
    pair.settle();
    let all = pair.traffic();
    assert_eq!(all.clone().from(Side::Ann).entries(), 1_500, "{all}");
    assert_eq!(all.clone().from(Side::Bob).entries(), 0, "{all}");
    let greeting =
        all.clone().of(&["hello", "channels", "matches", "rescan", "ping", "pong", "news", "beat"]);
    let rest = all.clone().without_greeting();
    assert_eq!(greeting.bytes() + rest.bytes(), all.bytes());
    assert!(rest.overhead() < rest.bytes() - 1_500 * 100, "{rest}");
    assert!(pair.events(Side::Bob).iter().any(|event| matches!(event, Event::EntriesMerged { .. })));
}

#[test]
fn heads_cost_nothing_and_invented_ones_hold() {
    let mut pair = Pair::setup().logs(Logs::of(10_000).alike(100)).begin();
    pair.link();
    pair.settle();
    assert_eq!(pair.heads(Side::Bob).len(), 10_000);
    assert_eq!(pair.traffic().entries(), 0);
    assert!(pair.traffic().bytes() < 4_000, "{}", pair.traffic());
}

#[test]
fn an_entry_for_a_known_peer_takes_half_a_round_trip() {
    let mut pair = Pair::setup().begin();
    pair.link();
    pair.append(Side::Ann, "s", b"first");
    pair.settle();
    pair.watch();
    pair.append(Side::Ann, "s", b"second");
    pair.settle();
    let traffic = pair.traffic();
    assert_eq!((traffic.entries(), traffic.data_after()), (1, 1), "{traffic}");
    assert_eq!(traffic.passed()[0].bytes(), traffic.passed()[0].frame.len() + 4);
}

#[test]
fn the_wanted_side_initiates_and_the_same_seed_gives_the_same_frames() {
    for side in Side::BOTH {
        let frames = || {
            let mut pair = Pair::setup().initiator(side).lossy(300).logs(Logs::of(20).more(side, 9)).begin();
            pair.link();
            pair.settle();
            pair.traffic().passed().to_vec()
        };
        let first = frames();
        assert_eq!(first.iter().find(|passed| passed.kind == "channels").unwrap().from, side);
        assert!(first.iter().any(|passed| passed.lost));
        assert_eq!(first, frames());
    }
}

#[test]
fn a_side_that_starts_again_goes_on_from_its_disk() {
    let mut pair = Pair::setup().begin();
    pair.append(Side::Ann, "s", b"kept");
    pair.restart(Side::Ann);
    pair.pass(Duration::from_secs(1));
    assert_eq!(pair.traffic().frames(), 0, "there is no link");
    pair.link();
    pair.settle();
    assert_eq!(pair.heads(Side::Bob).len(), 1);
}
