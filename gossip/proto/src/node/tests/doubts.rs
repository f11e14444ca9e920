//! Who is gone, and who only seems to be.

use std::time::Duration;

use super::ring::*;
use super::*;
use crate::wire::{BeatFlags, Row};
use crate::{MemberKey, MemberState};
use PeerStatus::{Reachable, Suspected, Unreachable};

/// All that was told, in short.
fn told(ring: &Ring) -> Vec<(usize, usize, PeerStatus)> {
    ring.told.iter().map(|(_, by, of, status)| (*by, *of, *status)).collect()
}

#[test]
fn a_group_at_rest_says_a_beat_a_second_and_nothing_else() {
    for count in [2, 3, 8, 12] {
        let mut ring = Ring::new(count);
        ring.run(SECOND * 60);
        assert_eq!(told(&ring), [], "{count} nodes");
        let beats = ring.said.iter().filter(|(.., said)| said.name() == "beat").count();
        let expected = count as f64 * 60.0 / 1.05;
        assert!((beats as f64 - expected).abs() <= count as f64 * 2.0, "{beats} beats of {count} nodes");
        for at in 0..count {
            assert_eq!(ring.members(at).live(), count);
        }
    }
}

/// Others are asked when the first answer is missing: as many as there are, up to three.
#[test]
fn behaviour_30_an_answer_names_its_beat_and_a_missing_one_leads_to_up_to_three_others() {
    for (count, looks) in [(2, 0), (3, 1), (4, 2), (6, 3)] {
        let mut ring = Ring::new(count);
        ring.dead.insert(0);
        // What is asked after an accusation is whether anything speaks against it.
        while ring.told.is_empty() {
            ring.run(millis(1));
        }
        let asked: std::collections::BTreeSet<usize> =
            ring.sent(1, "look").iter().map(|(_, to)| *to).collect();
        assert!(asked.len() <= looks, "{asked:?} of {count}");
        let most = (1..count).map(|at| {
            let asked: std::collections::BTreeSet<usize> =
                ring.sent(at, "look").iter().map(|(_, to)| *to).collect();
            asked.len()
        });
        assert_eq!(most.max(), Some(looks), "{count} nodes");
        let answers = ring.said.iter().filter_map(|(at, by, to, said)| match said {
            Message::Beat(beat) if beat.flags.has(BeatFlags::IS_ANSWER) => Some((*at, *by, *to, beat.echo)),
            _ => None,
        });
        let answers: Vec<_> = answers.collect();
        // Two alone have nobody else to ask, and the other one is gone.
        assert_eq!(answers.is_empty(), count == 2, "{count} nodes");
        for (at, by, to, echo) in answers {
            let asked = ring.said.iter().any(|(asked, from, of, said)| {
                matches!(said, Message::Beat(beat) if Some(beat.n) == echo && beat.flags.has(BeatFlags::ANSWER))
                    && (*from, *of, *asked + ring.delay) == (to, by, at)
            });
            assert!(asked, "{by} answers {to} what it did not ask: {echo:?}");
        }
    }
}

/// The direct way is gone, but not the one by way of others.
#[test]
fn behaviour_31_a_late_or_indirect_answer_prevents_an_accusation() {
    let mut ring = Ring::new(4);
    ring.part(0, 1);
    ring.run(SECOND * 120);
    assert_eq!(told(&ring), []);
    assert!(!ring.sent(0, "look").is_empty() && !ring.sent(1, "look").is_empty());
}

/// Whatever it said last to all: its next beat was due to one of them within a second, and is missed.
#[test]
fn who_was_busy_when_it_went_is_missed_as_soon() {
    for count in [4, 5, 8, 12] {
        for phase in 0..8 {
            let mut ring = Ring::new(count);
            ring.run(millis(1_050 * phase + 130));
            let ping = crate::wire::write(&Message::Ping(1, false), 3).into_bytes();
            for at in 1..count {
                ring.give(at, Input::Frame { link: link(0, at), bytes: ping.clone() });
            }
            ring.dead.insert(0);
            let begin = ring.time();
            ring.run(SECOND * 10);
            let gone = ring.told.iter().filter(|(.., status)| *status == Unreachable);
            let last = gone.map(|(at, ..)| *at - begin).max().unwrap();
            assert!(last < millis(3_000), "after {last:?} of {count}, phase {phase}");
        }
    }
}

#[test]
fn behaviour_33_any_contact_recovers_and_is_told() {
    for count in [2, 4, 9] {
        let mut ring = Ring::new(count);
        (1..count).for_each(|other| ring.part(0, other));
        ring.run(SECOND * 10);
        for at in 1..count {
            assert_eq!(ring.statuses(at, 0).last(), Some(&Unreachable), "{count}");
        }
        ring.cut.clear();
        ring.run(SECOND * 70);
        for at in 1..count {
            // In a large group it may not have noticed.
            let last = [(at, 0), (0, at)].map(|(by, of)| ring.statuses(by, of).last().copied());
            assert!(
                last.iter().all(|last| last.unwrap_or(Reachable) == Reachable),
                "{at} of {count}: {last:?}"
            );
            assert_eq!([ring.state(at, 0), ring.state(0, at)], [Some(MemberState::Live); 2]);
        }
    }
}

/// Of two that were apart both ask ever less, and need nobody to find each other again.
#[test]
fn behaviour_33_a_healed_pair_needs_no_help() {
    let mut pair = Ring::new(2);
    pair.part(0, 1);
    pair.run(SECOND * 600);
    assert_eq!(pair.statuses(0, 1), [Suspected, Unreachable]);
    let asked = pair.sent(0, "beat").len();
    assert!(asked < 700, "{asked} beats in ten minutes");
    pair.cut.clear();
    pair.run(SECOND * 61);
    assert_eq!(pair.statuses(0, 1), [Suspected, Unreachable, Reachable]);
}

#[test]
fn behaviour_35_a_newcomer_is_probed_at_once_and_not_accused_in_its_grace() {
    let mut ring = Ring::with_links(5, |one, other| one != 4 && other != 4);
    assert_eq!(ring.members(0).live(), 4);
    ring.link_up(4, 0);
    let begin = ring.time();
    ring.run(millis(100));
    let probes: Vec<(Duration, usize)> =
        ring.sent(0, "beat").into_iter().filter(|(_, to)| *to == 4).collect();
    assert!(!probes.is_empty() && probes[0].0 - begin <= millis(100), "{probes:?}");
    // It came, was told of to all, and fell silent before anybody had an answer.
    let mut ring = Ring::with_links(5, |one, other| one != 4 && other != 4);
    ring.link_up(4, 0);
    while ring.state(0, 4).is_none() {
        ring.run(millis(1));
    }
    ring.dead.insert(4);
    assert!(ring.sent(4, "beat").is_empty());
    let is_accused = |ring: &Ring| {
        let key = MemberKey::of(&name(4));
        let accuses = |row: &Row| matches!(row, Row::Suspect { .. } if row.about().0 == key);
        ring.said.iter().any(|(.., said)| matches!(said, Message::News(rows) if rows.iter().any(accuses)))
    };
    ring.run(SECOND * 10 - millis(1));
    assert!(!is_accused(&ring), "{:?}", told(&ring));
    assert!(ring.sent(0, "beat").iter().filter(|(_, to)| *to == 4).count() > 8, "it is asked all the time");
    ring.run(SECOND * 2);
    assert!(is_accused(&ring));
    ring.run(SECOND * 3);
    assert_eq!(ring.statuses(0, 4).last(), Some(&Unreachable));
    // Who has answered is no newcomer any more.
    let mut ring = Ring::with_links(5, |one, other| one != 4 && other != 4);
    (0..4).for_each(|other| ring.link_up(4, other));
    ring.run(SECOND * 4);
    ring.dead.insert(4);
    ring.run(millis(5_500));
    assert_eq!(ring.statuses(0, 4).last(), Some(&Unreachable));
}

/// Six nodes, of which one has such a way to the others. Node 3 falls silent: how long until somebody else asks
/// it, and after that until those that are as near as ever call it unreachable.
fn missed_beside(way_to_0: Duration) -> (Duration, Vec<Duration>) {
    let mut ring = Ring::unlinked(6);
    (0..6).for_each(|other| _ = ring.delays.insert((0, other), way_to_0));
    for (one, other) in (0..6).flat_map(|one| (0..one).map(move |other| (one, other))) {
        ring.link_up(one, other);
    }
    ring.run(SECOND * 20);
    ring.forget();
    let rtt = |at: usize, of: usize| ring.nodes[at].links[&link(at, of)].rtt.smoothed().unwrap();
    assert!(rtt(1, 0).abs_diff(way_to_0 * 2) < millis(5) && rtt(1, 2) < millis(35));
    ring.run(SECOND * 60);
    assert_eq!(told(&ring), [], "slow is not gone");
    ring.dead.insert(3);
    ring.said.clear();
    let begin = ring.time();
    ring.run(SECOND * 10);
    let tried = ring.said.iter().filter(|(_, by, to, said)| {
        let is_try = matches!(said, Message::Beat(beat) if beat.flags.has(BeatFlags::ANSWER));
        (*by, *to) != (0, 3) && *to == 3 && is_try
    });
    let tried = tried.map(|(at, ..)| *at).min().unwrap();
    let gone = [1, 2, 4, 5].map(|at| {
        let gone = ring.told.iter().find(|(_, by, of, status)| (*by, *of, *status) == (at, 3, Unreachable));
        gone.unwrap().0 - tried
    });
    (tried - begin, gone.to_vec())
}

#[test]
fn behaviour_37_round_trips_are_smoothed_per_peer_and_a_slow_one_slows_nobody() {
    let (usual, slow) = (missed_beside(millis(15)), missed_beside(millis(450)));
    // Its next beat was to come within 1.05 s, a step of 50 ms, what a message takes and the slack; or one more
    // if that one was to the slow node.
    let period = millis(1_050);
    let noticed = period + millis(50 + 15 + 30);
    assert!(usual.0 <= noticed && slow.0 <= noticed + period, "{usual:?}, {slow:?}");
    let last = |gone: Vec<Duration>| gone.into_iter().max().unwrap();
    let (usual, slow) = (last(usual.1), last(slow.1));
    assert!(slow <= usual + millis(50), "{slow:?} and not {usual:?}");
}

/// Who hears nobody accuses nobody, however long, and nor does it when it is back.
#[test]
fn who_is_blocked_accuses_nobody() {
    for (count, seconds) in [(4, 2), (4, 16), (10, 2), (10, 16), (10, 32)] {
        let mut ring = Ring::new(count);
        ring.block(0);
        ring.run(SECOND * seconds);
        ring.unblock(0);
        ring.run(SECOND * 30);
        let wrong = ring.told.iter().filter(|(_, _, of, status)| *of != 0 && *status == Unreachable);
        assert_eq!(wrong.count(), 0, "{count} nodes, {seconds} s: {:?}", told(&ring));
        for at in 1..count {
            assert_eq!(
                ring.statuses(at, 0).last().copied().unwrap_or(Reachable),
                Reachable,
                "{count} {seconds}"
            );
        }
    }
}

/// A third of all frames is lost: nobody is taken for gone.
#[test]
fn loss_kills_nobody() {
    for count in [3, 6, 12] {
        let mut ring = Ring::new(count);
        ring.loss = 300;
        ring.run(SECOND * 300);
        let gone = ring.told.iter().filter(|(.., status)| *status == Unreachable);
        assert_eq!(gone.count(), 0, "{count} nodes: {:?}", told(&ring));
    }
}

/// A machine that slept does not take others for dead.
#[test]
fn who_was_late_begins_again() {
    let mut ring = Ring::new(4);
    let dead = ring.dead.clone();
    // Node 0 sleeps; nothing reaches it.
    (1..4).for_each(|other| ring.part(0, other));
    ring.dead.insert(0);
    ring.run(SECOND * 30);
    (ring.dead, ring.cut) = (dead, Default::default());
    ring.forget();
    ring.run(SECOND * 30);
    let wrong = ring.told.iter().filter(|(_, by, _, status)| *by == 0 && *status != Reachable);
    assert_eq!(wrong.count(), 0, "{:?}", told(&ring));
    assert_eq!((1..4).map(|at| ring.statuses(at, 0)).collect::<Vec<_>>(), vec![vec![Reachable]; 3]);
}

#[test]
fn who_dozes_is_not_doubted_until_it_is_late() {
    let mut ring = Ring::new(4);
    ring.give(0, Input::Command { id: CommandId(3), command: Command::Doze { lasting: SECOND * 60 } });
    ring.run(SECOND * 30);
    assert_eq!(ring.statuses(1, 0), [PeerStatus::Dozing]);
    assert!(ring.sent(0, "beat").len() <= 6, "{:?}", ring.sent(0, "beat"));
    ring.give(0, Input::Command { id: CommandId(4), command: Command::Doze { lasting: Duration::ZERO } });
    ring.run(SECOND * 2);
    assert_eq!(ring.statuses(1, 0), [PeerStatus::Dozing, Reachable]);
    ring.give(0, Input::Command { id: CommandId(3), command: Command::Doze { lasting: SECOND * 60 } });
    ring.run(SECOND);
    ring.dead.insert(0);
    ring.run(SECOND * 70);
    assert_eq!(ring.statuses(1, 0).last(), Some(&PeerStatus::Dozing));
    ring.run(SECOND * 30);
    assert_eq!(ring.statuses(1, 0).last(), Some(&Unreachable));
}
