//! Others are asked for who does not answer, and ask it themselves.

use std::time::Duration;

use super::ring::*;
use super::*;
use crate::MemberKey;
use crate::node::Timer;
use crate::wire::{Accusers, BeatFlags, Look, Row, Seen, write};
use PeerStatus::{Reachable, Suspected, Unreachable};

/// What one node answered to those who asked for others.
fn seen_by(ring: &Ring, at: usize) -> Vec<Seen> {
    let seen = ring.said.iter().filter_map(|(_, by, _, said)| match said {
        Message::Seen(seen) if *by == at => Some(*seen),
        _ => None,
    });
    seen.collect()
}

/// Numbers of beats from one node to another, and whether they were questions.
fn beats(ring: &Ring, from: usize, to: usize) -> Vec<(u8, bool)> {
    let beats = ring.said.iter().filter_map(|(_, by, of, said)| match said {
        Message::Beat(beat) if (*by, *of) == (from, to) => Some((beat.n, beat.flags.has(BeatFlags::ANSWER))),
        _ => None,
    });
    beats.collect()
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
    // Whatever it asks for others has its place in the row of its own beats.
    for to in [0, 1] {
        let beats = beats(&ring, 2, to);
        assert!(beats.len() > 2 && beats.iter().any(|(_, asks)| *asks), "{beats:?}");
        assert!(beats.windows(2).all(|two| two[1].0 == two[0].0.wrapping_add(1)), "{beats:?}");
    }
    // While it asks, the member is taken off its list.
    let mut ring = Ring::new(4);
    ring.dead.insert(0);
    while !ring.said.iter().any(|(_, _, to, said)| *to == 2 && said.name() == "look") {
        ring.run(millis(1));
    }
    ring.run(ring.delay + millis(1));
    let before = seen_by(&ring, 2).len();
    ring.give(2, Input::Command { id: CommandId(9), command: Command::RemovePeer { peer: name(0) } });
    ring.run(SECOND * 2);
    // Others accuse it meanwhile, and this one has nothing to say against that.
    let later = seen_by(&ring, 2).split_off(before);
    assert!(!later.is_empty(), "it goes on");
    assert!(later.iter().all(|seen| !seen.heard), "what it does not know it does not say: {later:?}");
}

/// Node 2 waits for an answer of node 0 when it is asked for it: that is awaited, measured, and passed on to
/// who asked.
#[test]
fn behaviour_36_a_helper_that_asks_already_waits_for_that_answer() {
    let mut ring = Ring::unlinked(3);
    ring.delays.insert((0, 2), millis(450));
    for (one, other) in [(0, 1), (0, 2), (1, 2)] {
        ring.link_up(one, other);
    }
    ring.run(SECOND * 20);
    ring.forget();
    // From here on node 0 only answers.
    ring.nodes[0].timers.cancel(&Timer::Beat);
    let asked = |ring: &Ring| beats(ring, 2, 0).into_iter().filter(|(_, asks)| *asks).count();
    while asked(&ring) == 0 {
        ring.run(millis(1));
    }
    let begin = ring.time();
    ring.run(millis(300));
    let (key, incarnation) = (MemberKey::of(&name(0)), ring.nodes[0].record.incarnation);
    let look = Look { serial: 7, key, incarnation, age: 0 };
    ring.give(2, Input::Frame { link: link(1, 2), bytes: write(&Message::Look(look), 3).into_bytes() });
    ring.run(begin + millis(890) - ring.time());
    assert_eq!((asked(&ring), seen_by(&ring, 2).len()), (1, 0), "once is enough");
    ring.run(millis(20));
    assert_eq!((asked(&ring), seen_by(&ring, 2)), (1, vec![Seen { serial: 7, key, heard: true }]));
    let round_trip = ring.nodes[2].links[&link(0, 2)].rtt.smoothed().unwrap();
    assert!(round_trip.abs_diff(millis(900)) < millis(5), "{round_trip:?}");
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
    assert_eq!(gone.count(), 0, "{:?}", ring.told);
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
    let (key, incarnation) = (MemberKey::of(&name(0)), ring.nodes[0].record.incarnation);
    let look = Look { serial: 7, key, incarnation, age: 0 };
    let bytes = write(&Message::Look(look), 3).into_bytes();
    ring.give(2, Input::Frame { link: link(1, 2), bytes });
    ring.run(millis(850));
    assert_eq!(seen_by(&ring, 2), []);
    ring.run(millis(400));
    assert_eq!(seen_by(&ring, 2), [Seen { serial: 7, key, heard: true }]);
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
            Message::Look(look) if *by == 1 && look.key == key => Some(*look),
            _ => None,
        });
        if let Some(look) = looks.last() {
            break look;
        }
    };
    assert_eq!(ring.statuses(1, 0), [Suspected]);
    let guessed = look.serial.wrapping_add(9);
    hear(&mut ring, Message::Seen(Seen { serial: guessed, heard: true, key }));
    assert_eq!(ring.statuses(1, 0), [Suspected], "it asked something else");
    hear(&mut ring, Message::Seen(Seen { serial: look.serial, key, heard: true }));
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
