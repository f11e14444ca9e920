//! Links are sought to those next to a node, and to nobody else.

use std::time::Duration;

use super::*;
use crate::wire::Row;
use crate::{MemberKey, MemberRow};

/// One that says nothing for long, as it is not there: nobody misses it.
fn told(name: &str) -> Row {
    let addresses = vec![format!("sim:{name}")];
    let row = MemberRow { id: NodeId::new(name).unwrap(), incarnation: 1, instance: 1, addresses };
    Row::Live { row, doze: 1 << 20 }
}

fn names(numbers: std::ops::Range<u32>) -> Vec<String> {
    numbers.map(|number| format!("n{number}")).collect()
}

/// Two linked nodes at rest.
fn met() -> Pair {
    let mut pair = Pair::new(0);
    pair.run(Tick(5_000_000));
    pair.dialled.clear();
    pair
}

impl Pair {
    /// Node `a` hears of members.
    fn news(&mut self, rows: Vec<Row>) {
        let bytes = crate::wire::write(&Message::News(rows), 3).into_bytes();
        self.give(0, Input::Frame { link: LINK, bytes });
    }

    fn after(&mut self, millis: u64) -> Vec<String> {
        self.run(self.now + Duration::from_millis(millis));
        let dialled = std::mem::take(&mut self.dialled);
        let mut dialled: Vec<String> =
            dialled.into_iter().filter(|(at, _)| *at == 0).map(|(_, name)| name).collect();
        dialled.sort();
        dialled
    }

    /// Those next to node `a`, as it knows them.
    fn next_to_a(&self) -> Vec<String> {
        let members = &self.nodes[0].members;
        let found = members.neighbours().filter_map(|slot| members.get(slot));
        found.map(|member| member.id.to_string()).collect()
    }
}

#[test]
fn in_a_small_group_everybody_is_dialled_by_one_side_first() {
    let mut pair = met();
    pair.news(names(0..5).iter().map(|name| told(name)).collect());
    assert_eq!(pair.after(299), [""; 0], "others may follow");
    let [me, key] = ["a", "n0"].map(|name| MemberKey::of(&NodeId::new(name).unwrap()));
    let (behind, before): (Vec<String>, Vec<String>) =
        names(0..5).into_iter().partition(|name| MemberKey::of(&NodeId::new(name).unwrap()) > me);
    assert!(!behind.is_empty() && !before.is_empty() && me != key);
    assert_eq!(pair.after(500), behind);
    // Nobody came of it: the others are tried too, and these again.
    assert_eq!(pair.after(1_000), names(0..5));
    let hour = pair.after(3_600_000);
    assert!((5 * 60..=5 * 66).contains(&hour.len()), "{} in an hour", hour.len());
}

#[test]
fn who_has_a_link_is_not_dialled() {
    let mut pair = met();
    let limits =
        LinkLimits { max_frame: 1 << 20, cost: 1, ordered: true, reliable: true, notices_loss: false };
    for (number, name) in (10..).zip(names(0..5)) {
        let (peer, link) = (NodeId::new(name).unwrap(), LinkId(number));
        pair.nodes[0].handle(Now { tick: pair.now, wall: WallMs(1) }, Input::LinkUp { peer, link, limits });
    }
    while pair.nodes[0].poll_effect().is_some() {}
    pair.news(names(0..6).iter().map(|name| told(name)).collect());
    pair.dialled.clear();
    let dialled = pair.after(3_000);
    assert!(!dialled.is_empty() && dialled.iter().all(|name| name == "n5"), "{dialled:?}");
}

#[test]
fn in_a_large_group_only_the_next_two_and_one_far_away_are_dialled_and_those_who_follow_them() {
    let mut pair = met();
    pair.news(names(0..60).iter().map(|name| told(name)).collect());
    let mut next = pair.next_to_a();
    assert_eq!(next.len(), 3);
    // There is a link to `b`.
    next.retain(|name| name != "b");
    let gone = next[0].clone();
    next.sort();
    assert_eq!(pair.after(400), next);
    let key = MemberKey::of(&NodeId::new(&gone).unwrap());
    pair.news(vec![Row::Left { key, incarnation: 1 }]);
    let new = pair.next_to_a()[1].clone();
    assert!(pair.after(400).contains(&new));
    assert_eq!(pair.given_up, [(0, gone)]);
}

/// Somebody comes all the time: after two seconds it is looked who is next.
#[test]
fn a_group_that_never_rests_is_joined_all_the_same() {
    let mut pair = met();
    let mut dialled = Vec::new();
    for number in 0..25 {
        pair.news(names(number..number + 1).iter().map(|name| told(name)).collect());
        let found = pair.after(100);
        assert!(number >= 19 || found.is_empty(), "after {number}");
        dialled.extend(found);
    }
    assert!(!dialled.is_empty());
}

#[test]
fn who_keeps_to_its_own_peers_dials_nobody() {
    let mut pair = met();
    pair.nodes[0].config.peer_exchange = false;
    pair.nodes[0].members.merge(pair.now, &told("n0"), members::merge::Told::News);
    pair.nodes[0].lost_link();
    assert_eq!(pair.after(60_000), [""; 0]);
}

/// A transport over datagrams has a link wherever it dials: one on which nobody answers is given up, and dialled again.
#[test]
fn a_link_on_which_nobody_answers_is_given_up_if_we_dialled_it() {
    let mut pair = met();
    pair.news(names(0..1).iter().map(|name| told(name)).collect());
    while pair.dialled.is_empty() {
        pair.run(pair.now + Duration::from_millis(100));
    }
    let limits =
        LinkLimits { max_frame: 1 << 20, cost: 1, ordered: false, reliable: false, notices_loss: false };
    for (name, link) in [("n0", LinkId(70)), ("stranger", LinkId(71))] {
        pair.give(0, Input::LinkUp { peer: NodeId::new(name).unwrap(), link, limits });
    }
    pair.after(1_000);
    let has = |pair: &Pair, link| pair.nodes[0].links.contains_key(&LinkId(link));
    assert!(has(&pair, 70) && has(&pair, 71));
    pair.after(5_000);
    assert!(!has(&pair, 70) && has(&pair, 71), "the transport keeps the other one");
    assert!(pair.after(10_000).contains(&"n0".into()));
}

fn back(name: &str, incarnation: u64) -> Row {
    let Row::Live { row, doze } = told(name) else { unreachable!() };
    Row::Live { row: MemberRow { incarnation, ..row }, doze }
}

impl Pair {
    fn is_down(&mut self, name: &str, incarnation: u64) {
        let key = MemberKey::of(&NodeId::new(name).unwrap());
        self.nodes[0].members.merge(
            self.now,
            &Row::Down { key, incarnation, age: 0 },
            members::merge::Told::News,
        );
        self.nodes[0].table_changed();
        self.give(0, Input::Deadline);
    }

    /// In how many milliseconds a member is dialled next.
    fn wait(&mut self, name: &str) -> u64 {
        let step = 50;
        step * (1..2_000).find(|_| self.after(step).iter().any(|dialled| dialled == name)).unwrap()
    }
}

/// However long it was dialled in vain, and whether that it was gone was noticed or not.
#[test]
fn who_was_down_and_is_back_is_dialled_at_once() {
    for (down, given_up) in [(100, 0), (700, 1)] {
        let mut pair = met();
        pair.news(vec![told("n0")]);
        pair.after(600_000);
        let usual = pair.wait("n0") + pair.wait("n0");
        assert!(usual > 60_000, "{usual} ms");
        pair.is_down("n0", 1);
        assert_eq!(pair.after(down), [""; 0]);
        assert_eq!(pair.given_up.len(), given_up);
        pair.news(vec![back("n0", 2)]);
        // One that waits for the other side to dial waits for a second.
        let waits = [(); 4].map(|()| pair.wait("n0"));
        assert!(waits[0] <= 1_400 && waits[3] <= 4_100, "down for {down} ms: {waits:?}");
        assert_eq!(pair.given_up.len(), given_up, "nobody gives up who was dialled since");
        let hour = pair.after(3_600_000);
        assert!((60..=66).contains(&hour.len()), "{} in an hour", hour.len());
    }
}

/// Whoever says that it is a new one again and again: each is dialled after a second.
#[test]
fn new_lives_are_not_dialled_all_the_time() {
    let mut pair = met();
    let mut dialled = 0;
    for incarnation in 1..200 {
        pair.news(vec![back("n0", incarnation)]);
        dialled += pair.after(310).len();
    }
    assert!((20..=62).contains(&dialled), "{dialled} in 62 seconds");
}

/// Somebody is dialled to see whether it is near, and then as it is next to this node.
#[test]
fn who_is_dialled_for_two_reasons_is_not_given_up_for_one() {
    let mut pair = met();
    pair.news(names(0..60).iter().map(|name| told(name)).collect());
    let behind = |pair: &Pair, name: &str| {
        let members = &pair.nodes[0].members;
        let key = MemberKey::of(&NodeId::new(name).unwrap());
        members.behind(members.me().key).position(|slot| slot.key == key).unwrap()
    };
    // Somebody with enough others behind it that those before it can leave.
    let tried = loop {
        let next = pair.next_to_a();
        let tried = pair.after(50).into_iter().find(|name| !next.contains(name));
        if let Some(tried) = tried.filter(|name| (2..45).contains(&behind(&pair, name))) {
            break tried;
        }
    };
    let members = &pair.nodes[0].members;
    let between = members.behind(members.me().key).take(behind(&pair, &tried));
    let leave: Vec<Row> = between.map(|slot| Row::Left { key: slot.key, incarnation: 1 }).collect();
    pair.news(leave);
    pair.given_up.clear();
    let dialled = pair.after(1_000);
    assert!(pair.next_to_a().contains(&tried) && dialled.contains(&tried));
    pair.after(2_000);
    assert!(pair.given_up.iter().all(|(_, name)| *name != tried), "{:?}", pair.given_up);
}

/// What was in vain before says nothing of then.
#[test]
fn who_starts_again_dials_at_once() {
    let mut pair = met();
    pair.news(vec![told("n0")]);
    pair.after(600_000);
    pair.command(0, Command::Stop);
    assert_eq!(pair.given_up, [(0, "n0".to_owned())]);
    assert_eq!(pair.after(100_000), [""; 0]);
    pair.command(0, Command::Start);
    let wait = pair.wait("n0");
    assert!(wait <= 1_400, "{wait} ms");
}
