//! What is left out on a link: neither asked for nor given, whatever a peer says.

use gossip_proto::node::{
    Command, CommandError, Input, LinkId, NodeConfig, Query, Reply, Streams, SyncChoice, SyncRule,
};
use gossip_proto::wire::{self, ChannelTag, Content, Message, Scope, StreamKey};
use gossip_proto::{EntryId, NewPayload, Retention, Rng, StreamId};

use crate::host::{Host, channel, talk};
use crate::lies::bytes;
use crate::siege::{meet, part};

const LINK: u64 = 1;

pub(crate) fn named(name: &str) -> StreamId {
    StreamId::new(name).unwrap()
}

pub(crate) fn choice(streams: Streams) -> SyncChoice {
    SyncChoice { rules: vec![SyncRule { streams, ..SyncRule::default() }] }
}

pub(crate) fn only(names: &[&str]) -> Streams {
    Streams::Only(names.iter().map(|name| named(name)).collect())
}

pub(crate) fn except(names: &[&str]) -> Streams {
    Streams::Except(names.iter().map(|name| named(name)).collect())
}

fn choose(host: &mut Host, streams: Streams) {
    host.must(Command::SetSync(choice(streams)));
}

pub(crate) fn write(host: &mut Host, stream: &str) {
    let (stream, retention) = (named(stream), Retention::KeepAll);
    host.must(Command::CreateStream { channel: channel(), stream: stream.clone(), retention });
    let payloads = vec![NewPayload::new(vec![7; 100])];
    host.must(Command::Append { channel: channel(), stream, payloads });
}

/// How many entries of a stream a host holds; `None` if it has never heard of it.
pub(crate) fn held(host: &mut Host, stream: &str) -> Option<u64> {
    match host.command(Command::Query(Query::Version(channel(), named(stream)))).expect("an answer") {
        Ok(Reply::Version(version)) => Some(version.iter().map(|(_, height)| height).sum()),
        Err(CommandError::UnknownStream(..)) => None,
        other => panic!("{other:?}"),
    }
}

fn agrees(host: &mut Host) -> bool {
    match host.must(Command::Query(Query::Sync(None))) {
        Reply::Sync(status) => !status.is_empty() && status.iter().all(|status| status.in_sync),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn started(name: &str, version: u8) -> Host {
    let mut host = Host::speaking(name, NodeConfig::default(), version);
    host.must(Command::Start);
    host
}

/// Two hosts that speak these versions and have met; the first leaves out what is not chosen.
fn pair(versions: [u8; 2], streams: Streams) -> [Host; 2] {
    let [mut one, mut other] = [started("one", versions[0]), started("two", versions[1])];
    choose(&mut one, streams);
    for name in ["in", "out"] {
        write(&mut one, name);
        write(&mut other, name);
    }
    write(&mut other, "out of the blue");
    meet(&mut one, &mut other, LINK, 1 << 20);
    talk(&mut one, &mut other, LINK, 3_000);
    [one, other]
}

fn tags(frames: &[bytes::Bytes]) -> Vec<ChannelTag> {
    let tag = |frame| match wire::read(frame) {
        Ok(Content::Whole(Message::Beacon(beacon))) => Some(beacon.tag),
        Ok(Content::Whole(Message::Sketch(sketch))) => Some(sketch.tag),
        _ => None,
    };
    frames.iter().filter_map(tag).collect()
}

#[test]
fn only_what_is_chosen_is_exchanged_and_all_of_it_when_the_choice_ends() {
    for versions in [[2, 2], [1, 2], [2, 1], [1, 1]] {
        for streams in [only(&["in", "s"]), except(&["out", "out of the blue"])] {
            let [mut one, mut other] = pair(versions, streams.clone());
            let what = format!("{versions:?} {streams:?}");
            assert_eq!((held(&mut one, "in"), held(&mut other, "in")), (Some(2), Some(2)), "{what}");
            assert_eq!((held(&mut one, "out"), held(&mut other, "out")), (Some(1), Some(1)), "{what}");
            assert!(agrees(&mut one) && agrees(&mut other), "{what}");
            // Live, in both directions, also of streams nobody has heard of.
            for host in [&mut one, &mut other] {
                ["in", "out"].into_iter().for_each(|name| write(host, name));
            }
            write(&mut other, "new");
            talk(&mut one, &mut other, LINK, 3_000);
            assert_eq!((held(&mut one, "in"), held(&mut other, "in")), (Some(4), Some(4)), "{what}");
            assert_eq!((held(&mut one, "out"), held(&mut other, "out")), (Some(2), Some(2)), "{what}");
            assert_eq!(held(&mut one, "out of the blue"), None, "{what}");
            assert_eq!(held(&mut one, "new").is_some(), matches!(streams, Streams::Except(_)), "{what}");
            assert!(agrees(&mut one) && agrees(&mut other), "{what}");
            choose(&mut one, Streams::All);
            talk(&mut one, &mut other, LINK, 3_000);
            for name in ["in", "out", "new", "out of the blue"] {
                assert!(held(&mut one, name).is_some(), "{what}: {name}");
                assert_eq!(held(&mut one, name), held(&mut other, name), "{what}: {name}");
            }
            assert!(agrees(&mut one) && agrees(&mut other), "{what}");
        }
    }
}

#[test]
fn a_channel_that_is_not_chosen_is_not_shared() {
    let [mut one, mut other] = pair([2, 2], Streams::None);
    assert!(!agrees(&mut one) && held(&mut one, "in") == Some(1));
    choose(&mut one, Streams::All);
    talk(&mut one, &mut other, LINK, 3_000);
    assert!(agrees(&mut one) && held(&mut one, "in") == Some(2));
    choose(&mut other, Streams::None);
    write(&mut one, "in");
    let frames = talk(&mut one, &mut other, LINK, 3_000);
    assert!(!agrees(&mut one) && held(&mut other, "in") == Some(2));
    assert!(tags(&frames).is_empty(), "spoken of all the same");
    choose(&mut other, Streams::All);
    talk(&mut one, &mut other, LINK, 3_000);
    assert!(agrees(&mut other) && held(&mut other, "in") == Some(3));
}

/// What came while it was away and is left out is not sent first and judged afterwards.
#[test]
fn who_comes_back_is_sent_nothing_that_it_does_not_want() {
    let [mut one, mut other] = pair([2, 2], only(&["in"]));
    for (written, is_sent) in [("out", false), ("in", true)] {
        part(&mut one, &mut other, LINK);
        (0..20).for_each(|_| write(&mut other, written));
        meet(&mut one, &mut other, LINK, 1 << 20);
        let frames = talk(&mut one, &mut other, LINK, 3_000);
        let runs = |frame: &&bytes::Bytes| {
            let message = wire::read(frame);
            matches!(message, Ok(Content::Whole(Message::Push(_) | Message::Runs(_) | Message::Delta(_))))
        };
        assert_eq!(frames.iter().any(|frame| runs(&frame)), is_sent, "{written}");
        assert!(agrees(&mut one) && agrees(&mut other));
        assert_eq!(held(&mut one, "in"), held(&mut other, "in"));
    }
}

/// Whatever is chosen, however often, and however many of the words about it are lost.
#[test]
fn choices_that_cross_and_are_lost_end_in_agreement() {
    for seed in 0..40 {
        let rng = &mut Rng::new(seed);
        let versions = [1 + rng.below(2) as u8, 1 + rng.below(2) as u8];
        let [mut one, mut other] = pair(versions, Streams::All);
        for _ in 0..10 {
            let host = if rng.chance(500) { &mut one } else { &mut other };
            let streams = match rng.below(6) {
                0 => Streams::All,
                1 => Streams::None,
                2 => only(&["in"]),
                3 => only(&[]),
                4 => except(&["in", "out"]),
                _ => except(&["nobody"]),
            };
            choose(host, streams);
            write(host, ["in", "out", "new"][rng.below(3) as usize]);
            if rng.chance(500) {
                one.take_sent(LINK);
            }
            if rng.chance(500) {
                other.take_sent(LINK);
            }
            talk(&mut one, &mut other, LINK, 1 + rng.below(60));
        }
        let streams = [only(&["in", "new"]), except(&["out", "s"])];
        choose(&mut one, streams[rng.below(2) as usize].clone());
        choose(&mut other, streams[rng.below(2) as usize].clone());
        talk(&mut one, &mut other, LINK, 10_000);
        assert!(agrees(&mut one) && agrees(&mut other), "seed {seed}");
        assert_eq!(held(&mut one, "in"), held(&mut other, "in"), "seed {seed}");
        choose(&mut one, Streams::All);
        choose(&mut other, Streams::All);
        talk(&mut one, &mut other, LINK, 10_000);
        assert!(agrees(&mut one) && agrees(&mut other), "seed {seed}");
        for name in ["in", "out", "new", "s"] {
            assert_eq!(held(&mut one, name), held(&mut other, name), "seed {seed}: {name}");
        }
    }
}

#[test]
fn erasures_of_what_was_left_out_are_told_when_it_is_taken_up() {
    let [mut one, mut other] = pair([2, 2], Streams::All);
    let log = other.own_logs().find(|log| one.disk.runs(*log).len() == 1).expect("a log of one entry");
    choose(&mut one, only(&[]));
    talk(&mut one, &mut other, LINK, 3_000);
    for stream in ["in", "out", "out of the blue"] {
        let (channel, stream, entries) = (channel(), named(stream), vec![EntryId { log, sequence: 1 }]);
        other.command(Command::Erase { channel, stream, entries });
    }
    talk(&mut one, &mut other, LINK, 60_000);
    assert!(!other.disk.erased.is_empty() && one.disk.erased.is_empty());
    choose(&mut one, Streams::All);
    talk(&mut one, &mut other, LINK, 60_000);
    assert_eq!(one.disk.erased, other.disk.erased);
}

/// A peer that says of itself what it likes, as often as it likes, harms nobody but itself.
#[test]
fn scopes_made_of_lies_do_nothing_lasting() {
    let [mut one, mut other] = pair([2, 2], Streams::All);
    let frames = talk(&mut one, &mut other, LINK, 40_000);
    let tag = tags(&frames)[0];
    let rng = &mut Rng::new(7);
    for at in 0..300 {
        let count = [0, 1, 10, 4_000][rng.below(4) as usize];
        let keys = (0..count).map(|_| StreamKey(bytes(rng))).collect();
        let keys = (at % 5 > 0).then_some(keys);
        let scope = Scope { tag, turn: rng.next_u64(), only: rng.chance(500), keys };
        one.give(Input::Frame {
            link: LinkId(LINK),
            bytes: wire::write(&Message::Scope(scope), 2).into_bytes(),
        });
        one.pass(rng.below(2_000));
    }
    one.take_sent(LINK);
    write(&mut one, "in");
    write(&mut other, "in");
    talk(&mut one, &mut other, LINK, 10_000);
    assert!(agrees(&mut one) && agrees(&mut other));
    assert_eq!(held(&mut one, "in"), held(&mut other, "in"));
}

#[test]
fn a_peer_that_does_not_listen_is_neither_heard_nor_served() {
    let [mut one, mut other] = pair([2, 2], Streams::All);
    // None of what `one` says of itself arrives, and all of what `other` says.
    choose(&mut one, only(&["in"]));
    write(&mut one, "out");
    write(&mut other, "out");
    let (before, entries) = (held(&mut one, "out"), held(&mut other, "out"));
    for _ in 0..3_000 {
        for frame in other.take_sent(LINK) {
            one.give(Input::Frame { link: LinkId(LINK), bytes: frame });
        }
        for frame in one.take_sent(LINK) {
            if !matches!(wire::read(&frame), Ok(Content::Whole(Message::Scope(_)))) {
                other.give(Input::Frame { link: LinkId(LINK), bytes: frame });
            }
        }
        one.pass(1_000);
        other.pass(1_000);
    }
    assert_eq!((held(&mut one, "out"), held(&mut other, "out")), (before, entries));
    talk(&mut one, &mut other, LINK, 5_000);
    assert!(agrees(&mut one) && agrees(&mut other));
    assert_eq!(held(&mut one, "out"), before);
}
