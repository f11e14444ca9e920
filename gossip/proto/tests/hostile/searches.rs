//! Searches for the place of a fork that are cut short.

use gossip_proto::node::{Command, NodeConfig};
use gossip_proto::wire::{Hashes, Message, Positions};
use gossip_proto::{ChainHash, NodeId, Seq};

use crate::forks::{History, begun};
use crate::holders::questions;
use crate::host::{Host, talk};
use crate::seals::{LINK, log_of};

/// The search for a fork was given up for want of an answer, and the store tells what it was asked then while
/// a later one compares other places.
#[test]
fn what_an_earlier_search_waited_for_is_not_taken_for_a_later_one() {
    let (mut scene, mut root) = begun(false, 100);
    let (name, theirs) = (root.name.clone(), ChainHash([9; 32]));
    scene.victim.slow_disk = true;
    scene.announce(&name, (100, theirs), 0);
    scene.victim.pass(30_000_000);
    scene.send(0, &[(name.clone(), vec![root.write(50, 0)])]);
    scene.victim.disk_overtakes();
    scene.announce(&name, (150, theirs), 0);
    let Positions { tag, serial, log, at } = questions(&mut scene.victim).pop().expect("a question");
    scene.victim.disk_goes_on();
    let same = |at: &Seq| if *at <= 75 { scene.victim.disk.hash_at(log, *at) } else { theirs };
    let at = at.iter().map(|at| (*at, Some(same(at).check()))).collect();
    scene.tell(Message::Hashes(Hashes { tag, serial, log, height: 150, at }));
    scene.victim.disk_works();
    let next = questions(&mut scene.victim).pop().expect("the next question");
    assert!(next.at.iter().all(|at| (65..86).contains(at)), "{next:?}");
}

/// The peer begins anew over the same link: what was asked before is not asked again, whatever else is.
#[test]
fn a_search_ends_with_its_session() {
    let (mut scene, root) = begun(false, 4);
    let mut other = History::of(log_of(NodeId::new("other").expect("an id")));
    let run = other.write(4, 0);
    assert_eq!(scene.bring(&other.name.clone(), &[run]), 4);
    let theirs = (4, ChainHash([9; 32]));
    scene.announce(&root.name, theirs, 0);
    assert!(!questions(&mut scene.victim).is_empty());
    let mut peer = Host::speaking("peer", NodeConfig::default(), 2);
    peer.must(Command::Start);
    // Its second handshake is not that of the session before.
    for link in [LINK + 1, LINK] {
        peer.link_up(&scene.victim.id(), link, 1 << 20);
    }
    talk(&mut scene.victim, &mut peer, LINK, 2_000);
    assert_eq!(peer.version().height(&root.name.id()), 4, "they talk again");
    scene.announce(&other.name, theirs, 0);
    scene.victim.pass(1_000_000);
    let asked = questions(&mut scene.victim);
    assert!(asked.len() > 1 && asked.iter().all(|question| question.log == other.name.id()), "{asked:?}");
}
