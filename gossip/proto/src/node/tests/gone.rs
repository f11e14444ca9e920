//! Rows go, and the application is told of it, each time once.

use super::*;
use crate::node::members::merge::Speaker;
use crate::wire::{Row, write};
use crate::{MemberKey, MemberRow, PeerRecord};

const NEWS: Speaker = Speaker { settled: true, repairs: false };

fn id(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

fn key(name: &str) -> MemberKey {
    MemberKey::of(&id(name))
}

/// One that can be dialled and says nothing for long.
fn live(name: &str) -> Row {
    let addresses = vec![format!("sim:{name}")];
    Row::Live { row: MemberRow { id: id(name), incarnation: 1, instance: 1, addresses }, doze: 1 << 20 }
}

fn down(name: &str) -> Row {
    Row::Down { key: key(name), incarnation: 1, age: 0 }
}

/// Two linked nodes, of which `a` has heard of `x`, `y` and so many others.
fn pair(others: usize) -> Pair {
    let mut pair = Pair::new(0);
    pair.run(Tick(2_000_000));
    for number in 0..others {
        pair.nodes[0].members.merge(pair.now, &live(&format!("n{number}")), NEWS);
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
    pair.nodes[0].review_member(key(&before));
    pair.nodes[0].members.merge(pair.now, &down(&before), NEWS);
    pair.run(pair.now + std::time::Duration::from_secs(1));
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
    pair.run(pair.now + std::time::Duration::from_secs(70));
    assert_eq!((pair.knows("x"), pair.told_of("x")), (false, "+-".into()));
    pair.command(0, add);
    pair.spread([live("x"), Row::Left { key: key("x"), incarnation: 1 }]);
    pair.run(pair.now + std::time::Duration::from_secs(70));
    assert_eq!((pair.knows("x"), pair.told_of("x")), (false, "+-+".into()));
}
