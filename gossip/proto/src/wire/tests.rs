use bytes::Bytes;
use proptest::prelude::*;

use super::laws::{Named, are_read_as_a_whole, golden, golden_piece, survives};
use super::*;
use crate::{ChainHash, Check, Epoch, LogId, NodeId, Payload, RunBuilder, Stamp, StreamId};

pub(super) const TAG: ChannelTag = ChannelTag([1; 8]);
pub(super) const MINE: DigestTag = DigestTag([2; 16]);
const SESSION: SessionTag = SessionTag([2; 8]);
pub(super) const LOG: LogId = LogId([3; 16]);
const BRANCH: crate::Branch = crate::Branch { parent: LOG, first: ChainHash([4; 32]) };

fn ann() -> NodeId {
    NodeId::new("ann").unwrap()
}

fn notes() -> StreamId {
    StreamId::new("notes").unwrap()
}

/// One of each message, by name.
fn samples() -> Vec<Named> {
    let proofs = vec![Proof([1; 16])];
    let want = WantLog { log: LOG, after: 7, check: Check([9; 8]) };
    let want = Want { tag: TAG, serial: 4, budget: 65536, logs: vec![want] };
    let matches = Matches { session: SESSION, serial: 1, turn: 3, proofs: vec![] };
    vec![
        ("hello", Message::Hello(hello())),
        ("ping", Message::Ping(7, false)),
        ("pong", Message::Pong(u64::MAX, true)),
        ("channels", Message::Channels(Channels { session: SESSION, serial: 1, proofs })),
        ("matches", Message::Matches(matches)),
        ("rescan", Message::Rescan),
        ("beacon", Message::Beacon(Beacon { tag: TAG, mine: MINE, yours: None })),
        ("offer", Message::Offer(offer())),
        ("want", Message::Want(want)),
        ("delta", Message::Delta(delta())),
        ("piece-want", Message::PieceWant(PieceWant { id: [1; 8], ranges: vec![(0, 200), (400, 1)] })),
        ("paused", Message::Paused(true)),
        ("goodbye", Message::Goodbye),
        ("back", Message::Back(back())),
        ("erase", Message::Erase(erase())),
        ("erased", Message::Erased(TAG, 3)),
    ]
}

fn back() -> Back {
    let log = BackLog { log: LOG, above: 2, below: 40, check: Check([9; 8]) };
    Back { tag: TAG, serial: 6, budget: 65536, logs: vec![log] }
}

fn erase() -> Erase {
    let ranges = vec![crate::SeqRange { first: 3, last: 5 }, crate::SeqRange { first: 300, last: 300 }];
    let log = EraseLog { name: (notes(), ann(), Epoch::new(1, 9), Some(BRANCH)), ranges };
    Erase { tag: TAG, serial: 3, by: ann(), logs: vec![log] }
}

fn hello() -> Hello {
    Hello {
        min_version: 1,
        max_version: 1,
        node: ann(),
        scheme: 0,
        nonce: Nonce([7; 16]),
        echo: Some(Nonce([8; 16])),
        complete: true,
        paused: false,
    }
}

fn offer() -> Offer {
    let log = OfferLog {
        stream: 0,
        author: 0,
        epoch: Epoch::new(1, 9),
        branch: Some(BRANCH),
        height: 300,
        check: Check([9; 8]),
        floor: 2,
    };
    Offer {
        tag: TAG,
        mine: MINE,
        range: Some((None, Some(LOG))),
        refused: vec![StreamKey([1; 8])],
        streams: vec![notes()],
        authors: vec![ann()],
        logs: vec![log],
    }
}

pub(super) fn delta() -> Delta {
    let mut builder = RunBuilder::new(LOG, 1, ChainHash([5; 32]));
    builder.push(Stamp::new(1_700_000_000_000, 0), &Payload::Present(Bytes::from_static(b"hi"))).unwrap();
    let (run, _) = builder.finish(Some(&[6; 64])).unwrap();
    let floor =
        FloorNote { log: LOG, floor: 2, hash: ChainHash([4; 32]), stamp: Stamp::new(5, 6), seal: None };
    let first = DeltaRun { prev: Some(ChainHash([5; 32])), run: run.clone() };
    Delta {
        tag: TAG,
        serial: 4,
        end: true,
        names: vec![(notes(), ann(), Epoch::new(1, 9), Some(BRANCH))],
        floors: vec![floor],
        runs: vec![first, DeltaRun { prev: None, run }],
    }
}

#[test]
fn messages_survive_the_wire() {
    samples().into_iter().for_each(|(_, message)| survives(message, 1));
}

#[test]
fn golden_bytes_of_every_message_of_version_1() {
    let found = golden(&samples(), 1) + &golden_piece(1);
    assert_eq!(found, include_str!("golden-v1.txt"), "version 1 changed");
}

#[test]
fn byte_strings_are_byte_strings() {
    let beacon = Message::Beacon(Beacon { tag: ChannelTag([1; 8]), mine: DigestTag([2; 16]), yours: None });
    assert_eq!(write(&beacon, 1).len(), 2 + 1 + 9 + 17 + 1);
}

#[test]
fn what_is_cut_short_or_left_over_is_an_error() {
    are_read_as_a_whole(&samples(), 1);
}

#[test]
fn other_versions_and_types_are_named() {
    assert_eq!(read(&Bytes::from_static(&[0x40, 1])), Err(WireError::Version(4)));
    assert_eq!(read(&Bytes::from_static(&[0x00, 1])), Err(WireError::Version(0)));
    assert_eq!(read(&Bytes::from_static(&[0x10, 99, 0x80])), Err(WireError::Type(99)));
    assert_eq!(read(&Bytes::from_static(&[0x20, 26, 0x80])), Err(WireError::Type(26)));
    assert_eq!(read(&Bytes::from_static(&[0x30, 35, 0x80])), Err(WireError::Type(35)));
    assert_eq!(read(&Bytes::from_static(&[0x15, 1])), Err(WireError::Type(5)));
    assert_eq!(read(&Bytes::new()), Err(WireError::Empty));
}

#[test]
fn runs_are_slices_of_the_frame() {
    let (_, message) = samples().swap_remove(9);
    let bytes = write(&message, 1).into_bytes();
    let Ok(Content::Whole(Message::Delta(delta))) = read(&bytes) else { panic!("a delta") };
    for DeltaRun { run, .. } in &delta.runs {
        let entry = run.entry(1).unwrap();
        let payload = entry.payload.bytes().unwrap().as_ptr();
        assert!(bytes.as_ptr_range().contains(&payload));
    }
}

proptest! {
    #[test]
    fn no_bytes_make_reading_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..120),
        (version, kind) in (1..=OFFERED_VERSION, 0..40_u8),
    ) {
        let _ = read(&Bytes::from(bytes.clone()));
        let framed: Vec<u8> = [version << 4, kind].into_iter().chain(bytes).collect();
        let _ = read(&framed.into());
    }

    #[test]
    fn flipped_bits_never_panic(which in 0..16_usize, at in any::<usize>(), bit in 0..8_u32) {
        let (_, message) = samples().swap_remove(which);
        let mut bytes = write(&message, 1).into_bytes().to_vec();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        let _ = read(&bytes.into());
    }
}
