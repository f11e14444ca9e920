//! There is no room for everybody in the table, or somebody does not speak of members any more.

use std::time::Duration;

use super::*;
use crate::node::members::merge::Told;
use crate::wire::{Row, Table};
use crate::{MemberRow, MemberState};

use PeerStatus::{Reachable, Suspected, Unreachable};

const SECOND: Duration = Duration::from_secs(1);

/// Two linked nodes of this version with room for so many, who know these from before.
fn pair(version: u8, max_members: usize, known: [&[u32]; 2]) -> Pair {
    let node = |at: usize| {
        let config = NodeConfig { max_members, ..NodeConfig::default() };
        let mut node = node_of(["a", "b"][at], Vec::new(), version, config);
        for number in known[at] {
            node.members.merge(Tick(0), &row(&format!("n{number}"), 1 << 20), Told::News);
        }
        node
    };
    Pair::of_nodes([node(0), node(1)], [Vec::new(), Vec::new()], BTreeMap::new(), false)
}

fn row(name: &str, doze: u32) -> Row {
    let id = NodeId::new(name).unwrap();
    Row::Live { row: MemberRow { id, incarnation: 1, instance: 1, addresses: Vec::new() }, doze }
}

impl Pair {
    fn statuses(&self, at: usize, of: &str) -> Vec<PeerStatus> {
        let told = self.told.iter().filter_map(|(by, event)| match event {
            Event::PeerStatusChanged(id, status) if id.as_str() == of && *by == at => Some(*status),
            _ => None,
        });
        told.collect()
    }

    fn questions(&self) -> usize {
        let is_want = |said: &Message| matches!(said, Message::Table(Table::Want(_)));
        self.said.iter().filter(|(_, said)| is_want(said)).count()
    }
}

/// Its link tells whether it is there.
#[test]
fn who_finds_no_room_in_the_table_is_a_peer_all_the_same() {
    let mut pair = pair(OFFERED_VERSION, 1, [&[], &[]]);
    pair.run(Tick(10_000_000));
    assert_eq!([pair.statuses(0, "b"), pair.statuses(1, "a")], [[Reachable]; 2]);
    assert_eq!(pair.nodes[0].members.live(), 1);
    pair.told.clear();
    pair.give(0, Input::LinkDown { link: LINK });
    assert_eq!(pair.statuses(0, "b"), [Unreachable]);
}

#[test]
fn who_has_no_room_for_others_does_not_ask_for_them() {
    let mut pair = pair(OFFERED_VERSION, 10, [&[1, 2, 3, 4, 5, 6, 7, 8, 9], &[1, 2, 3, 4, 5, 6, 7, 8, 10]]);
    pair.run(Tick(600_000_000));
    assert!(pair.questions() <= 1, "{}", pair.questions());
    assert_eq!([pair.statuses(0, "b"), pair.statuses(1, "a")], [[Reachable]; 2]);
    // One of them knows the other, and says beats.
    let mut pair = self::pair(OFFERED_VERSION, 10, [&[1, 2, 3, 4, 5, 6, 7, 8, 9], &[1, 2, 3, 4, 5, 6, 7, 8]]);
    pair.run(Tick(600_000_000));
    assert!(pair.questions() <= 1, "{}", pair.questions());
    assert_eq!([pair.statuses(0, "b"), pair.statuses(1, "a")], [[Reachable]; 2]);
}

/// One that was a member in an earlier life, and knows of none in this one.
#[test]
fn a_peer_of_an_older_version_is_missed_although_it_was_a_member_once() {
    let mut pair = pair(2, 10, [&[], &[]]);
    let [live, down] = [row("b", 0), Row::Down { key: row("b", 0).about().0, incarnation: 1, age: 0 }];
    for said in [live, down] {
        pair.nodes[0].members.merge(pair.now, &said, Told::News);
    }
    assert_eq!(pair.known(0, "b"), Some((1, MemberState::Down)));
    pair.run(Tick(10_000_000));
    assert_eq!(pair.statuses(0, "b"), [Reachable]);
    // It is gone, and its link tells nothing.
    let quiet = pair.now + SECOND * 300;
    while let Some(next) = pair.nodes[0].deadline().filter(|next| *next <= quiet) {
        pair.now = next.max(pair.now);
        pair.nodes[0].handle(Now { tick: pair.now, wall: WallMs(1) }, Input::Deadline);
        while let Some(effect) = pair.nodes[0].poll_effect() {
            if let Effect::Notify(event) = effect {
                pair.told.push((0, event));
            }
        }
    }
    assert_eq!(pair.statuses(0, "b"), [Reachable, Suspected, Unreachable]);
}
