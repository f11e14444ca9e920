//! Sessions of version 1, recorded when there was no other, played to nodes of today.
//!
//! `gossip/proto/tests/recorded/v1-*.hex` hold every frame both sides of a session sent, as the code at
//! the end of the Stores work sent them. One side of each is played, frame by frame at its time, to a node
//! that begins with the same disk and the same secrets, so that its nonces are the recorded ones and the
//! recorded proofs fit. It must give all that was asked of it and come to hold what it came to hold then.
//! The files are never written again: they stand for devices nobody updates.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use gossip_proto::wire::{self, Content, DeltaRun, Message, WIRE_VERSIONS};
use gossip_proto::{LogId, Seq};
use gossip_testkit::sim::pair::{Logs, Pair, Passed, Recording, Setup, Side};

const DELAY: Duration = Duration::from_millis(5);
/// When somebody writes a last entry, after everything else has settled.
const LATE: Duration = Duration::from_secs(40);
/// When it is over.
const END: Duration = Duration::from_secs(80);

/// A little in both directions, and one entry pushed.
fn small() -> Setup {
    let [ann, bob] = Side::BOTH;
    let setup = Pair::setup().delay(DELAY).initiator(ann).logs(Logs::of(12).alike(40));
    setup.logs(Logs::of(3).alike(7).more(ann, 20).run(8)).logs(Logs::of(2).more(bob, 5))
}

/// Answers and offers in several messages.
fn paged() -> Setup {
    let setup = Pair::setup().seed(2).delay(DELAY).initiator(Side::Bob).max_frame(16 << 10);
    let setup = setup.logs(Logs::of(600).alike(3)).logs(Logs::of(2).more(Side::Ann, 200).run(16));
    setup.logs(Logs::of(20).alike(9).more(Side::Bob, 4))
}

/// Small frames of which many are lost: messages in pieces, everything repeated.
fn lossy() -> Setup {
    let setup = Pair::setup().seed(3).delay(DELAY).initiator(Side::Ann).max_frame(256).lossy(200);
    let setup = setup.logs(Logs::of(10).alike(30)).logs(Logs::of(6).more(Side::Ann, 3).payload(10));
    setup.logs(Logs::of(3).more(Side::Bob, 30).payload(20))
}

/// What every session does; a puppet writes nothing.
fn play(pair: &mut Pair, writes: bool) {
    pair.link();
    pair.pass(LATE);
    if writes {
        pair.append(Side::Bob, "late", b"the last word");
    }
    pair.pass(END - LATE);
}

/// Plays one side of a recording to a node that begins as the other side did.
fn replay(text: &str, setup: &Setup, under_test: Side) {
    let recording = Recording::read(text).expect("a recording");
    let mut pair = setup.begin();
    assert_ne!(pair.heads_hash(under_test), recording.reached, "it has nothing to learn");
    pair.replay(&recording, under_test.other());
    play(&mut pair, under_test == Side::Bob);
    let traffic = pair.traffic();
    assert_eq!(pair.heads_hash(under_test), recording.reached, "{under_test:?} is elsewhere:\n{traffic}");
    let (then, now) = (given(&recording.frames, under_test), given(traffic.passed(), under_test));
    assert!(then.is_subset(&now), "{under_test:?} keeps back {:?}", then.difference(&now));
    let mut own = traffic.passed().iter().filter(|passed| passed.from == under_test);
    assert!(own.all(|passed| passed.frame[0] >> 4 == 1), "{under_test:?} speaks another version");
}

/// The entries one side sent.
fn given(frames: &[Passed], side: Side) -> BTreeSet<(LogId, Seq)> {
    let own = frames.iter().filter(|passed| passed.from == side);
    let runs =
        whole(own.map(|passed| passed.frame.clone())).into_iter().filter_map(|message| match message {
            Message::Delta(delta) => Some(delta.runs),
            _ => None,
        });
    let sequences = |run: DeltaRun| (run.run.first()..=run.run.last()).map(move |at| (run.run.log(), at));
    runs.flatten().flat_map(sequences).collect()
}

/// The messages in frames, also those in pieces of which all were sent.
fn whole(frames: impl Iterator<Item = Bytes>) -> Vec<Message> {
    let (mut messages, mut open): (Vec<_>, BTreeMap<_, BTreeMap<u64, Bytes>>) = Default::default();
    for frame in frames {
        match wire::read(&frame).expect("a frame") {
            Content::Whole(message) => messages.push(message),
            Content::Piece(piece) => {
                let parts = open.entry(piece.id).or_default();
                parts.insert(piece.offset, piece.bytes);
                let joined = parts.values().flatten().copied().collect::<Vec<u8>>();
                if let Ok(Content::Whole(message)) = wire::read(&joined.into()) {
                    messages.push(message);
                }
            }
        }
    }
    messages
}

/// Plays both sides of a recording, to nodes of every version.
fn replay_both(text: &str, setup: &Setup) {
    for version in WIRE_VERSIONS {
        for side in Side::BOTH {
            replay(text, &setup.clone().version(side, version), side);
        }
    }
}

#[test]
fn a_small_session_of_version_1() {
    replay_both(include_str!("../../proto/tests/recorded/v1-small.hex"), &small());
}

#[test]
fn a_paged_session_of_version_1() {
    replay_both(include_str!("../../proto/tests/recorded/v1-paged.hex"), &paged());
}

#[test]
fn a_lossy_session_of_version_1() {
    replay_both(include_str!("../../proto/tests/recorded/v1-lossy.hex"), &lossy());
}
