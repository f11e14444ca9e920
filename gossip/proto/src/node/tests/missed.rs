//! Nobody stays in the table who is not there, and nothing of who is gone.

use super::ring::{Ring, SECOND, link, millis, name};
use super::*;
use crate::wire::{Accusers, Row, write};
use crate::{MemberKey, MemberRow};

fn live(name: &str, doze: u32) -> Row {
    let id = NodeId::new(name).unwrap();
    Row::Live { row: MemberRow { id, incarnation: 1, instance: 1, addresses: Vec::new() }, doze }
}

impl Ring {
    /// Node 0 is told of members by node 1.
    fn tell(&mut self, rows: impl IntoIterator<Item = Row>) {
        self.hear(0, 1, rows);
    }

    fn hear(&mut self, at: usize, from: usize, rows: impl IntoIterator<Item = Row>) {
        let bytes = write(&Message::News(rows.into_iter().collect()), 3).into_bytes();
        self.give(at, Input::Frame { link: link(from, at), bytes });
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

/// Two have heard an accusation, and neither of them what refuted it. The others have, and say so when they are told of the
/// accusation once more; else the two would confirm each other.
#[test]
fn who_missed_a_refutation_hears_it_before_it_judges() {
    let mut ring = Ring::new(6);
    // They are the first that each other asks.
    ring.delays.insert((0, 1), millis(1));
    ring.run(SECOND * 60);
    ring.tell([live("n500", 0)]);
    ring.run(SECOND);
    let (key, incarnation) = (MemberKey::of(&name(500)), 1);
    let accusers = Accusers::one(MemberKey::of(&name(5)));
    for at in 2..6 {
        ring.hear(at, 0, [Row::Vouch { key, incarnation, age: 100 }]);
    }
    for (at, from) in [(0, 1), (1, 0)] {
        ring.hear(at, from, [Row::Suspect { key, incarnation, left: 400, age: 700, accusers }]);
    }
    ring.run(SECOND * 5);
    let live: Vec<usize> = (0..6).map(|at| ring.members(at).live()).collect();
    assert_eq!(live, [7; 6]);
}

/// One of four never answers what it is asked of others, and has the fastest link: the others come to a verdict without it,
/// after some questions.
#[test]
fn who_never_answers_holds_up_no_verdict_for_ever() {
    let mut ring = Ring::new(4);
    (0..3).for_each(|at| _ = ring.delays.insert((at, 3), millis(1)));
    ring.nodes[3].config.peer_exchange = false;
    ring.run(SECOND * 30);
    ring.said.clear();
    ring.tell([live("n500", 0)]);
    ring.run(SECOND * 40);
    let live: Vec<usize> = (0..3).map(|at| ring.members(at).live()).collect();
    assert_eq!(live, [4; 3]);
    let looks = ring.said.iter().filter(|(.., said)| matches!(said, Message::Look(_))).count();
    assert!((1..400).contains(&looks), "{looks} questions");
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

/// Its links end, as where a process is killed; what it had said before is still on its way to one, who speaks for it
/// once more, and then loses its link too. Nobody has a link on which anything could be missed, and all have heard that
/// it is there.
#[test]
fn who_is_killed_is_missed_however_its_last_words_travel() {
    for late in [20, 30, 40, 50, 60, 80, 100, 200, 400, 700] {
        for count in [4, 5, 8] {
            let after = killed(count, late);
            assert!(after.is_some_and(|after| after < SECOND * 4), "{late} ms late, {count}: {after:?}");
        }
    }
}

/// When the last one calls it unreachable.
fn killed(count: usize, late: u64) -> Option<std::time::Duration> {
    let mut ring = Ring::new(count);
    ring.dead.insert(0);
    let (begin, last) = (ring.time(), count - 1);
    let down = |at: usize| Input::LinkDown { link: link(0, at) };
    (1..last).for_each(|at| ring.give(at, down(at)));
    for _ in 0..late / 10 {
        ring.run(millis(10));
        let bytes = write(&Message::Ping(1, false), 3).into_bytes();
        ring.give(last, Input::Frame { link: link(0, last), bytes });
    }
    ring.give(last, down(last));
    ring.run(SECOND * 60);
    let gone = (1..count).map(|at| {
        let is_it = |told: &&(_, usize, usize, PeerStatus)| {
            (told.1, told.2, told.3) == (at, 0, PeerStatus::Unreachable)
        };
        ring.told.iter().find(is_it).map(|(when, ..)| *when - begin)
    });
    gone.collect::<Option<Vec<_>>>()?.into_iter().max()
}
