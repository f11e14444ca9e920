//! Two histories of one log: both are kept, on both sides, under the same names.

use std::collections::BTreeSet;
use std::time::Duration;

use gossip_proto::node::{Command, CommandError, Event, Reply};
use gossip_proto::{ChannelId, EntryId, LogName, Seq, StreamId};
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
    // The last five took minutes when a question that was lost was not asked again.
    for seed in (0..8).chain([19, 56, 74, 83, 122]) {
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
    let traffic = pair.traffic().without_group();
    assert!(traffic.bytes() < 2_000, "{traffic}");
    for side in Side::BOTH {
        assert_eq!(told(&mut pair, side), [], "the turn is on disk");
    }
}

/// What differs from the very first entry on has branches that begin with it, and a log of nothing.
#[test]
fn histories_that_share_nothing_are_kept_too() {
    for sealed in [false, true] {
        let logs = Logs::of(1).more(Side::Ann, 5).more(Side::Bob, 900).run(16);
        let mut pair = pair().logs(if sealed { logs.sealed() } else { logs }).begin();
        pair.link();
        pair.settle();
        assert_parted(&mut pair, 0, [5, 900]);
        assert_lasts(&mut pair);
        pair.append(Side::Ann, "other", b"goes on");
        pair.settle();
    }
}

/// Both are restarted, and one of them begins anew with nothing: all comes again, nobody complains.
fn assert_lasts(pair: &mut Pair) {
    let heads = pair.heads(Side::Ann);
    for side in Side::BOTH {
        pair.restart(side);
    }
    pair.link();
    pair.settle();
    for side in Side::BOTH {
        pair.events(side);
        pair.replace(side, None);
        pair.link();
        pair.settle();
        assert_eq!(pair.heads(side), heads);
        for side in Side::BOTH {
            let events = pair.events(side);
            let dropped = events.iter().filter(|event| matches!(event, Event::Dropped(_)));
            assert_eq!(dropped.collect::<Vec<_>>(), Vec::<&Event>::new(), "{side:?}");
        }
    }
}

/// The end of what all share lies where no seal is: whoever begins with nothing gets it, from an honest peer
/// that never sends what nobody vouches for.
#[test]
fn a_newcomer_gets_the_end_that_no_seal_follows() {
    for common in [1, 40, 700] {
        let logs = Logs::of(2).common(common).more(Side::Ann, 30).more(Side::Bob, 7).sealed();
        let mut pair = pair().logs(logs).begin();
        pair.link();
        pair.settle();
        assert_eq!(pair.heads(Side::Ann).len(), 6);
        assert_lasts(&mut pair);
        Side::BOTH.into_iter().for_each(|side| pair.evict(side, common));
        assert_lasts(&mut pair);
    }
}

/// The beginnings of all branches are pruned, then somebody begins with nothing.
#[test]
fn a_newcomer_gets_branches_whose_beginning_is_gone() {
    let logs = Logs::of(1).common(40).more(Side::Ann, 30).more(Side::Bob, 9).run(3);
    let mut pair = pair().logs(logs).begin();
    pair.link();
    pair.settle();
    Side::BOTH.into_iter().for_each(|side| pair.evict(side, 45));
    assert_lasts(&mut pair);
}

/// Power is lost between the copy and the end of the log, then again when that is made up for: whoever starts
/// sees it in what it holds, with nobody there to tell it.
#[test]
fn a_loss_of_power_between_the_copy_and_the_end_is_made_up_for() {
    for (common, more) in [(5, 40), (0, 40), (30, 900), (1, 1)] {
        let logs = Logs::of(1).common(common).more(Side::Ann, more).more(Side::Bob, 7).run(16);
        let mut pair = pair().logs(logs).begin();
        pair.lose_turns(Side::Ann, true);
        pair.link();
        pair.pass(Duration::from_secs(20));
        pair.restart(Side::Ann);
        pair.pass(Duration::from_secs(20));
        let heights =
            |pair: &Pair| pair.heads(Side::Ann).into_values().map(|(at, _)| at).collect::<BTreeSet<_>>();
        assert_eq!(heights(&pair), [common + more].into(), "the copy and the log");
        pair.lose_turns(Side::Ann, false);
        pair.restart(Side::Ann);
        pair.pass(Duration::from_secs(20));
        assert_eq!(heights(&pair), [common, common + more].into(), "ended without a link");
        pair.link();
        pair.settle();
        assert_eq!(pair.heads(Side::Ann).len(), 3);
    }
}

/// A third history that leaves one of the branches: all three are kept, by the same names. What lies between the
/// two places carries no seal: what left it vouches for it.
#[test]
fn a_branch_forks_like_any_log() {
    for sealed in [false, true] {
        for (stem, ann, bob) in [(4, 10, 20), (9, 1, 300), (1, 300, 2)] {
            let of = |logs: Logs| if sealed { logs.sealed() } else { logs };
            let first = Logs::of(1).common(5).more(Side::Ann, stem + ann).more(Side::Bob, 20);
            let third = Logs::of(1).common(5).stem(Side::Ann, stem).more(Side::Bob, bob);
            let mut pair = pair().logs(of(first)).begin();
            pair.link();
            pair.settle();
            // Two that begin at one place are looked at when the node starts, and go on growing and forking.
            pair.restart(Side::Ann);
            pair.replace(Side::Bob, Some(of(third)));
            pair.link();
            pair.settle();
            let heights: BTreeSet<Seq> = pair.heads(Side::Ann).into_values().map(|(at, _)| at).collect();
            assert_eq!(heights, [5, 5 + stem, 5 + stem + ann, 5 + stem + bob, 25].into());
            assert_lasts(&mut pair);
        }
    }
}

/// Where the place was pruned, or nobody can search, each keeps what it has and hears of it in each session.
#[test]
fn what_cannot_be_found_is_told_in_each_session_and_kept() {
    let logs = Logs::of(1).common(40).more(Side::Ann, 9).more(Side::Bob, 5);
    for (version, upto) in [(2, 44), (1, 0)] {
        let setup = Pair::setup().version(Side::Ann, version).version(Side::Bob, version);
        let mut pair = setup.logs(logs).begin();
        pair.evict(Side::Ann, upto);
        let heads = Side::BOTH.map(|side| pair.heads(side));
        for _ in 0..2 {
            pair.link();
            pair.pass(Duration::from_secs(120));
            assert_eq!(Side::BOTH.map(|side| pair.heads(side)), heads);
            for side in Side::BOTH {
                assert_eq!(told(&mut pair, side).len(), 1, "version {version}, {side:?}");
            }
        }
        pair.append(Side::Ann, "other", b"goes on");
        pair.pass(Duration::from_secs(1));
        assert_eq!(pair.heads(Side::Bob).len(), 2, "nothing else is held up");
    }
    // The last hash in common is enough.
    let mut pair = pair().logs(logs).begin();
    pair.evict(Side::Ann, 40);
    pair.link();
    pair.settle();
    assert_eq!(pair.heads(Side::Ann).len(), 3);
}

/// The application may know an entry by the id it had before.
#[test]
fn what_moved_is_erased_by_its_old_id() {
    let logs = Logs::of(1).common(5).more(Side::Ann, 5).more(Side::Bob, 9);
    let mut pair = pair().logs(logs).begin();
    let log = *pair.heads(Side::Ann).keys().next().unwrap();
    let (channel, stream) = (ChannelId::new("c").unwrap(), StreamId::new("s0-0").unwrap());
    let erase = |sequence| {
        let (channel, stream) = (channel.clone(), stream.clone());
        Command::Erase { channel, stream, entries: vec![EntryId { log, sequence }] }
    };
    assert_eq!(pair.command(Side::Ann, erase(8)), Ok(Reply::Erased(1)), "before it forks");
    pair.link();
    pair.settle();
    assert_eq!(pair.heads(Side::Ann).len(), 3);
    for (sequence, here) in [(8, 0), (9, 1), (9, 0), (3, 1)] {
        assert_eq!(pair.command(Side::Ann, erase(sequence)), Ok(Reply::Erased(here)), "{sequence}");
    }
    pair.settle();
    let unknown = pair.command(Side::Ann, erase(11));
    assert!(matches!(unknown, Err(CommandError::UnknownEntry(_))), "{unknown:?}");
    let mut erased = |side| {
        let entries = pair.events(side).into_iter().filter_map(|event| match event {
            Event::EraseRequested { entries, .. } | Event::EntriesErased { entries, .. } => Some(entries),
            _ => None,
        });
        entries.flatten().map(|(log, range)| (log, range.first)).collect::<BTreeSet<_>>()
    };
    let here = erased(Side::Ann);
    let branch = here.iter().find(|(of, _)| *of != log).expect("by the new id").0;
    assert_eq!(here, [(log, 3), (log, 8), (branch, 8), (branch, 9)].into());
    assert!(erased(Side::Bob).is_superset(&[(log, 3), (branch, 9)].into()));
}

#[test]
fn forks_of_many_logs_are_told_apart() {
    // Some logs fork at 6, others at 31: all in one channel.
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
