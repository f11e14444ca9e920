//! Two histories of one log: both are kept, on both sides, under the same names.

use std::collections::BTreeSet;
use std::time::Duration;

use gossip_proto::node::Event;
use gossip_proto::{LogName, Seq};
use gossip_testkit::sim::pair::{Logs, Pair, Setup, Side};

/// Two that can search.
fn pair() -> Setup {
    Pair::setup().version(Side::Ann, 2).version(Side::Bob, 2)
}

/// Where forks were told, once each.
fn told(pair: &mut Pair, side: Side) -> Vec<(LogName, Seq)> {
    let forks = pair.events(side).into_iter().filter_map(|event| match event {
        Event::ForkDetected { log, at, .. } => Some((log, at)),
        _ => None,
    });
    forks.collect()
}

/// Both sides hold the common part and two branches, and were told where they part.
fn assert_parted(pair: &mut Pair, common: Seq, heights: [Seq; 2]) {
    let heads = pair.heads(Side::Ann);
    assert_eq!(heads, pair.heads(Side::Bob));
    let found: BTreeSet<Seq> = heads.values().map(|(height, _)| *height).collect();
    assert_eq!(found, [common, heights[0], heights[1]].into(), "{heads:?}");
    for side in Side::BOTH {
        let told = told(pair, side);
        let places: BTreeSet<Seq> = told.iter().map(|(_, at)| *at).collect();
        assert_eq!(places, [common + 1].into(), "{side:?}: {told:?}");
        assert_eq!(told.len(), 1, "{side:?} is told once");
    }
}

#[test]
fn both_histories_are_kept_on_both_sides() {
    for (common, more) in [(5, [9, 7]), (5, [7, 7]), (1, [1, 1]), (300, [600, 2]), (2_000, [1, 1_500])] {
        let logs = Logs::of(1).common(common).more(Side::Ann, more[0]).more(Side::Bob, more[1]).run(16);
        let mut pair = pair().logs(logs).begin();
        pair.link();
        pair.settle();
        let heights = more.map(|more| common + more);
        if heights[0] == heights[1] {
            assert_eq!(pair.heads(Side::Ann).len(), 3);
            continue;
        }
        assert_parted(&mut pair, common, heights);
    }
}

/// The place lies inside runs with one seal each: what all share ends where no seal is.
#[test]
fn sealed_histories_are_kept_too() {
    for run in [1, 16, 256] {
        let logs = Logs::of(1).common(40).more(Side::Ann, 30).more(Side::Bob, 7).run(run).sealed();
        let mut pair = pair().logs(logs).begin();
        pair.link();
        pair.settle();
        assert_parted(&mut pair, 40, [70, 47]);
        for side in Side::BOTH {
            pair.restart(side);
        }
        pair.link();
        pair.settle();
    }
}

#[test]
fn it_is_found_also_where_frames_are_lost() {
    for seed in 0..8 {
        let logs = Logs::of(3).common(40).more(Side::Ann, 50).more(Side::Bob, 60);
        let mut pair = pair().seed(seed).lossy(300).logs(logs).begin();
        pair.link();
        pair.settle();
        assert_eq!(pair.heads(Side::Ann).len(), 9, "seed {seed}");
    }
}

#[test]
fn it_is_told_once_and_costs_nothing_afterwards() {
    let logs = Logs::of(1).common(10).more(Side::Ann, 5).more(Side::Bob, 9);
    let mut pair = pair().logs(logs).begin();
    pair.link();
    pair.settle();
    assert_parted(&mut pair, 10, [15, 19]);
    for side in Side::BOTH {
        pair.restart(side);
    }
    pair.link();
    pair.settle();
    pair.watch();
    pair.pass(Duration::from_secs(60));
    assert!(pair.traffic().bytes() < 2_000, "{}", pair.traffic());
    for side in Side::BOTH {
        assert_eq!(told(&mut pair, side), [], "the turn is on disk");
    }
}

/// What differs from the very first entry on shares nothing that a branch could begin with.
#[test]
fn what_shares_nothing_is_told_and_refused() {
    let logs = Logs::of(1).more(Side::Ann, 5).more(Side::Bob, 9);
    let mut pair = pair().logs(logs).begin();
    pair.link();
    pair.pass(Duration::from_secs(120));
    assert_eq!(pair.heads(Side::Ann).len(), 1);
    for side in Side::BOTH {
        assert!(told(&mut pair, side).iter().all(|(_, at)| *at == 1));
    }
    pair.append(Side::Ann, "other", b"goes on");
    pair.pass(Duration::from_secs(1));
    assert_eq!(pair.heads(Side::Bob).len(), 2, "nothing else is held up");
}

/// A liar can make up hashes, not entries that chain: nothing ends, nothing moves.
#[test]
fn three_histories_and_a_fork_of_a_branch_are_told_apart() {
    // Ann's history forks from bob's at 6, and later another log forks at 31: both in one channel.
    let early = Logs::of(2).common(5).more(Side::Ann, 40).more(Side::Bob, 20);
    let late = Logs::of(2).common(30).more(Side::Ann, 4).more(Side::Bob, 7).run(3);
    let mut pair = pair().logs(early).logs(late).begin();
    pair.link();
    pair.settle();
    assert_eq!(pair.heads(Side::Ann).len(), 12);
    for side in Side::BOTH {
        let told = told(&mut pair, side);
        let places: Vec<Seq> = told.iter().map(|(_, at)| *at).collect();
        assert_eq!(places.iter().filter(|at| **at == 6).count(), 2, "{told:?}");
        assert_eq!(places.iter().filter(|at| **at == 31).count(), 2, "{told:?}");
    }
}
