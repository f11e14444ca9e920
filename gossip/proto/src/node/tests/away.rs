//! Who was away knows what was so before: it tells of nobody what it has not heard since.

use std::time::Duration;

use super::ring::{Ring, SECOND};
use super::*;

const NODES: usize = 12;

fn order(ring: &mut Ring, at: usize, command: Command) {
    ring.give(at, Input::Command { id: CommandId(2), command });
}

/// One is away in some way while another goes in some way, and comes back: nobody hears that the other is back too.
fn nobody_comes_back_with(
    away: impl Fn(&mut Ring),
    goes: impl Fn(&mut Ring),
    back: impl Fn(&mut Ring),
    lasting: u32,
) {
    let mut ring = Ring::new(NODES);
    away(&mut ring);
    ring.run(SECOND * 5);
    goes(&mut ring);
    ring.run(SECOND * lasting);
    ring.forget();
    back(&mut ring);
    ring.run(SECOND * 60);
    let told = ring.told.iter().filter(|(_, at, of, _)| *at != 3 && *of == 5);
    assert_eq!(told.collect::<Vec<_>>(), Vec::<&(Duration, usize, usize, PeerStatus)>::new());
    let others = (0..NODES).filter(|at| *at != 5);
    for at in others {
        assert_eq!((at, ring.members(at).live()), (at, NODES - 1));
        assert_eq!((at, ring.members(at).hash()), (at, ring.members(0).hash()));
    }
}

fn stop(ring: &mut Ring) {
    order(ring, 3, Command::Stop);
}

fn start(ring: &mut Ring) {
    order(ring, 3, Command::Start);
    (0..NODES).filter(|at| ![3, 5].contains(at)).for_each(|at| ring.link_up(at, 3));
}

fn sleep(ring: &mut Ring) {
    ring.dead.insert(3);
}

fn wake(ring: &mut Ring) {
    ring.dead.remove(&3);
}

fn part(ring: &mut Ring) {
    (0..NODES).filter(|at| *at != 3).for_each(|at| ring.part(at, 3));
}

fn heal(ring: &mut Ring) {
    ring.cut.clear();
}

fn crash(ring: &mut Ring) {
    ring.dead.insert(5);
}

fn leave(ring: &mut Ring) {
    order(ring, 5, Command::Stop);
}

#[test]
fn who_was_stopped_brings_back_nobody_who_left() {
    nobody_comes_back_with(stop, leave, start, 70);
}

#[test]
fn who_was_stopped_brings_back_nobody_who_died() {
    nobody_comes_back_with(stop, crash, start, 20);
}

#[test]
fn who_slept_brings_back_nobody_who_left() {
    nobody_comes_back_with(sleep, leave, wake, 70);
}

#[test]
fn who_slept_brings_back_nobody_who_died() {
    nobody_comes_back_with(sleep, crash, wake, 20);
}

#[test]
fn who_was_cut_off_brings_back_nobody_who_left() {
    nobody_comes_back_with(part, leave, heal, 70);
}

#[test]
fn who_was_cut_off_brings_back_nobody_who_died() {
    nobody_comes_back_with(part, crash, heal, 20);
}

/// A newcomer knows nobody: that it lacks them says nothing of those whom the one that is back has not heard yet.
#[test]
fn who_meets_a_newcomer_first_gives_nobody_up() {
    let mut ring = Ring::with_links(NODES + 1, |one, other| one.max(other) < NODES);
    sleep(&mut ring);
    ring.run(SECOND * 60);
    wake(&mut ring);
    part(&mut ring);
    ring.forget();
    ring.link_up(3, NODES);
    ring.run(SECOND * 2);
    heal(&mut ring);
    ring.run(SECOND * 60);
    let given_up =
        ring.told.iter().filter(|(_, at, _, status)| *at == 3 && *status == PeerStatus::Unreachable);
    assert_eq!(given_up.collect::<Vec<_>>(), Vec::<&(Duration, usize, usize, PeerStatus)>::new());
    (0..=NODES).for_each(|at| assert_eq!((at, ring.members(at).live()), (at, NODES + 1)));
}
