//! Who is near to many keeps links to a few of them: the others are told so, and seek somebody else.

use super::ring::*;
use super::*;
use crate::MemberKey;
use crate::wire::{Beat, BeatFlags, write_beat};

const NODES: usize = 20;

/// Nodes that are all linked and have found out who is near, of which node 19 is to nobody.
fn ring() -> Ring {
    let mut ring = Ring::unlinked(NODES);
    ring.delays = (0..NODES - 1).map(|at| ((at, NODES - 1), millis(60))).collect();
    for (one, other) in (0..NODES).flat_map(|one| (0..one).map(move |other| (one, other))) {
        ring.link_up(one, other);
    }
    ring.run(SECOND * 20);
    ring.forget();
    ring
}

impl Ring {
    /// A node says a beat that it did not mean to say.
    pub(super) fn beat(&mut self, from: usize, to: usize, flags: BeatFlags) {
        let flags = flags.with(BeatFlags::WANTED, flags.has(BeatFlags::NEAR));
        let beat = Beat { n: 0, echo: None, held: 0, flags, pace: 20, table: 0, content: 0 };
        let bytes = write_beat(&beat, 3).into_bytes();
        self.give(to, Input::Frame { link: link(from, to), bytes });
    }

    /// To whom a node has said this.
    fn said_to(&self, from: usize, flags: BeatFlags) -> Vec<usize> {
        let said = self.said.iter().filter(
            |(_, by, _, said)| matches!(said, Message::Beat(beat) if *by == from && beat.flags.has(flags)),
        );
        said.map(|(_, _, to, _)| *to).collect()
    }

    /// Whom a node holds to be the nearest.
    pub(super) fn nearest(&self, at: usize) -> Option<usize> {
        let nearest = self.members(at).nearest()?;
        (0..self.nodes.len()).find(|other| MemberKey::of(&name(*other)) == nearest.key)
    }

    /// Whether a node wants a link to another, as they are next to each other or it chose so.
    fn wants(&self, at: usize, of: usize) -> bool {
        self.members(at).neighbours().any(|slot| slot.key == MemberKey::of(&name(of)))
    }
}

#[test]
fn two_are_near_and_whoever_comes_then_is_told_that_there_is_no_room() {
    let mut ring = ring();
    let last = NODES - 1;
    ring.run(SECOND * 30);
    assert!((0..last).all(|at| !ring.said_to(at, BeatFlags::NEAR).contains(&last)), "far from all");
    ring.forget();
    let (next, others): (Vec<usize>, Vec<usize>) = (0..last).partition(|other| ring.wants(last, *other));
    let full = |ring: &Ring| ring.said_to(last, BeatFlags::FULL);
    for of in &others[..4] {
        ring.beat(*of, last, BeatFlags::NEAR);
    }
    assert_eq!(full(&ring), others[2..4]);
    let is_watched = |ring: &Ring, of: usize| ring.nodes[last].is_watched(link(of, last));
    let watched: Vec<bool> = others[..4].iter().map(|of| is_watched(&ring, *of)).collect();
    assert_eq!(watched, [true, true, false, false], "nor has it a turn");
    // They have room already, and those with whom a link is wanted need none.
    for of in others[..2].iter().chain(&next) {
        ring.beat(*of, last, BeatFlags::NEAR);
    }
    assert_eq!(full(&ring).len(), 2);
    // Next ones count as well, so they leave first.
    for of in others[..1].iter().chain(&next) {
        ring.beat(*of, last, BeatFlags::default());
    }
    ring.beat(others[3], last, BeatFlags::NEAR);
    assert_eq!(full(&ring).len(), 2, "one has left");
    ring.beat(others[2], last, BeatFlags::NEAR);
    assert_eq!(full(&ring).last(), Some(&others[2]));
}

/// It goes to somebody else, and comes back only when it has asked many.
#[test]
fn who_is_told_that_there_is_no_room_goes_elsewhere() {
    let mut ring = ring();
    let mut asked = Vec::new();
    for _ in 0..4 {
        let chosen = ring.nearest(0).expect("somebody is near");
        assert!(!asked.contains(&chosen), "{chosen} again, after {asked:?}");
        asked.push(chosen);
        ring.beat(chosen, 0, BeatFlags::FULL);
        ring.run(SECOND * 2);
    }
    let fifth = ring.nearest(0).unwrap();
    assert!(!asked.contains(&fifth));
    // Whom it did not choose it does not leave.
    ring.beat(asked[0], 0, BeatFlags::FULL);
    assert_eq!(ring.nearest(0), Some(fifth));
    for _ in 0..NODES {
        ring.nearest(0).into_iter().for_each(|chosen| ring.beat(chosen, 0, BeatFlags::FULL));
        ring.run(SECOND * 2);
    }
    assert!(ring.nearest(0).is_some(), "who had no room long ago may have some now");
}
