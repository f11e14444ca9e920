//! Which wire version two nodes speak, and what becomes of those that share none.

use bytes::Bytes;
use gossip_proto::node::{Command, Input, LinkId, NodeConfig};
use gossip_proto::wire::{self, Content, Equal, Hello, Message, Nonce, SessionTag, TreeMessage, WireError};

use crate::host::{Host, talk};
use crate::lies::say;
use crate::siege::meet;

const LINK: u64 = 1;

fn started(name: &str, max_version: u8) -> Host {
    let mut host = Host::speaking(name, NodeConfig::default(), max_version);
    host.must(Command::Start);
    host.append(3_000);
    host
}

fn is_hello(frame: &Bytes) -> bool {
    matches!(wire::read(frame), Ok(Content::Whole(Message::Hello(_))))
}

/// What two nodes say to each other until both hold what both wrote, over frames of this size.
fn exchange(one: u8, other: u8, max_frame: usize) -> Vec<Bytes> {
    let (mut one, mut other) = (started("one", one), started("two", other));
    meet(&mut one, &mut other, LINK, max_frame);
    let frames = talk(&mut one, &mut other, LINK, 3_000);
    assert!(one.version().len() == 2 && one.version() == other.version());
    frames
}

#[test]
fn a_link_has_the_newest_version_both_speak_and_hellos_the_oldest() {
    for (one, other) in (1..=3).flat_map(|one| (1..=3).map(move |other| (one, other))) {
        let version = one.min(other);
        for max_frame in [256, 1 << 20] {
            let frames = exchange(one, other, max_frame);
            let (hellos, rest): (Vec<_>, Vec<_>) = frames.iter().partition(|frame| is_hello(frame));
            assert!(!hellos.is_empty() && hellos.iter().all(|frame| frame[0] >> 4 == 1));
            assert!(rest.len() > 4 && rest.iter().all(|frame| frame[0] >> 4 == version), "{one} {other}");
            let pieces = rest.iter().filter(|frame| frame[0] & 15 == 1).count();
            assert_eq!(pieces > 0, max_frame == 256, "{pieces} pieces of at most {max_frame} bytes");
        }
    }
}

fn hello(min_version: u8, max_version: u8, node: &Host) -> Message {
    let (nonce, node) = (Nonce([9; 16]), node.id());
    let hello = Hello {
        min_version,
        max_version,
        node,
        scheme: 0,
        nonce,
        echo: None,
        complete: false,
        paused: false,
    };
    Message::Hello(hello)
}

#[test]
fn nodes_that_share_no_version_part_with_an_error() {
    let (mut one, other) = (started("one", 3), started("two", 3));
    for versions in [(4, 9), (0, 0), (2, 1)] {
        one.link_up(&other.id(), LINK, 1 << 20);
        let before = one.health().dropped;
        let bytes = say(hello(versions.0, versions.1, &other));
        one.give(Input::Frame { link: LinkId(LINK), bytes });
        assert_eq!(one.health().dropped, before + 1, "{versions:?}");
        // The name of a link that is gone may come again.
        one.sent.clear();
        one.give(Input::Frame { link: LinkId(LINK), bytes: say(Message::Ping(1, false)) });
        assert!(one.sent.is_empty(), "{versions:?}");
    }
}

/// A newer node may say hello in a version that cannot be read here: it is told which ones can.
#[test]
fn a_frame_of_an_unknown_version_is_answered_by_a_hello() {
    for (ours, theirs) in [(1, 2), (2, 3), (3, 4)] {
        let (mut one, other) = (started("one", ours), started("two", 3));
        one.link_up(&other.id(), LINK, 1 << 20);
        one.sent.clear();
        let mut bytes = say(hello(theirs, theirs, &other)).to_vec();
        bytes[0] = theirs << 4;
        one.give(Input::Frame { link: LinkId(LINK), bytes: bytes.into() });
        let said = one.take_sent(LINK);
        assert!(said.len() == 1 && is_hello(&said[0]), "{ours}: {said:?}");
        assert_eq!(one.health().dropped, 1);
    }
}

/// A frame of the other version may be from before a new handshake.
#[test]
fn frames_of_another_spoken_version_are_read() {
    let (mut one, mut other) = (started("one", 3), started("two", 3));
    meet(&mut one, &mut other, LINK, 1 << 20);
    talk(&mut one, &mut other, LINK, 500);
    for version in wire::WIRE_VERSIONS {
        let bytes = wire::write(&Message::Ping(77, false), version).into_bytes();
        one.give(Input::Frame { link: LinkId(LINK), bytes });
        let pong = wire::write(&Message::Pong(77, false), 3).into_bytes();
        assert!(one.take_sent(LINK).contains(&pong), "to a ping of version {version}");
    }
}

#[test]
fn an_old_node_takes_newer_messages_for_noise() {
    let equal = Message::Equal(Equal { tag: wire::ChannelTag([1; 8]), digest: SessionTag([1; 8]).0 });
    let tree = Message::Tree(TreeMessage { tag: None, eager: true });
    for (old, kind, message) in [(1, 17, equal), (2, 32, tree)] {
        let (mut one, mut other) = (started("one", old), started("two", 3));
        meet(&mut one, &mut other, LINK, 1 << 20);
        talk(&mut one, &mut other, LINK, 500);
        let bytes = wire::write(&message, old + 1).into_bytes();
        assert_eq!(wire::read(&bytes), Ok(Content::Whole(message)));
        let before = one.health().dropped;
        one.give(Input::Frame { link: LinkId(LINK), bytes: bytes.clone() });
        let mut in_old_version = bytes.to_vec();
        in_old_version[0] = old << 4;
        assert_eq!(wire::read(&in_old_version.clone().into()), Err(WireError::Type(kind)));
        one.give(Input::Frame { link: LinkId(LINK), bytes: in_old_version.into() });
        assert_eq!(one.health().dropped, before + 2);
        assert!(one.has_session(LINK));
    }
}
