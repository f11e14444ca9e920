//! Which links a large group makes and keeps.

use std::time::Duration;

use super::ring::{Ring, SECOND, link, millis, name};
use super::*;
use crate::MemberKey;

const NODES: usize = 40;

/// From 10 to 49 ms.
fn delay(one: usize, other: usize) -> Duration {
    let mixed = (one.min(other) * 100 + one.max(other)).wrapping_mul(0x9e37_79b9) >> 7;
    millis(10 + mixed as u64 % 40)
}

/// Nodes that can be dialled and know each other by a chain of links.
fn chain() -> Ring {
    let mut ring = Ring::unlinked(NODES);
    ring.dials = true;
    let pairs = (0..NODES).flat_map(|one| (one + 1..NODES).map(move |other| (one, other)));
    ring.delays = pairs.map(|(one, other)| ((one, other), delay(one, other))).collect();
    for at in 0..NODES {
        let command = Command::SetAddresses(vec![format!("sim:{at}")]);
        ring.give(at, Input::Command { id: CommandId(3), command });
    }
    (1..NODES).for_each(|at| ring.link_up(at - 1, at));
    ring.run(SECOND * 25);
    assert!((0..NODES).all(|at| ring.members(at).live() == NODES));
    ring
}

impl Ring {
    /// Those to whom a node says beats of its own accord.
    fn watched(&self, at: usize) -> Vec<usize> {
        let is_watched = |other: &usize| self.nodes[at].is_watched(link(at, *other));
        (0..NODES).filter(|other| *other != at).filter(is_watched).collect()
    }

    /// How far the third of those is with whom a node wants a link.
    fn third(&self, at: usize) -> Option<Duration> {
        let third = self.members(at).neighbours().nth(2)?;
        (0..NODES).find(|other| MemberKey::of(&name(*other)) == third.key).map(|other| delay(at, other))
    }
}

#[test]
fn one_of_a_nodes_links_leads_to_who_is_near() {
    let ring = chain();
    let third: Vec<Duration> = (0..NODES).filter_map(|at| ring.third(at)).collect();
    let mean = third.iter().sum::<Duration>() / NODES as u32;
    assert!(third.len() == NODES && mean < millis(20), "{mean:?} where 30 ms is usual: {third:?}");
    let near = ring.said.iter().filter(
        |(_, _, _, said)| matches!(said, Message::Beat(beat) if beat.flags.has(crate::wire::BeatFlags::NEAR)),
    );
    assert!(near.count() > NODES, "it is told so");
}

/// What was dialled on the way there, and what was tried.
#[test]
fn links_that_nobody_wants_are_ended_and_about_six_are_left() {
    let mut ring = chain();
    ring.run(SECOND * 60);
    let mut links = 0;
    for at in 0..NODES {
        let watched = ring.watched(at);
        // Four along the ring, the nearest or one far along it, and those to whom it is that.
        assert!((4..=10).contains(&watched.len()), "{at} has {watched:?}");
        links += watched.len();
        let others = (0..NODES).filter(|other| !watched.contains(other) && other.abs_diff(at) > 1);
        let kept = others.filter(|other| ring.nodes[at].links.contains_key(&link(at, *other))).count();
        assert!(kept <= 2, "{at} keeps {kept} besides");
    }
    // Who has no more than seven links uses all of them.
    assert!((5 * NODES..=15 * NODES / 2).contains(&links), "{links} of {NODES}");
    ring.forget();
    ring.run(SECOND * 60);
    let goodbyes: usize = (0..NODES).map(|at| ring.sent(at, "goodbye").len()).sum();
    assert_eq!((goodbyes, ring.told.len()), (0, 0), "and they stay");
}

/// Nobody is near to all.
#[test]
fn who_is_near_to_many_keeps_links_to_two_of_them() {
    let mut ring = Ring::unlinked(NODES);
    ring.dials = true;
    ring.delay = millis(40);
    ring.delays = (1..NODES).map(|at| ((0, at), millis(10))).collect();
    for at in 0..NODES {
        let command = Command::SetAddresses(vec![format!("sim:{at}")]);
        ring.give(at, Input::Command { id: CommandId(3), command });
    }
    (1..NODES).for_each(|at| ring.link_up(at - 1, at));
    ring.run(SECOND * 60);
    let chosen = |at: &usize| {
        ring.members(*at).neighbours().nth(2).is_some_and(|slot| slot.key == MemberKey::of(&name(0)))
    };
    let linked = |at: &usize| ring.nodes[*at].links.contains_key(&link(0, *at));
    let near = (2..NODES).filter(chosen).filter(linked).count();
    assert!(near <= 4, "{near} have a link to it, as it is near or far along the ring");
    assert!(ring.watched(0).len() <= 9, "{:?}", ring.watched(0));
}

/// It was dialled to be near, and is not wanted for anything else.
#[test]
fn a_link_to_who_has_no_room_is_ended_by_who_dialled_it() {
    let mut ring = chain();
    let is_dialled = |ring: &Ring, at: usize, of: usize| ring.nodes[at].links[&link(at, of)].watch.is_dialled;
    let chosen = (0..NODES).filter_map(|at| Some((at, ring.nearest(at)?)));
    let (dialled, met): (Vec<_>, Vec<_>) = chosen.partition(|(at, of)| is_dialled(&ring, *at, *of));
    ring.forget();
    for (at, of) in [dialled[0], met[0]] {
        ring.beat(of, at, crate::wire::BeatFlags::FULL);
        assert_ne!(ring.nearest(at), Some(of));
    }
    let goodbyes = [dialled[0], met[0]].map(|(at, _)| ring.sent(at, "goodbye").len());
    assert_eq!(goodbyes, [1, 0], "others' links are theirs to end");
}
