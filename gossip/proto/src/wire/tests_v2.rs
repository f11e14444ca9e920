use bytes::Bytes;
use proptest::prelude::*;
use proptest::sample::Index;

use super::laws::{by_name, is_malformed};
use super::tests::{LOG, MINE, TAG, delta};
use super::*;
use crate::{Check, Run, Seal};

/// One of each message that version 1 does not know, by name, and its size.
fn samples() -> Vec<laws::Sample> {
    let positions = Positions { tag: TAG, serial: 70_000, log: LOG, at: vec![1, 300] };
    let at = vec![(1, Some(Check([9; 8]))), (300, None)];
    let hashes = Hashes { tag: TAG, serial: 70_000, log: LOG, height: 300, at };
    let keys = vec![StreamKey([1; 8]), StreamKey([2; 8])];
    let run = run().encoded().len();
    vec![
        ("equal", 21, Message::Equal(Equal { tag: TAG, digest: [2; 8] })),
        ("push", 12 + 2 * (2 + run), Message::Push(Push { tag: TAG, runs: vec![self::run(), self::run()] })),
        ("probe", 167, Message::Sketch(probe())),
        ("sketch", 47 + 12, Message::Sketch(SketchMessage { estimate: None, ..one_cell() })),
        ("more", 23, Message::More(More { tag: TAG, serial: 70_000, from: 300, upto: 2048 })),
        ("ask", 22 + 2 * 5 + 1 + 2, Message::Ask(ask())),
        ("runs", 21 + 72 + 124 + 35 + 2 * (2 + run), Message::Runs(runs())),
        ("scope", 15 + 9 * 2, Message::Scope(Scope { tag: TAG, turn: 1, only: true, keys: Some(keys) })),
        ("scope-request", 15, Message::Scope(Scope { tag: TAG, turn: 0, only: false, keys: None })),
        ("positions", 35 + 1 + 3, Message::Positions(positions)),
        ("hashes", 38 + 11 + 5, Message::Hashes(hashes)),
    ]
}

fn run() -> Run {
    delta().runs.swap_remove(0).run
}

fn probe() -> SketchMessage {
    let estimate = std::array::from_fn(|index| (index as i16 - 24) * 1_000);
    let cells = vec![Cell { s1: u32::MAX, s2: 5 }, Cell { s1: 1, s2: (1 << 61) - 2 }];
    SketchMessage {
        tag: TAG,
        mine: MINE,
        serial: 70_000,
        room: 2048,
        kind: Kind::Heights,
        turn: 0,
        logs: 10_000,
        from: 0,
        estimate: Some(estimate),
        cells,
    }
}

fn one_cell() -> SketchMessage {
    SketchMessage { kind: Kind::Hashes, from: 2047, cells: vec![Cell { s1: 1, s2: 2 }], ..probe() }
}

fn ask() -> Ask {
    Ask { tag: TAG, serial: 70_000, room: 2048, logs: vec![([1; 5], 0), ([2; 5], 300)] }
}

fn runs() -> Delta {
    let mut delta = delta();
    delta.serial = 70_000;
    delta.floors[0].seal = Some(Seal([7; 64]));
    delta
}

fn frame(message: &Message) -> Bytes {
    laws::frame(message, 2)
}

#[track_caller]
fn round_trip(message: Message) {
    laws::survives(message, 2);
}

#[test]
fn messages_survive_the_wire_at_the_size_they_are_meant_to_have() {
    laws::survive_at_their_sizes(samples(), 2);
}

#[test]
fn golden_bytes_of_every_message_of_version_2() {
    let old = [("beacon", Message::Beacon(Beacon { tag: TAG, mine: MINE, yours: None }))];
    let found = laws::golden(&old, 2) + &laws::golden(&by_name(samples()), 2) + &laws::golden_piece(2);
    assert_eq!(found, include_str!("golden-v2.txt"), "version 2 changed");
}

#[test]
fn version_1_knows_none_of_them() {
    laws::are_unknown_to(1..=1, &by_name(samples()), 2);
}

#[test]
fn what_is_cut_short_or_left_over_is_an_error() {
    laws::are_read_as_a_whole(&by_name(samples()), 2);
}

#[test]
fn runs_are_slices_of_the_frame() {
    for message in [Message::Push(Push { tag: TAG, runs: vec![run(), run()] }), Message::Runs(runs())] {
        let bytes = frame(&message);
        let runs = match read(&bytes) {
            Ok(Content::Whole(Message::Push(push))) => push.runs,
            Ok(Content::Whole(Message::Runs(delta))) => delta.runs.into_iter().map(|run| run.run).collect(),
            other => panic!("{other:?}"),
        };
        let inside = |run: &Run| bytes.as_ptr_range().contains(&run.encoded().as_ptr());
        assert!(runs.len() == 2 && runs.iter().all(inside));
    }
}

#[test]
fn what_is_over_a_limit_is_refused() {
    let cells = |from, len| SketchMessage { from, cells: vec![Cell::default(); len], ..probe() };
    let more = |from, upto| Message::More(More { tag: TAG, serial: 1, from, upto });
    let ask = |len| Message::Ask(Ask { logs: vec![([0; 5], 1); len], ..ask() });
    let scope = |len| {
        let keys = Some(vec![StreamKey([0; 8]); len]);
        Message::Scope(Scope { tag: TAG, turn: 1, only: false, keys })
    };
    let positions = |len| Message::Positions(Positions { tag: TAG, serial: 1, log: LOG, at: vec![1; len] });
    let hashes = |len| {
        let at = vec![(1, None); len];
        Message::Hashes(Hashes { tag: TAG, serial: 1, log: LOG, height: 1, at })
    };
    let pairs = vec![
        (Message::Sketch(cells(0, MAX_CELLS)), Message::Sketch(cells(0, MAX_CELLS + 1))),
        (Message::Sketch(cells(2046, 2)), Message::Sketch(cells(2047, 2))),
        (more(0, 2048), more(0, 2049)),
        (more(3, 4), more(4, 4)),
        (ask(MAX_ASKED), ask(MAX_ASKED + 1)),
        (scope(MAX_SCOPE), scope(MAX_SCOPE + 1)),
        (positions(MAX_POSITIONS), positions(MAX_POSITIONS + 1)),
        (hashes(MAX_POSITIONS), hashes(MAX_POSITIONS + 1)),
    ];
    laws::are_limited(pairs, 2);
}

#[test]
fn keys_and_sequences_go_in_pairs() {
    // A key cut short, a key without a sequence, a sequence without a key, one that is too long.
    for (keys, afters) in [(4, vec![0]), (10, vec![0]), (5, vec![0, 0]), (5, vec![0x80, 0])] {
        let mut bytes = vec![0x20, 21, 0x85, 0x48];
        bytes.extend([1; 8]);
        bytes.extend([1, 1, 0x40 | keys]);
        bytes.extend(vec![7; keys as usize]);
        bytes.push(0x40 | afters.len() as u8);
        bytes.extend(&afters);
        assert!(is_malformed(bytes), "{keys} {afters:?}");
    }
}

/// What is claimed to follow and does not is refused before anything is reserved for it.
#[test]
fn claims_are_not_believed() {
    laws::do_not_believe_claims(17..=25, 2);
    let mut push = vec![0x20, 18, 0x9a, 0, 1, 0, 0, 0x48];
    push.extend([1; 8]);
    push.extend([0x40; 1000]);
    assert!(is_malformed(push));
}

fn sketch() -> impl Strategy<Value = SketchMessage> {
    let cell = (any::<u32>(), any::<u64>()).prop_map(|(s1, s2)| Cell { s1, s2 });
    let counters = proptest::collection::vec(any::<i16>(), COUNTERS);
    let estimate = proptest::option::of(counters.prop_map(|counters| counters.try_into().unwrap()));
    let numbers = (any::<u32>(), any::<u32>(), any::<u64>(), any::<u64>(), 0..1000_u32, any::<bool>());
    (numbers, estimate, proptest::collection::vec(cell, 0..100)).prop_map(|(numbers, estimate, cells)| {
        let (serial, room, turn, logs, from, hashes) = numbers;
        let kind = if hashes { Kind::Hashes } else { Kind::Heights };
        SketchMessage { tag: TAG, mine: MINE, serial, room, kind, turn, logs, from, estimate, cells }
    })
}

proptest! {
    #[test]
    fn any_sketch_survives(sketch in sketch()) {
        round_trip(Message::Sketch(sketch));
    }

    #[test]
    fn any_ask_survives(
        (serial, room) in any::<(u32, u32)>(),
        logs in proptest::collection::vec(any::<([u8; 5], u64)>(), 0..200),
    ) {
        round_trip(Message::Ask(Ask { tag: TAG, serial, room, logs }));
    }

    #[test]
    fn any_hashes_survive(
        (serial, height, log) in any::<(u32, u64, [u8; 16])>(),
        at in proptest::collection::vec(any::<(u64, Option<[u8; 8]>)>(), 0..=MAX_POSITIONS),
    ) {
        let log = crate::LogId(log);
        let seqs = at.iter().map(|(seq, _)| *seq).collect();
        round_trip(Message::Positions(Positions { tag: TAG, serial, log, at: seqs }));
        let at = at.into_iter().map(|(seq, check)| (seq, check.map(Check))).collect();
        round_trip(Message::Hashes(Hashes { tag: TAG, serial, log, height, at }));
    }

    #[test]
    fn any_scope_survives(
        (turn, only) in any::<(u64, bool)>(),
        keys in proptest::option::of(proptest::collection::vec(any::<[u8; 8]>(), 0..200)),
    ) {
        let keys = keys.map(|keys| keys.into_iter().map(StreamKey).collect());
        round_trip(Message::Scope(Scope { tag: TAG, turn, only, keys }));
    }

    #[test]
    fn changed_frames_are_refused_or_mean_something(
        which in any::<Index>(),
        changes in proptest::collection::vec((any::<Index>(), any::<u8>()), 1..4),
    ) {
        let (_, _, message) = which.get(&samples()).clone();
        laws::means_something_when_changed(&message, changes, 2);
    }
}
