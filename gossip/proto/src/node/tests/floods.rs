//! Somebody says a lot of members: what a node makes of it stays small, and passes.

use super::ring::{Ring, SECOND, link, millis};
use super::*;
use crate::node::members::merge::AHEAD;
use crate::wire::{Accusers, Row, write};
use crate::{MemberKey, MemberRow};

/// Rows of one message.
const ROWS: usize = 64;

fn key(name: &str) -> MemberKey {
    MemberKey::of(&NodeId::new(name).unwrap())
}

fn live(name: &str, incarnation: u64, doze: u32) -> Row {
    let id = NodeId::new(name).unwrap();
    Row::Live { row: MemberRow { id, incarnation, instance: 1, addresses: Vec::new() }, doze }
}

fn suspect(name: &str, incarnation: u64) -> Row {
    let accusers = Accusers::one(key("x"));
    Row::Suspect { key: key(name), incarnation, left: 800, age: 0, accusers }
}

fn invented() -> impl Iterator<Item = String> {
    (1_000..2_100).map(|number| format!("n{number}"))
}

impl Ring {
    /// Node 0 hears this from node 1.
    fn lie(&mut self, rows: impl IntoIterator<Item = Row>) {
        let rows: Vec<Row> = rows.into_iter().collect();
        for rows in rows.chunks(ROWS) {
            let bytes = write(&Message::News(rows.to_vec()), 3).into_bytes();
            self.give(0, Input::Frame { link: link(0, 1), bytes });
        }
    }
}

/// Of more than a thousand that are accused at once some are, and the rest when somebody says it again.
#[test]
fn suspicions_are_as_many_as_are_allowed_and_end() {
    let mut ring = Ring::new(3);
    ring.lie(invented().map(|name| live(&name, 1, 0)));
    assert_eq!(ring.members(0).live(), 1_103);
    ring.lie(invented().map(|name| suspect(&name, 1)));
    assert_eq!(ring.members(0).open(), (0, 1_024), "nobody is asked to whom no link leads");
    ring.run(SECOND * 20);
    // Of the others only those are asked for to whom somebody wants a link.
    assert!(ring.members(0).open().1 <= 16, "{:?}", ring.members(0).open());
    assert!((3..=1_103 - 1_024).contains(&ring.members(0).live()), "{}", ring.members(0).live());
}

/// As many are asked at once as can be told from an interruption of our own.
#[test]
fn doubts_are_as_many_as_are_allowed_and_end() {
    let mut ring = Ring::with_links(81, |one, other| one == 0 || other == 0);
    let all: Vec<Row> =
        ring.members(0).all().map(|member| suspect(member.id.as_str(), member.incarnation)).collect();
    ring.lie(all);
    let (doubts, suspicions) = ring.members(0).open();
    assert!(doubts == 64 && suspicions >= 64, "{doubts} doubts, {suspicions} suspicions");
    ring.run(SECOND * 5);
    assert_eq!((ring.members(0).open(), ring.members(0).live()), ((0, 0), 81));
}

/// One message makes it climb a little, and not to where nobody follows.
#[test]
fn nobody_makes_a_node_use_up_its_incarnations() {
    let mut ring = Ring::new(3);
    for far in [1 << 20, 1 << 30, 1 << 40, u64::MAX] {
        for row in [live("n0", far, 0), suspect("n0", far)] {
            ring.lie([row]);
            ring.run(SECOND * 5);
        }
    }
    let mine = ring.nodes[0].record.incarnation;
    assert!(mine < AHEAD * 8, "{mine}");
    assert!((1..3).all(|at| ring.members(at).hash() == ring.members(0).hash()), "others followed");
}

/// Whoever is there is vouched for to all, but not as often as somebody likes.
#[test]
fn who_accuses_all_the_time_is_not_heard_all_the_time() {
    let mut ring = Ring::with_links(10, |one, other| one == 0 || other == 0);
    let dropped = |ring: &Ring| ring.nodes[0].stats.dropped;
    let (before, accusers) = (dropped(&ring), Accusers::one(key("x")));
    let (key, incarnation) = (key("n2"), ring.nodes[2].record.incarnation);
    let accused = Row::Suspect { key, incarnation, left: 800, age: 60_000, accusers };
    for _ in 0..2 {
        ring.lie(vec![accused.clone(); 2_500]);
        ring.run(SECOND);
    }
    // Two thousand at once, and then a few hundred a second.
    let heard = 5_000 - (dropped(&ring) - before);
    assert!((2_000..2_600).contains(&heard), "{heard} of five thousand");
    let vouched = ring.sent(0, "news").len() as u64;
    assert!(vouched <= heard * 9, "{vouched} answers to {heard}");
    assert!(ring.told.is_empty(), "{:?}", ring.told);
}

/// It outranks that at once, however far ahead it is, and who hears it does not believe it at all.
#[test]
fn nobody_is_said_to_have_left_for_long() {
    let mut ring = Ring::new(12);
    for far in [AHEAD, 1, AHEAD] {
        ring.forget();
        let left = Row::Left { key: key("n5"), incarnation: ring.nodes[5].record.incarnation + far };
        ring.lie([left]);
        ring.run(SECOND * 2);
        let wrong = (0..12).filter(|at| ring.state(*at, 5) != Some(crate::MemberState::Live));
        assert_eq!(wrong.collect::<Vec<_>>(), [0_usize; 0], "{far} ahead");
        ring.run(SECOND * 10);
    }
}

/// It hears it, and asks it before it believes that.
#[test]
fn who_hears_a_member_does_not_believe_others_that_it_left() {
    let mut ring = Ring::new(4);
    let incarnation = ring.nodes[2].record.incarnation;
    ring.lie([Row::Left { key: key("n2"), incarnation }]);
    ring.run(SECOND);
    assert!(ring.told.is_empty(), "{:?}", ring.told);
    assert_eq!(ring.nodes[2].record.incarnation, incarnation + 1, "it was told, and contradicted");
    // It is so, and the first to say it are others.
    ring.delays.insert((0, 2), millis(90));
    ring.give(2, Input::Command { id: CommandId(3), command: Command::Stop });
    ring.run(millis(200));
    for at in [0, 1, 3] {
        assert_eq!(ring.statuses(at, 2), [PeerStatus::Left], "at {at}");
    }
}
