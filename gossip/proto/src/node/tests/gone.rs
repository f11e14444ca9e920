//! Rows go, and the application is told of it, each time once.

use std::time::Duration;

use super::ring::{Ring, SECOND};
use super::*;
use crate::node::members::merge::Told;
use crate::wire::{Row, write};
use crate::{MemberKey, MemberRow, MemberState, PeerRecord};

fn id(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

fn key(name: &str) -> MemberKey {
    MemberKey::of(&id(name))
}

fn row(name: &str) -> MemberRow {
    MemberRow { id: id(name), incarnation: 1, instance: 1, addresses: vec![format!("sim:{name}")] }
}

/// One that can be dialled and says nothing for long.
fn live(name: &str) -> Row {
    Row::Live { row: row(name), doze: 1 << 20 }
}

fn down(name: &str) -> Row {
    Row::Down { key: key(name), incarnation: 1, age: 0 }
}

/// Two linked nodes, of which `a` has heard of `x`, `y` and so many others.
fn pair(others: usize) -> Pair {
    let mut pair = Pair::new(0);
    pair.run(Tick(2_000_000));
    for number in 0..others {
        pair.nodes[0].members.merge(pair.now, &live(&format!("n{number}")), Told::News);
    }
    pair.spread([live("x"), live("y")]);
    pair
}

impl Pair {
    fn spread(&mut self, rows: impl IntoIterator<Item = Row>) {
        let bytes = write(&Message::News(rows.into_iter().collect()), 3).into_bytes();
        self.give(0, Input::Frame { link: LINK, bytes });
    }

    fn knows(&self, name: &str) -> bool {
        self.nodes[0].members.find(key(name)).is_some()
    }

    fn status(&mut self, name: &str) -> PeerStatus {
        self.command(0, Command::Query(Query::Group));
        let Some((0, Ok(Reply::Group(members)))) = self.answers.pop() else { panic!("no answer") };
        members.into_iter().find(|member| member.id == id(name)).unwrap().status
    }

    /// What `a`'s application was told of the coming and going of somebody.
    fn told_of(&self, name: &str) -> String {
        let told = self.told.iter().filter(|(at, _)| *at == 0).filter_map(|(_, event)| match event {
            Event::PeerAdded(id) if id.as_str() == name => Some('+'),
            Event::PeerRemoved(id) if id.as_str() == name => Some('-'),
            _ => None,
        });
        told.collect()
    }
}

/// Nobody tries to reach it any more.
#[test]
fn who_makes_room_for_another_is_told_to_be_gone() {
    let mut pair = pair(NodeConfig::default().max_members - 4);
    pair.spread([live("z0")]);
    assert!(!pair.knows("z0"), "there is no room");
    // One in the place of which `a` comes next on the ring, so that `a` tries it.
    let members = &pair.nodes[0].members;
    let before = members.before(members.me().key).find_map(|slot| members.get(slot)).unwrap();
    let before = before.id.to_string();
    pair.nodes[0].end_doze(key(&before));
    pair.nodes[0].members.merge(pair.now, &down(&before), Told::News);
    pair.run(pair.now + Duration::from_secs(1));
    pair.spread([Row::Left { key: key("x"), incarnation: 1 }]);
    pair.nodes[0].try_the_dead();
    assert!(pair.nodes[0].members.is_dialled(key(&before)));
    pair.given_up.clear();
    for (new, gone) in [("z1", before.as_str()), ("z2", "x")] {
        assert_eq!(pair.told_of(gone), "+");
        pair.spread([live(new)]);
        assert!(pair.knows(new) && !pair.knows(gone));
        assert_eq!((pair.told_of(new), pair.told_of(gone)), ("+".into(), "+-".into()));
        assert!(!pair.nodes[0].members.is_dialled(key(gone)));
    }
    assert_eq!(pair.given_up, [(0, before)]);
    pair.spread([live("z3")]);
    assert!(!pair.knows("z3"), "who is alive stays");
}

/// A peer of the application that the group knows too is one, however it came and whichever goes first.
#[test]
fn who_is_peer_and_member_comes_and_goes_once() {
    let mut pair = pair(0);
    assert_eq!(pair.told_of("x"), "+");
    let (display_name, addresses) = ("X".to_owned(), Vec::new());
    let add = Command::AddPeer(PeerRecord { id: id("x"), display_name, addresses });
    pair.command(0, add.clone());
    assert_eq!(pair.told_of("x"), "+");
    pair.spread([Row::Left { key: key("x"), incarnation: 1 }]);
    pair.command(0, Command::RemovePeer { peer: id("x") });
    assert_eq!(pair.told_of("x"), "+-", "the application wants it so");
    pair.run(pair.now + Duration::from_secs(70));
    assert_eq!((pair.knows("x"), pair.told_of("x")), (false, "+-".into()));
    pair.command(0, add);
    pair.spread([live("x"), Row::Left { key: key("x"), incarnation: 1 }]);
    pair.run(pair.now + Duration::from_secs(70));
    assert_eq!((pair.knows("x"), pair.told_of("x")), (false, "+-+".into()));
}

/// Somebody the application knows nothing of is gone: that is no news, and neither is that it is forgotten.
#[test]
fn of_a_stranger_that_is_gone_nothing_is_told() {
    let mut pair = pair(0);
    for name in ["x", "y"] {
        pair.nodes[0].members.forget_told(&id(name));
    }
    pair.told.clear();
    pair.nodes[0].members.merge(pair.now, &down("y"), Told::News);
    pair.nodes[0].end_doze(key("y"));
    pair.spread([Row::Left { key: key("x"), incarnation: 1 }]);
    assert_eq!(pair.told, []);
    assert_eq!(["x", "y"].map(|name| pair.status(name)), [PeerStatus::Left, PeerStatus::Unreachable]);
    pair.run(pair.now + Duration::from_secs(25 * 3600));
    assert_eq!((pair.knows("x"), pair.knows("y"), pair.told.as_slice()), (false, false, [].as_slice()));
    // Who is back is as new.
    let back = Row::Live { row: MemberRow { incarnation: 2, ..row("x") }, doze: 0 };
    pair.spread([back]);
    assert_eq!((pair.told_of("x"), pair.status("x")), ("+".into(), PeerStatus::Reachable));
}

/// Those who are down are remembered for a day by who knew them, and told to nobody else.
#[test]
fn who_joins_is_told_of_the_living() {
    let mut ring = Ring::unlinked(6);
    (1..5)
        .flat_map(|one| (0..one).map(move |other| (one, other)))
        .for_each(|(one, other)| ring.link_up(one, other));
    ring.run(SECOND * 12);
    ring.give(4, Input::Command { id: CommandId(2), command: Command::Stop });
    ring.dead.insert(3);
    ring.run(SECOND * 10);
    assert_eq!([3, 4].map(|gone| ring.state(0, gone)), [MemberState::Down, MemberState::Left].map(Some));
    (0..3).for_each(|at| ring.link_up(at, 5));
    ring.run(SECOND * 20);
    assert_eq!((0..6).filter(|of| ring.state(5, *of).is_some()).collect::<Vec<_>>(), [0, 1, 2, 5]);
    let told: Vec<_> =
        ring.told.iter().filter(|(_, at, ..)| *at == 5).map(|(_, _, of, status)| (*of, *status)).collect();
    assert!(told.iter().all(|(_, status)| *status == PeerStatus::Reachable) && told.len() == 3, "{told:?}");
}
