//! Nobody stays in the table who is not there, nor asleep who is awake, and nothing of who is gone.

use std::time::Duration;

use super::ring::{Ring, SECOND, link, name};
use super::*;
use crate::wire::{Row, write};
use crate::{MemberKey, MemberRow};
use PeerStatus::{Dozing, Reachable, Unreachable};

fn live(name: &str, doze: u32) -> Row {
    let id = NodeId::new(name).unwrap();
    Row::Live { row: MemberRow { id, incarnation: 1, instance: 1, addresses: Vec::new() }, doze }
}

impl Ring {
    /// Node 0 is told of members by node 1.
    fn tell(&mut self, rows: impl IntoIterator<Item = Row>) {
        let bytes = write(&Message::News(rows.into_iter().collect()), 3).into_bytes();
        self.give(0, Input::Frame { link: link(0, 1), bytes });
    }
}

/// A member falls silent together with all that are next to it on the ring, who alone watched it. Others have links
/// to it, on which nothing was said; they are its neighbours now.
#[test]
fn who_goes_together_with_its_neighbours_is_missed() {
    let mut ring = Ring::new(16);
    let members = ring.members(0);
    let behind = members.behind(MemberKey::of(&name(0)));
    let ids = behind.map(|slot| members.get(slot).unwrap().id.to_string());
    let gone: Vec<usize> = ids.skip(2).take(7).map(|id| id[1..].parse().unwrap()).collect();
    ring.dead.extend(gone.iter().copied());
    ring.run(SECOND * 120);
    for at in (0..16).filter(|at| !gone.contains(at)) {
        let told: Vec<_> = gone.iter().map(|of| (*of, ring.statuses(at, *of))).collect();
        assert_eq!(ring.members(at).live(), 9, "at {at}: {told:?}");
    }
}

/// There is no link to it, nobody can dial it, and nobody has heard it.
#[test]
fn who_was_never_there_is_missed() {
    let mut ring = Ring::new(12);
    ring.tell([live("n500", 0)]);
    ring.run(SECOND * 300);
    let live: Vec<usize> = (0..12).map(|at| ring.members(at).live()).collect();
    assert_eq!(live, [12; 12]);
}

/// What is awaited of a member goes with it: here the ends of dozes of a hundred years.
#[test]
fn nothing_is_awaited_of_who_is_gone() {
    let mut ring = Ring::new(3);
    let before = ring.nodes[0].timers.count();
    for round in 1..=20 {
        let names: Vec<String> = (0..64).map(|number| format!("n{round}{number:03}")).collect();
        ring.tell(names.iter().map(|name| live(name, u32::MAX)));
        let key = |name: &String| MemberKey::of(&NodeId::new(name.as_str()).unwrap());
        ring.tell(names.iter().map(|name| Row::Left { key: key(name), incarnation: 1 }));
    }
    ring.run(SECOND * 70);
    assert_eq!(ring.members(0).live(), 3);
    let after = ring.nodes[0].timers.count();
    assert!(after <= before + 64, "{before} and then {after} timers");
}

/// Its neighbours hear it, and it contradicts to all.
#[test]
fn nobody_is_put_to_sleep_by_others() {
    let mut ring = Ring::new(12);
    let (key, incarnation) = (MemberKey::of(&name(5)), ring.nodes[5].record.incarnation);
    ring.tell([Row::Doze { key, incarnation, seconds: u32::MAX }]);
    ring.run(SECOND * 5);
    for at in (0..12).filter(|at| *at != 5) {
        assert!([None, Some(&Reachable)].contains(&ring.statuses(at, 5).last()), "at {at}");
    }
    ring.dead.insert(5);
    ring.run(SECOND * 10);
    for at in (0..12).filter(|at| *at != 5) {
        assert_eq!(ring.statuses(at, 5).last(), Some(&Unreachable), "at {at}");
    }
}

/// One that hears nothing just then hears of it later.
#[test]
fn who_wakes_is_awake_to_everybody_in_the_end() {
    let mut ring = Ring::new(12);
    let doze = |ring: &mut Ring, lasting| {
        ring.give(5, Input::Command { id: CommandId(3), command: Command::Doze { lasting } });
        ring.run(SECOND / 4);
    };
    doze(&mut ring, SECOND * 3_600);
    assert!((0..12).filter(|at| *at != 5).all(|at| ring.statuses(at, 5) == [Dozing]));
    (1..12).for_each(|other| ring.part(0, other));
    doze(&mut ring, Duration::ZERO);
    ring.cut.clear();
    ring.run(SECOND * 60);
    for at in (0..12).filter(|at| *at != 5) {
        assert_eq!(ring.statuses(at, 5).last(), Some(&Reachable), "at {at}");
    }
}
