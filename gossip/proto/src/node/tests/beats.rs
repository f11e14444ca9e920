//! Beats measure the round trip, and make tables of members agree.

use std::time::Duration;

use super::ring::{Ring, link};
use super::*;
use crate::wire::{Beat, BeatFlags, Row};
use crate::{MemberKey, MemberRow};

const SECOND: Duration = Duration::from_secs(1);

/// Two companions of which one knows so many others.
fn pair(version: u8, at: usize, others: u64) -> Pair {
    let mut pair = Pair::of([Vec::new(), Vec::new()], version);
    pair.run(Tick(2_000_000));
    pair.meet_many(at, 0..others);
    pair.rest();
    pair.said.clear();
    pair
}

impl Pair {
    /// Nobody says beats but when told to.
    pub(super) fn rest(&mut self) {
        for node in &mut self.nodes {
            [Timer::Beat, Timer::Due(LINK)].iter().for_each(|timer| node.timers.cancel(timer));
        }
    }

    fn meet_many(&mut self, at: usize, numbers: std::ops::Range<u64>) {
        for number in numbers {
            let id = NodeId::new(format!("n{number}")).unwrap();
            let row =
                Row::Live { row: MemberRow { id, incarnation: 1, instance: 1, addresses: vec![] }, doze: 0 };
            self.nodes[at].members.merge(self.now, &row, members::merge::Told::News);
        }
    }

    fn hashes(&self) -> [u64; 2] {
        self.nodes.each_ref().map(|node| node.members.hash())
    }

    /// One node says a beat, and time passes.
    fn beat(&mut self, at: usize, flags: BeatFlags, pass: Duration) {
        // It learns what time it is.
        self.give(at, Input::Deadline);
        self.nodes[at].beat_now(LINK, flags);
        self.give(at, Input::Deadline);
        self.run(self.now + pass);
    }

    fn count(&self, name: &str) -> usize {
        self.said.iter().filter(|(_, message)| message.name() == name).count()
    }
}

#[test]
fn companions_come_to_know_the_same_members() {
    for (at, others) in [(0, 1), (0, 300), (1, 1), (1, 300)] {
        for beats in [0, 1] {
            let mut pair = pair(3, at, others);
            pair.beat(beats, BeatFlags::ANSWER, SECOND);
            assert_eq!(
                (pair.hashes()[0], pair.count("beat")),
                (pair.hashes()[1], 2),
                "{others} of {at}, {beats}"
            );
            assert_eq!(pair.nodes[0].members.live(), 2 + others as usize);
            // And both learn what is new to one of them, when they know each other.
            pair.meet_many(1 - at, 1_000..1_003);
            pair.said.clear();
            pair.beat(beats, BeatFlags::ANSWER, SECOND);
            assert_eq!(pair.hashes()[0], pair.hashes()[1]);
            let said =
                pair.said.iter().map(|(_, message)| crate::wire::write(message, 3).len()).sum::<usize>();
            assert!(said <= 1_600, "{said} bytes for three differences");
        }
    }
}

/// What is different may be on its way: nothing is compared while tables move.
#[test]
fn tables_that_move_are_not_compared() {
    let mut pair = pair(3, 0, 20);
    pair.beat(0, BeatFlags::ANSWER, Duration::from_millis(200));
    for number in 0..10 {
        pair.meet_many(0, 100 + number..101 + number);
        pair.run(pair.now + Duration::from_millis(100));
    }
    // Node `b`, which knows nobody, has asked for all of it; `a` had nothing that stood still.
    assert!(!pair.said.iter().any(|(at, message)| *at == 0 && matches!(message, Message::Table(_))));
}

/// Whose tables never agree, because one keeps to its own peers, compares them ever less.
#[test]
fn what_does_not_help_is_done_ever_less() {
    let mut pair = pair(3, 0, 20);
    pair.nodes[1].config.peer_exchange = false;
    for _ in 0..600 {
        pair.beat(1, BeatFlags(0), SECOND);
    }
    let tables = pair.count("table");
    assert!((8..=20).contains(&tables), "{tables} in ten minutes");
    assert_eq!((pair.nodes[1].members.live(), pair.nodes[0].members.live()), (2, 22));
}

#[test]
fn a_beat_is_answered_once_and_measures_the_round_trip_on_both_sides() {
    let mut pair = pair(3, 0, 0);
    [0, 1].into_iter().for_each(|at| pair.nodes[at].links.get_mut(&LINK).unwrap().rtt = Default::default());
    pair.beat(0, BeatFlags::ANSWER, SECOND);
    assert_eq!(pair.count("beat"), 2);
    let flags = pair.said.iter().filter_map(|(_, message)| match message {
        Message::Beat(beat) => Some(beat.flags),
        _ => None,
    });
    let wanted = [BeatFlags::ANSWER, BeatFlags::IS_ANSWER].map(|flags| flags.with(BeatFlags::WANTED, true));
    assert_eq!(flags.collect::<Vec<_>>(), wanted);
    // The second one knows it from the next beat, which tells how long the first one was held.
    pair.beat(0, BeatFlags(0), SECOND);
    let measured = pair.nodes.each_ref().map(|node| node.links[&LINK].rtt.smoothed());
    assert_eq!(measured, [Some(Duration::from_micros(1)); 2]);
}

#[test]
fn an_older_link_has_no_beats() {
    for version in [1, 2] {
        let mut pair = pair(version, 0, 5);
        pair.beat(0, BeatFlags::ANSWER, SECOND);
        let key = MemberKey::of(&NodeId::new("b").unwrap());
        assert_eq!(
            (pair.count("beat"), pair.count("news"), pair.nodes[0].members.find(key).is_none()),
            (0, 0, true)
        );
    }
}

/// It says once that its next beat comes in an hour, and says nothing.
#[test]
fn nobody_is_believed_to_be_silent_for_an_hour() {
    let mut ring = Ring::new(3);
    ring.dead.insert(0);
    for at in [1, 2] {
        let beat = Beat {
            n: 77,
            echo: None,
            held: 0,
            flags: BeatFlags::WANTED,
            pace: u16::MAX,
            table: ring.members(at).hash(),
            content: ring.nodes[at].content(link(0, at)),
        };
        let bytes = crate::wire::write(&Message::Beat(beat), 3).into_bytes();
        ring.give(at, Input::Frame { link: link(0, at), bytes });
    }
    ring.run(SECOND * 70);
    assert!(ring.told.is_empty(), "{:?}", ring.told);
    ring.run(SECOND * 20);
    for at in [1, 2] {
        assert_eq!(ring.statuses(at, 0).last(), Some(&PeerStatus::Unreachable), "at {at}");
    }
}
