//! Those that are down are tried again, rarely, by a few, and forgotten in the end.

use std::time::Duration;

use super::ring::{Ring, SECOND, millis};
use super::*;
use crate::node::members::merge::Told;
use crate::wire::{BeatFlags, Row, Table};
use crate::{MemberKey, MemberRow, MemberState};

fn key(name: &str) -> MemberKey {
    MemberKey::of(&NodeId::new(name).unwrap())
}

/// One that says nothing for long, as it is not there: nobody misses it.
fn live(name: &str) -> Row {
    let addresses = vec![format!("sim:{name}")];
    let row = MemberRow { id: NodeId::new(name).unwrap(), incarnation: 1, instance: 1, addresses };
    Row::Live { row, doze: 1 << 20 }
}

fn down(name: &str) -> Row {
    Row::Down { key: key(name), incarnation: 1, age: 0 }
}

/// Two linked nodes that know of so many others, named by these letters, of whom the second ones are down.
fn pair(others: usize, gone: usize) -> Pair {
    let mut pair = Pair::new(0);
    pair.run(Tick(2_000_000));
    pair.rest();
    for at in [0, 1] {
        let rows = (0..others).map(|number| live(&format!("n{number}")));
        let rows = rows
            .chain((0..gone).flat_map(|number| [live(&format!("d{number}")), down(&format!("d{number}"))]));
        pair.are_told(at, rows);
    }
    pair.said.clear();
    pair.dialled.clear();
    pair
}

impl Pair {
    fn are_told(&mut self, at: usize, rows: impl IntoIterator<Item = Row>) {
        for row in rows {
            self.nodes[at].members.merge(self.now, &row, Told::News);
        }
        self.nodes[at].table_changed();
        self.give(at, Input::Deadline);
    }

    /// How often node `a` dials each of the dead within this time, and when first.
    fn tried(&mut self, within: Duration) -> BTreeMap<String, (usize, Duration)> {
        let (begin, mut tried) = (self.now, BTreeMap::new());
        while self.now < begin + within {
            self.run(self.now + Duration::from_millis(10));
            for (at, name) in std::mem::take(&mut self.dialled) {
                if at == 0 && name.starts_with('d') {
                    tried.entry(name).or_insert((0, self.now.since(begin))).0 += 1;
                }
            }
        }
        tried
    }

    /// With the others they know, who are none.
    pub(super) fn stay_in_touch(&mut self) {
        self.nodes.iter_mut().for_each(|node| node.stays_in_touch(self.now));
    }

    fn is_live(&self, at: usize, name: &str) -> bool {
        self.known(at, name).is_some_and(|(_, state)| state == MemberState::Live)
    }
}

#[test]
fn behaviour_34_the_dead_are_tried_rarely_in_turn_and_not_counted() {
    let mut pair = pair(40, 30);
    let members = &pair.nodes[0].members;
    assert_eq!(members.live(), 42, "they are no part of the group");
    // By the two that follow them.
    let is_mine = |name: &String| members.behind(key(name)).take(2).any(|slot| slot == members.me());
    let mine: Vec<String> = (0..30).map(|number| format!("d{number}")).filter(is_mine).collect();
    assert!(!mine.is_empty() && mine.len() < 8, "{mine:?}");
    // First after about a second, then ever more rarely.
    let first = pair.tried(Duration::from_secs(30));
    assert!(first.keys().eq(&mine), "{first:?} of {mine:?}");
    for (name, (times, at)) in &first {
        assert!(
            (800..=2_100).contains(&at.as_millis()) && (7..=25).contains(times),
            "{name}: {times}, {at:?}"
        );
    }
    pair.run(pair.now + Duration::from_secs(600));
    pair.dialled.clear();
    let later = pair.tried(Duration::from_secs(600));
    assert!(later.values().all(|(times, _)| (7..=20).contains(times)), "{later:?}");
}

/// In a small group each of those that are left has to be enough.
#[test]
fn in_a_small_group_everybody_tries_all() {
    let mut pair = pair(3, 5);
    assert_eq!(pair.tried(Duration::from_secs(3)).len(), 5);
}

/// All of them were taken for dead by one that was cut off: some are tried at once, the others soon.
#[test]
fn who_wakes_tries_the_dead() {
    let mut pair = pair(3, 20);
    pair.run(pair.now + Duration::from_secs(7_200));
    pair.dialled.clear();
    pair.command(0, Command::Wake);
    let at_once = pair.tried(Duration::from_millis(20)).len();
    assert_eq!(at_once, 8);
    assert_eq!(pair.tried(Duration::from_secs(3)).len(), 20 - at_once);
}

/// A link may be there still: one that is up again is asked on it.
#[test]
fn a_link_that_is_left_is_used() {
    let mut pair = pair(0, 0);
    pair.are_told(0, [down("b")]);
    pair.run(pair.now + Duration::from_secs(4));
    assert!(pair.is_live(0, "b"), "what it answered told that it is there");
    assert!(pair.dialled.is_empty());
}

/// As many as were on the other side come back with one message, although the first one that came knows nothing of it.
#[test]
fn one_that_comes_back_tells_who_else_is_there() {
    let mut pair = pair(20, 0);
    [0, 1].into_iter().for_each(|at| pair.give(at, Input::LinkDown { link: LINK }));
    let names = |numbers: std::ops::Range<u32>| numbers.map(|number| down(&format!("n{number}")));
    pair.are_told(0, names(0..10).chain([down("b")]));
    pair.are_told(1, names(10..20).chain([down("a")]));
    pair.run(pair.now + Duration::from_secs(12));
    pair.stay_in_touch();
    pair.said.clear();
    for at in [0, 1] {
        pair.link(at, LINK);
    }
    pair.run(pair.now + Duration::from_millis(100));
    assert_eq!([0, 1].map(|at| pair.nodes[at].members.live()), [22; 2]);
    let states = pair.said.iter().filter(|(_, message)| matches!(message, Message::States(_)));
    assert_eq!(states.count(), 2);
}

/// Two halves that did not hear each other for a minute.
fn halves() -> Ring {
    let mut ring = Ring::new(20);
    let across = |one: usize, other: usize| one % 2 != other % 2;
    let pairs = (0..20).flat_map(|one| (0..20).map(move |other| (one, other)));
    ring.cut = pairs.filter(|(one, other)| across(*one, *other)).collect();
    ring.run(SECOND * 60);
    let live: Vec<usize> = (0..20).map(|at| ring.members(at).live()).collect();
    assert_eq!(live, [10; 20]);
    ring
}

fn incarnations(ring: &Ring) -> Vec<u64> {
    ring.nodes.iter().map(|node| node.record.incarnation).collect()
}

/// Nobody has to contradict: a bit for each member, once along each link, is all that is said of members.
#[test]
fn two_halves_are_one_again_for_a_few_bytes() {
    let mut ring = halves();
    let before = incarnations(&ring);
    ring.forget();
    ring.cut.clear();
    ring.run(SECOND * 2);
    assert!(
        (0..20).all(|at| ring.members(at).live() == 20 && ring.members(at).hash() == ring.members(0).hash())
    );
    assert_eq!(incarnations(&ring), before);
    let told = ring.told.iter().filter(|(.., status)| *status == PeerStatus::Reachable);
    assert_eq!((told.count(), ring.told.len()), (200, 200), "all are back, once");
    let count = |kind: &str| (0..20).map(|at| ring.sent(at, kind).len()).sum::<usize>();
    assert_eq!(count("news"), 0);
    let [tables, states, beacons] = ["table", "states", "beacon"].map(count);
    assert!(tables <= 10 && states <= 20 * 9 && beacons <= 20, "{tables}, {states} and {beacons}");
    ring.forget();
    ring.run(SECOND * 10);
    let is_question =
        |said: &Message| matches!(said, Message::Beat(beat) if beat.flags.has(BeatFlags::ANSWER));
    let asked = ring.said.iter().filter(|(.., said)| is_question(said)).count();
    assert!(asked <= 20, "{asked} questions to who was not to say anything yet");
}

/// What each side saw of its own members is found out first, and accuses nobody.
#[test]
fn two_halves_of_which_one_has_contradicted_are_one_again() {
    let mut ring = halves();
    for _ in 0..3 {
        ring.nodes[7].begin_incarnation();
        ring.give(7, Input::Deadline);
    }
    ring.run(SECOND * 2);
    ring.forget();
    ring.cut.clear();
    ring.run(SECOND * 4);
    assert!(
        (0..20).all(|at| ring.members(at).live() == 20 && ring.members(at).hash() == ring.members(0).hash())
    );
    assert!(ring.told.iter().all(|(.., status)| *status == PeerStatus::Reachable), "{:?}", ring.told);
}

/// One side saw one more come and go: that is found out first.
#[test]
fn two_sides_that_know_others_agree_on_them_first() {
    let mut pair = pair(20, 0);
    [0, 1].into_iter().for_each(|at| pair.give(at, Input::LinkDown { link: LINK }));
    pair.are_told(0, (0..10).map(|number| down(&format!("n{number}"))));
    pair.are_told(1, [live("m")]);
    pair.run(pair.now + Duration::from_secs(12));
    pair.stay_in_touch();
    [0, 1].into_iter().for_each(|at| pair.link(at, LINK));
    pair.run(pair.now + Duration::from_millis(100));
    pair.said.clear();
    let states = pair.nodes[1].states();
    pair.give(
        0,
        Input::Frame { link: LINK, bytes: crate::wire::write(&Message::States(states), 3).into_bytes() },
    );
    pair.give(1, Input::Deadline);
    pair.run(pair.now + Duration::from_secs(1));
    assert_eq!([0, 1].map(|at| pair.nodes[at].members.live()), [23; 2]);
    let is_step = |message: &Message| matches!(message, Message::Table(Table::Bucket { .. }));
    assert!(pair.said.iter().filter(|(_, message)| is_step(message)).count() <= 4, "only one differed");
}

/// What one side holds to be down the other never knew, and is not told of: who there is they never agree on.
#[test]
fn two_sides_that_never_agree_on_the_dead_agree_on_the_living() {
    let mut pair = pair(20, 0);
    [0, 1].into_iter().for_each(|at| pair.give(at, Input::LinkDown { link: LINK }));
    pair.are_told(0, (0..10).map(|number| down(&format!("n{number}"))));
    pair.are_told(0, [live("d"), down("d"), down("b")]);
    pair.are_told(1, (10..20).map(|number| down(&format!("n{number}"))).chain([down("a")]));
    pair.run(pair.now + Duration::from_secs(12));
    pair.stay_in_touch();
    [0, 1].into_iter().for_each(|at| pair.link(at, LINK));
    pair.run(pair.now + Duration::from_secs(4));
    assert_eq!([0, 1].map(|at| pair.nodes[at].members.live()), [22; 2]);
    assert_eq!(pair.nodes[0].members.hash(), pair.nodes[1].members.hash());
}

#[test]
fn who_left_is_forgotten_after_a_minute_and_who_is_down_after_a_day() {
    let mut pair = pair(20, 0);
    let hash = pair.nodes[0].members.hash();
    pair.are_told(0, [live("x"), live("y"), Row::Left { key: key("x"), incarnation: 1 }, down("y")]);
    pair.run(pair.now + Duration::from_secs(59));
    assert!(pair.known(0, "x").is_some() && pair.nodes[0].members.hash() != hash);
    pair.run(pair.now + Duration::from_secs(2));
    assert_eq!((pair.known(0, "x"), pair.nodes[0].members.hash()), (None, hash), "all forget it at once");
    pair.run(pair.now + Duration::from_secs(23 * 3600));
    assert!(pair.known(0, "y").is_some());
    pair.run(pair.now + Duration::from_secs(3600));
    assert_eq!(pair.known(0, "y"), None);
}

/// Nobody is asked for by a node that does nothing of its own.
#[test]
fn who_is_paused_tries_nobody() {
    let mut pair = pair(3, 5);
    pair.command(0, Command::Pause);
    assert_eq!(pair.tried(Duration::from_secs(10)).len(), 0);
    pair.command(0, Command::Resume);
    assert_eq!(pair.tried(Duration::from_secs(4)).len(), 5);
}

/// A hundred are tried again and again: one that falls silent is missed as soon.
#[test]
fn defect_b21_trying_the_dead_delays_no_doubt() {
    let missed = [0, 100].map(|dead| {
        let mut ring = Ring::new(12);
        for at in 0..12 {
            for number in 0..dead {
                for row in [live(&format!("d{number}")), down(&format!("d{number}"))] {
                    ring.nodes[at].members.merge(ring.now, &row, Told::News);
                }
            }
            ring.nodes[at].table_changed();
            ring.give(at, Input::Deadline);
        }
        ring.run(SECOND * 30);
        ring.forget();
        ring.dead.insert(0);
        let begin = ring.time();
        ring.run(SECOND * 10);
        let told =
            ring.told.iter().filter(|(_, _, of, status)| (*of, *status) == (0, PeerStatus::Unreachable));
        assert_eq!(told.clone().count(), 11, "with {dead} dead: {:?}", ring.told);
        told.map(|(at, ..)| *at - begin).max().unwrap()
    });
    assert!(missed[1] <= missed[0] + millis(100), "{missed:?}");
}
