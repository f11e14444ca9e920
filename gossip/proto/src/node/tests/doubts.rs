//! Who is gone, and who only seems to be.

use std::time::Duration;

use super::ring::*;
use super::*;
use crate::wire::{Accusers, BeatFlags, Look, Row, Seen, write};
use crate::{MemberKey, MemberState};
use PeerStatus::{Reachable, Suspected, Unreachable};

/// All that was told, in short.
fn told(ring: &Ring) -> Vec<(usize, usize, PeerStatus)> {
    ring.told.iter().map(|(_, by, of, status)| (*by, *of, *status)).collect()
}

/// What one node answered to those who asked for others.
fn seen_by(ring: &Ring, at: usize) -> Vec<Seen> {
    let seen = ring.said.iter().filter_map(|(_, by, _, said)| match said {
        Message::Seen(seen) if *by == at => Some(*seen),
        _ => None,
    });
    seen.collect()
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
        ring.run(SECOND * 4);
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
        for (at, by, to, echo) in answers {
            let asked = ring.said.iter().any(|(asked, from, of, said)| {
                matches!(said, Message::Beat(beat) if Some(beat.n) == echo && beat.flags.has(BeatFlags::ANSWER))
                    && (*from, *of, *asked + ring.delay) == (to, by, at)
            });
            assert!(asked, "{by} answers {to} what it did not ask: {echo:?}");
        }
    }
}

/// The direct way is gone, but not the one by way of others; and between two an answer that was late counts.
#[test]
fn behaviour_31_a_late_or_indirect_answer_prevents_an_accusation() {
    let mut ring = Ring::new(4);
    ring.part(0, 1);
    ring.run(SECOND * 120);
    assert_eq!(told(&ring), []);
    assert!(!ring.sent(0, "look").is_empty() && !ring.sent(1, "look").is_empty());

    let mut pair = Ring::new(2);
    pair.delay = millis(400);
    pair.run(SECOND * 60);
    let unreachable = told(&pair).into_iter().filter(|(.., status)| *status == Unreachable);
    assert_eq!(unreachable.count(), 0);
}

#[test]
fn behaviour_32_suspected_and_unreachable_at_their_thresholds_and_once() {
    for count in [2, 3, 4, 5, 8, 12] {
        let mut ring = Ring::new(count);
        ring.dead.insert(0);
        let begin = ring.time();
        ring.run(SECOND * 60);
        for at in 1..count {
            assert_eq!(ring.statuses(at, 0), [Suspected, Unreachable], "at {at} of {count}");
        }
        assert_eq!(ring.told.len(), 2 * (count - 1), "nobody else: {:?}", told(&ring));
        let gone = ring.told.iter().filter(|(.., status)| *status == Unreachable);
        let last = gone.map(|(at, ..)| *at - begin).max().unwrap();
        let patience = if count == 2 { SECOND * 5 } else { SECOND * 4 };
        assert!(last >= millis(800) && last <= patience, "after {last:?} of {count}");
    }
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
    ring.run(millis(7_000));
    let accused = ring.told.iter().any(|(.., of, status)| *of == 4 && *status == Unreachable);
    assert!(!accused, "{:?}", told(&ring));
    ring.run(SECOND * 20);
    assert_eq!(ring.statuses(0, 4).last(), Some(&Unreachable));
    // Who has answered is no newcomer any more.
    let mut ring = Ring::with_links(5, |one, other| one != 4 && other != 4);
    (0..4).for_each(|other| ring.link_up(4, other));
    ring.run(SECOND * 4);
    ring.dead.insert(4);
    ring.run(millis(5_500));
    assert_eq!(ring.statuses(0, 4).last(), Some(&Unreachable));
}

/// Node 2 is asked for node 0 and asks it with a number of its own; what it passes on is an answer it got.
#[test]
fn behaviour_36_a_helper_uses_its_own_numbers_passes_on_real_answers_and_survives_a_removal() {
    let mut ring = Ring::new(3);
    ring.part(0, 1);
    ring.run(SECOND * 3);
    let seen = seen_by(&ring, 2);
    assert!(!seen.is_empty() && seen.iter().all(|seen| seen.heard), "{seen:?}");
    let (look, asker) =
        ring.said.iter().find(|(.., said)| said.name() == "look").map(|said| (said.0, said.1)).unwrap();
    assert!(ring.sent(2, "beat").contains(&(look + ring.delay, 1 - asker)), "it asks at once");
    // While it asks, the member is taken off its list.
    let mut ring = Ring::new(4);
    ring.dead.insert(0);
    while !ring.said.iter().any(|(_, _, to, said)| *to == 2 && said.name() == "look") {
        ring.run(millis(1));
    }
    ring.run(ring.delay + millis(1));
    let before = ring.sent(2, "seen").len();
    ring.give(2, Input::Command { id: CommandId(9), command: Command::RemovePeer { peer: name(0) } });
    ring.run(SECOND * 2);
    assert_eq!(ring.sent(2, "seen").len(), before, "what it does not know it does not say");
}

#[test]
fn behaviour_37_round_trips_are_smoothed_per_peer_and_a_slow_one_slows_nobody() {
    let mut ring = Ring::unlinked(4);
    (0..4).for_each(|other| _ = ring.delays.insert((0, other), millis(450)));
    for (one, other) in (0..4).flat_map(|one| (0..one).map(move |other| (one, other))) {
        ring.link_up(one, other);
    }
    ring.run(SECOND * 20);
    ring.forget();
    let rtt = |at: usize, of: usize| ring.nodes[at].links[&link(at, of)].rtt.smoothed().unwrap();
    assert!(rtt(1, 0) > millis(890) && rtt(1, 2) < millis(35));
    ring.run(SECOND * 60);
    assert_eq!(told(&ring), [], "slow is not gone");
    ring.dead.insert(3);
    let begin = ring.time();
    ring.run(SECOND * 10);
    let gone = ring.told.iter().find(|(_, by, of, status)| (*by, *of, *status) == (1, 3, Unreachable));
    assert!(gone.unwrap().0 - begin < millis(4_500), "{:?}", gone);
}

/// A helper whose link to the member takes 900 ms there and back waits as long, and those who asked wait for it.
#[test]
fn defect_b19_helpers_wait_as_long_as_their_link_takes() {
    let mut ring = Ring::unlinked(3);
    ring.delays.insert((0, 2), millis(450));
    for (one, other) in [(0, 1), (0, 2), (1, 2)] {
        ring.link_up(one, other);
    }
    ring.run(SECOND * 20);
    ring.forget();
    ring.part(0, 1);
    ring.run(SECOND * 120);
    let gone = ring.told.iter().filter(|(.., status)| *status == Unreachable);
    assert_eq!(gone.count(), 0, "{:?}", told(&ring));
    let answers = seen_by(&ring, 2);
    assert!(!answers.is_empty() && answers.iter().all(|seen| seen.heard), "{answers:?}");
    // Now the member says nothing by itself meanwhile: what is waited for is its answer.
    ring.cut.clear();
    ring.run(SECOND * 20);
    let newest = |ring: &Ring| ring.nodes[2].links[&link(0, 2)].heard;
    let before = newest(&ring);
    while newest(&ring) == before {
        ring.run(millis(1));
    }
    ring.forget();
    let look =
        Look { serial: 7, key: MemberKey::of(&name(0)), incarnation: ring.nodes[0].record.incarnation };
    let bytes = write(&Message::Look(look), 3).into_bytes();
    ring.give(2, Input::Frame { link: link(1, 2), bytes });
    ring.run(millis(850));
    assert_eq!(seen_by(&ring, 2), []);
    ring.run(millis(400));
    assert_eq!(seen_by(&ring, 2), [Seen { look, heard: true }]);
}

/// It proves that the member is there, and says nothing of how long the way to it is: also where nothing else does.
#[test]
fn defect_b20_an_indirect_answer_clears_suspicion_and_measures_nothing() {
    let mut ring = Ring::new(3);
    let before = ring.nodes[1].links[&link(0, 1)].rtt.timeout();
    ring.part(0, 1);
    ring.run(SECOND * 30);
    assert!(ring.sent(2, "seen").len() > 1);
    assert_eq!(ring.nodes[1].links[&link(0, 1)].rtt.timeout(), before);
    assert_eq!(ring.statuses(1, 0).last().copied().unwrap_or(Reachable), Reachable);
    // Node 1 hears nothing any more but an accusation, and that answer.
    ring.part(1, 2);
    ring.forget();
    let (key, incarnation) = (MemberKey::of(&name(0)), ring.nodes[0].record.incarnation);
    let accusers = Accusers::one(MemberKey::of(&name(2)));
    let accused = Row::Suspect { key, incarnation, left: 9_000, age: 0, accusers };
    hear(&mut ring, Message::News(vec![accused]));
    let look = loop {
        ring.run(millis(1));
        let looks = ring.said.iter().filter_map(|(_, by, _, said)| match said {
            Message::Look(look) if *by == 1 => Some(*look),
            _ => None,
        });
        if let Some(look) = looks.last() {
            break look;
        }
    };
    assert_eq!(ring.statuses(1, 0), [Suspected]);
    let guessed = Look { serial: look.serial.wrapping_add(9), ..look };
    hear(&mut ring, Message::Seen(Seen { look: guessed, heard: true }));
    assert_eq!(ring.statuses(1, 0), [Suspected], "it asked something else");
    hear(&mut ring, Message::Seen(Seen { look, heard: true }));
    assert_eq!(ring.statuses(1, 0), [Suspected, Reachable]);
    assert_eq!(ring.nodes[1].links[&link(0, 1)].rtt.timeout(), before);
}

/// Node 1 hears this from node 2.
fn hear(ring: &mut Ring, message: Message) {
    let bytes = write(&message, 3).into_bytes();
    ring.give(1, Input::Frame { link: link(1, 2), bytes });
}

/// Somebody asks a thousand times, for whom it likes.
#[test]
fn defect_b28_nobody_makes_a_node_probe_strangers_or_many() {
    let mut ring = Ring::with_links(4, |one, other| (one, other) != (3, 0));
    let look = |serial, key| {
        let look = Look { serial, key, incarnation: 1, age: 0 };
        write(&Message::Look(look), 3).into_bytes()
    };
    for (serial, of) in (0..1_000).zip([3, 77].into_iter().cycle()) {
        let bytes = look(serial, MemberKey::of(&name(of)));
        ring.give(0, Input::Frame { link: link(0, 1), bytes });
    }
    assert_eq!((ring.sent(0, "beat").len(), ring.sent(0, "seen").len()), (0, 0), "no link leads there");
    ring.run(SECOND * 10);
    ring.forget();
    // It answers at once, so that each look could be a question of its own.
    ring.delays.insert((0, 2), Duration::from_micros(300));
    for serial in 0..1_000 {
        ring.give(0, Input::Frame { link: link(0, 1), bytes: look(serial, MemberKey::of(&name(2))) });
        ring.run(millis(1));
    }
    ring.run(SECOND);
    let tried = ring.sent(0, "beat").into_iter().filter(|(_, to)| *to == 2).count();
    assert!((2..=45).contains(&tried), "{tried} tries");
    assert!(ring.sent(0, "seen").len() <= 45);
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
