//! What a peer can do by talking of members: fill a table up to its bound, and no more.

use bytes::Bytes;
use gossip_proto::node::{Command, Input, LinkId, NodeConfig};
use gossip_proto::wire::{self, Message, Row, Table};
use gossip_proto::{MemberKey, MemberRow, NodeId};

use crate::host::{Host, talk};
use crate::siege::meet;

const LINK: u64 = 1;

fn row(name: &str, incarnation: u64) -> Row {
    let id = NodeId::new(name).unwrap();
    Row::Live { row: MemberRow { id, incarnation, instance: 1, addresses: Vec::new() }, doze: 0 }
}

fn frame(message: Message) -> Bytes {
    wire::write(&message, 3).into_bytes()
}

/// A victim with a session of this version, and the liar it has it with.
fn met(config: NodeConfig, version: u8) -> (Host, Host) {
    let mut victim = Host::speaking("victim", config, version);
    let mut liar = Host::speaking("liar", NodeConfig::default(), 3);
    [&mut victim, &mut liar].into_iter().for_each(|host| _ = host.must(Command::Start));
    meet(&mut victim, &mut liar, LINK, 1 << 20);
    talk(&mut victim, &mut liar, LINK, 500);
    victim.sent.clear();
    (victim, liar)
}

impl Host {
    fn hear(&mut self, message: Message) {
        self.give(Input::Frame { link: LinkId(LINK), bytes: frame(message) });
    }
}

#[test]
fn members_are_as_many_as_are_allowed() {
    let (mut victim, _) = met(NodeConfig { max_members: 100, ..NodeConfig::default() }, 3);
    for number in 0..200 {
        victim.hear(Message::News((0..50).map(|at| row(&format!("{number}-{at}"), 1)).collect()));
    }
    let health = victim.health();
    assert_eq!((health.members, health.dropped), (100, 10_000 - 98));
    // All of them fit into what is told of them: none is told twice.
    victim.hear(Message::Table(Table::All));
    let told: usize = victim.take_sent(LINK).iter().map(Bytes::len).sum();
    assert!(told < 100 * 20, "{told} bytes");
}

#[test]
fn who_keeps_to_its_own_peers_hears_of_no_others() {
    let (mut victim, liar) = met(NodeConfig { peer_exchange: false, ..NodeConfig::default() }, 3);
    victim.hear(Message::News(vec![row("stranger", 1), row(liar.id().as_str(), 1)]));
    assert_eq!(victim.health().members, 2);
}

/// It does not take part, whatever frames come: they may be from before a handshake.
#[test]
fn an_old_session_has_no_members() {
    let (mut victim, _) = met(NodeConfig::default(), 2);
    for message in [Message::News(vec![row("stranger", 1)]), Message::Table(Table::All)] {
        let bytes = frame(message);
        victim.give(Input::Frame { link: LinkId(LINK), bytes });
    }
    assert_eq!(victim.health().members, 1);
    assert!(victim.sent.is_empty(), "{:?}", victim.sent);
}

#[test]
fn nobody_has_the_last_incarnation() {
    let (mut victim, _) = met(NodeConfig::default(), 3);
    victim.hear(Message::News(vec![row("a", 1)]));
    let before = victim.health().dropped;
    let key = MemberKey::of(&NodeId::new("a").unwrap());
    let last = [row("b", u64::MAX), row("a", u64::MAX), row("victim", u64::MAX)];
    victim.hear(Message::News(last.into_iter().chain([Row::Left { key, incarnation: u64::MAX }]).collect()));
    let health = victim.health();
    assert_eq!((health.members, health.dropped), (3, before + 4));
}
