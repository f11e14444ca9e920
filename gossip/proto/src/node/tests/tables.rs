//! Two tables of members are compared, and hold the same afterwards.

use std::time::Duration;

use super::ring::Ring;
use super::*;
use crate::node::members::Members;
use crate::node::members::merge::Told;
use crate::wire::{Row, Summed, Table, write};
use crate::{MemberKey, MemberRow, MemberState};

fn told(name: &str, incarnation: u64) -> MemberRow {
    MemberRow { id: NodeId::new(name).unwrap(), incarnation, instance: 1, addresses: Vec::new() }
}

fn live(name: &str, incarnation: u64) -> Row {
    Row::Live { row: told(name, incarnation), doze: 0 }
}

fn key(name: &str) -> MemberKey {
    MemberKey::of(&NodeId::new(name).unwrap())
}

/// Two companions that know each other and so many others.
fn pair(others: usize) -> Pair {
    let mut pair = Pair::new(0);
    pair.run(Tick(2_000_000));
    let rows: Vec<Row> = [0, 1].map(|at| pair.introduction(at)).into_iter().flatten().collect();
    for at in [0, 1] {
        pair.take_in(at, &rows);
        pair.take_in(at, &(0..others).map(|number| live(&format!("n{number}"), 0)).collect::<Vec<_>>());
    }
    assert!(pair.agree(), "they begin alike");
    pair.rest();
    pair.said.clear();
    pair
}

impl Pair {
    fn members(&self, at: usize) -> &Members {
        &self.nodes[at].members
    }

    fn introduction(&self, at: usize) -> Option<Row> {
        let me = self.members(at).get(self.members(at).me())?;
        let row = MemberRow { instance: me.details.instance, ..told(me.id.as_str(), me.incarnation) };
        Some(Row::Live { row, doze: 0 })
    }

    fn take_in(&mut self, at: usize, rows: &[Row]) {
        rows.iter().for_each(|row| _ = self.nodes[at].members.merge(self.now, row, Told::News));
    }

    /// What one node knows of a member.
    pub(super) fn known(&self, at: usize, name: &str) -> Option<(u64, MemberState)> {
        let member = self.members(at).get(self.members(at).find(key(name))?)?;
        Some((member.incarnation, member.state))
    }

    fn sums(&self, at: usize) -> Table {
        Table::Sums { of: Summed::Present, path: None, sums: self.members(at).sums(Summed::Present, None) }
    }

    fn agree(&self) -> bool {
        self.sums(0) == self.sums(1) && self.members(0).roster() == self.members(1).roster()
    }

    /// One side says something, and both answer until there is nothing left to say. Answers what that cost.
    fn say(&mut self, from: usize, message: Message) -> usize {
        let bytes = write(&message, 3).into_bytes();
        let cost = bytes.len();
        self.give(1 - from, Input::Frame { link: LINK, bytes });
        let said = std::mem::take(&mut self.said);
        cost + said.iter().map(|(_, message)| write(message, 3).len()).sum::<usize>()
    }
}

#[test]
fn one_difference_is_found_for_400_bytes() {
    let differences: [fn(&mut Pair, usize); 4] = [
        |pair, at| pair.take_in(at, &[live("stranger", 0)]),
        |pair, at| pair.take_in(at, &[live("n7", 3)]),
        |pair, at| pair.take_in(at, &[Row::Left { key: key("n7"), incarnation: 0 }]),
        |pair, at| {
            pair.take_in(
                at,
                &[Row::Suspect {
                    key: key("n7"),
                    incarnation: 2,
                    left: 1,
                    age: 0,
                    accusers: crate::wire::Accusers::one(key("n8")),
                }],
            )
        },
    ];
    for (number, differ) in differences.iter().enumerate() {
        for (at, from) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let mut pair = pair(200);
            differ(&mut pair, at);
            assert!(!pair.agree());
            let sums = Message::Table(pair.sums(from));
            let cost = pair.say(from, sums);
            assert!(pair.agree() && cost <= 400, "difference {number} of {at}, {from} began: {cost} bytes");
            let sums = Message::Table(pair.sums(from));
            assert_eq!(pair.say(from, sums), 135, "nothing is left to say");
        }
    }
}

#[test]
fn a_newcomer_is_told_all_who_are_there() {
    let mut pair = pair(0);
    let rows: Vec<Row> = (0..300).map(|number| live(&format!("n{number}"), number)).collect();
    pair.take_in(0, &rows);
    pair.take_in(0, &[Row::Down { key: key("n7"), incarnation: 7, age: 0 }]);
    let cost = pair.say(1, Message::Table(Table::All));
    assert_eq!(
        (pair.members(1).live(), pair.known(1, "n7"), pair.known(1, "n299")),
        (301, None, Some((299, MemberState::Live)))
    );
    assert!(cost < 300 * 25, "{cost} bytes");
}

/// Also while others join: what is told of those in the meantime is not taken for all there is.
#[test]
fn who_joins_asks_for_all_and_nothing_else() {
    let mut ring = Ring::unlinked(16);
    for at in 1..16 {
        ring.link_up(0, at);
        ring.run(Duration::from_millis(20));
    }
    ring.run(Duration::from_millis(500));
    assert!((0..16).all(|at| ring.members(at).live() == 16));
    let asked: Vec<usize> = (0..16).map(|at| ring.sent(at, "table").len()).collect();
    assert!(asked.iter().all(|asked| *asked <= 1) && asked.iter().sum::<usize>() >= 10, "{asked:?}");
}

/// Ids of members are told to who shares a channel, and to nobody else.
#[test]
fn strangers_learn_no_names() {
    let mut pair = pair(0);
    pair.take_in(0, &[live("n1", 4)]);
    pair.nodes[0].links.get_mut(&LINK).unwrap().session.as_mut().unwrap().shared.clear();
    pair.say(1, Message::Table(Table::All));
    pair.say(1, Message::Table(Table::Want(vec![key("n1"), key("a")])));
    let sums = Message::Table(pair.sums(1));
    pair.say(1, sums);
    assert_eq!((pair.known(1, "n1"), pair.members(1).live()), (None, 2));
}

/// A verdict of the other side is only a reason to ask.
#[test]
fn a_verdict_is_not_taken_over() {
    let mut pair = pair(20);
    pair.take_in(0, &[Row::Down { key: key("n7"), incarnation: 0, age: 0 }]);
    let sums = Message::Table(pair.sums(0));
    pair.say(0, sums);
    assert_eq!(pair.known(1, "n7"), Some((0, MemberState::Live)));
    assert_eq!(pair.known(0, "n7"), Some((0, MemberState::Down)), "nor back, while it is young");
}

/// After a split each side holds the other one to be down: a bit for each member brings them back.
#[test]
fn a_split_heals_by_a_bitmap() {
    let mut pair = pair(100);
    let down = |number| Row::Down { key: key(&format!("n{number}")), incarnation: 0, age: 0 };
    for at in [0, 1] {
        let gone: Vec<Row> = (0..100).filter(|number| number % 2 == at).map(down).collect();
        pair.take_in(at, &gone);
    }
    assert_eq!((pair.members(0).live(), pair.members(0).roster()), (52, pair.members(1).roster()));
    for (after, back) in [(9, 52), (2, 102)] {
        pair.run(pair.now + Duration::from_secs(after));
        pair.stay_in_touch();
        pair.said.clear();
        for from in [0, 1] {
            let states = pair.nodes[from].states();
            let cost = pair.say(from, Message::States(states));
            let answers = usize::from(after == 2 && from == 0);
            assert_eq!(cost, (13 + 13) * (1 + answers), "a bit for each of 102");
        }
        assert_eq!([0, 1].map(|at| pair.members(at).live()), [back; 2]);
    }
    assert!(pair.agree());
}

/// Their bits would be those of others.
#[test]
fn a_bitmap_of_other_members_means_nothing() {
    let mut pair = pair(10);
    pair.take_in(0, &[Row::Down { key: key("n7"), incarnation: 0, age: 0 }]);
    pair.now = pair.now + Duration::from_secs(20);
    let mut states = pair.nodes[1].states();
    states.roster ^= 1;
    pair.say(1, Message::States(states));
    assert_eq!(pair.known(0, "n7"), Some((0, MemberState::Down)));
}
