//! Sides that were apart and do not know the same members: they come together all the same, and soon.

use std::time::Duration;

use super::ring::{Ring, SECOND};
use super::*;
use crate::MemberState;

const NODES: usize = 20;

fn stop(ring: &mut Ring, at: usize) {
    ring.give(at, Input::Command { id: CommandId(2), command: Command::Stop });
}

/// Whether two are linked: each with the next three on both sides.
fn is_next(one: usize, other: usize) -> bool {
    let apart = one.abs_diff(other);
    apart.min(NODES - apart) <= 3
}

/// All with links to those next to them, but for one that is linked with nobody.
fn without(last: usize) -> Ring {
    let mut ring = Ring::unlinked(NODES);
    let others = (0..NODES).flat_map(|one| (0..one).map(move |other| (one, other)));
    let are_linked = |(one, other): &(usize, usize)| is_next(*one, *other) && ![one, other].contains(&&last);
    others.filter(are_linked).for_each(|(one, other)| ring.link_up(one, other));
    ring.run(SECOND * 20);
    ring
}

impl Ring {
    /// Nobody hears anybody of the other half.
    fn split(&mut self) {
        let pairs = (0..NODES).flat_map(|one| (0..NODES).map(move |other| (one, other)));
        self.cut = pairs.filter(|(one, other)| one % 2 != other % 2).collect();
    }

    /// All but one hold the same, and all of them to be alive.
    fn are_one_but_for(&self, gone: usize) {
        let others: Vec<usize> = (0..NODES).filter(|at| *at != gone).collect();
        let live: Vec<usize> = others.iter().map(|at| self.members(*at).live()).collect();
        assert_eq!(live, [NODES - 1; NODES - 1]);
        assert!(others.iter().all(|at| self.members(*at).hash() == self.members(others[0]).hash()));
    }
}

/// Who came after somebody died has no row of it, nor is it told of it: what the others count on their rosters it never
/// will.
#[test]
fn halves_of_which_one_never_knew_the_dead_are_one_again() {
    let mut ring = without(3);
    ring.dead.insert(7);
    ring.run(SECOND * 20);
    (0..NODES).filter(|at| ![3, 7].contains(at) && is_next(*at, 3)).for_each(|at| ring.link_up(at, 3));
    ring.run(SECOND * 20);
    assert_eq!([0, 3].map(|at| ring.state(at, 7)), [Some(MemberState::Down), None]);
    ring.split();
    ring.run(SECOND * 60);
    ring.cut.clear();
    ring.run(SECOND * 30);
    ring.are_one_but_for(7);
}

/// Its own half knows that it left, and has forgotten it; to the other half it is down.
#[test]
fn halves_of_which_one_was_left_by_somebody_are_one_again() {
    let mut ring = Ring::with_links(NODES, is_next);
    ring.split();
    ring.run(SECOND * 10);
    stop(&mut ring, 7);
    ring.run(SECOND * 80);
    assert_eq!([0, 1].map(|at| ring.state(at, 7)), [Some(MemberState::Down), None]);
    ring.cut.clear();
    ring.run(SECOND * 30);
    ring.are_one_but_for(7);
}

/// That somebody else is down has nothing to do with it.
#[test]
fn one_that_comes_back_is_told_to_all_at_once_although_another_is_dead() {
    let mut ring = Ring::new(NODES);
    ring.dead.insert(9);
    ring.run(SECOND * 60);
    (0..NODES).filter(|at| *at != 5).for_each(|at| ring.part(at, 5));
    ring.run(SECOND * 60);
    ring.forget();
    ring.cut.clear();
    ring.run(SECOND * 20);
    let back = ring.told.iter().filter(|(_, _, of, status)| (*of, *status) == (5, PeerStatus::Reachable));
    let mut back: Vec<Duration> = back.map(|(at, ..)| *at).collect();
    back.sort_unstable();
    assert_eq!(back.len(), NODES - 2);
    assert!(back[NODES - 3] - back[0] <= SECOND, "{:?}", back[NODES - 3] - back[0]);
}
