use bytes::Bytes;
use proptest::prelude::*;

use super::*;

const LOG: LogId = LogId([7; 16]);
const PREV: ChainHash = ChainHash([9; 32]);

fn build(first: Seq, prev: ChainHash, entries: &[(Stamp, Payload)]) -> StoredRun {
    let mut builder = RunBuilder::new(LOG, first, prev);
    for (stamp, payload) in entries {
        builder.push(*stamp, payload).expect("fits");
    }
    let (run, end) = builder.finish(None).expect("not empty");
    assert_eq!(run.verify(prev), Ok(end));
    StoredRun { prev, run }
}

fn sealed(first: Seq, prev: ChainHash, entries: &[(Stamp, Payload)]) -> (StoredRun, ChainHash) {
    let mut builder = RunBuilder::new(LOG, first, prev);
    for (stamp, payload) in entries {
        builder.push(*stamp, payload).expect("fits");
    }
    let (run, end) = builder.finish(Some(&[5; 64])).expect("not empty");
    (StoredRun { prev, run }, end)
}

fn entries() -> impl Strategy<Value = Vec<(Stamp, Payload)>> {
    let payload = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..300).prop_map(|b| Payload::Present(b.into())),
        (any::<[u8; 32]>(), 0..1000_u64)
            .prop_map(|(hash, len)| Payload::Hollow { hash: PayloadHash(hash), len }),
    ];
    let step = prop_oneof![1..5_u64, Just(1 << 16), 1..(1_u64 << 40)];
    proptest::collection::vec((step, payload), 1..100).prop_map(|steps| {
        let mut bits = 1_700_000_000_000_u64 << 16;
        let stamped = steps.into_iter().map(|(step, payload)| {
            bits += step;
            (Stamp::from_bits(bits), payload)
        });
        stamped.collect()
    })
}

proptest! {
    #[test]
    fn what_goes_in_comes_out(entries in entries(), first in 1..u64::MAX / 2) {
        let stored = build(first, PREV, &entries);
        let again = Run::decode(stored.run.encoded().clone()).unwrap();
        prop_assert_eq!(&again, &stored.run);
        let out: Vec<_> = again.entries().map(|e| (e.stamp, e.payload)).collect();
        prop_assert_eq!(out, entries.clone());
        prop_assert_eq!(again.last_stamp(), entries.last().unwrap().0);
    }

    #[test]
    fn a_cut_keeps_the_end_and_joins_back(entries in entries(), at in 0..100_usize) {
        let stored = build(1, PREV, &entries);
        let from = 1 + (at % entries.len()) as Seq;
        let tail = stored.cut_front(from).unwrap();
        prop_assert_eq!(tail.run.verify(tail.prev), stored.run.verify(PREV));
        prop_assert_eq!(tail.run.check(), stored.run.check());
        if from > 1 {
            let head = build(1, PREV, &entries[..(from - 1) as usize]);
            prop_assert_eq!(StoredRun::join(&[head, tail]), Some(stored));
        }
    }

    #[test]
    fn joining_gives_what_a_builder_makes(
        entries in entries(),
        uniform in any::<bool>(),
        cuts in proptest::collection::vec(1..20_usize, 1..100),
    ) {
        let alike = |(stamp, _)| (stamp, Payload::Present(Bytes::from_static(b"as long as all")));
        let entries: Vec<_> = if uniform { entries.into_iter().map(alike).collect() } else { entries };
        let mut cuts = cuts.into_iter().cycle();
        let (mut parts, mut rest, mut prev, mut first) = (Vec::new(), &entries[..], PREV, 1);
        while !rest.is_empty() {
            let (few, after) = rest.split_at(rest.len().min(cuts.next().unwrap()));
            let count = few.len() as Seq;
            let (part, end) = sealed(first, prev, few);
            parts.push(part);
            (rest, prev, first) = (after, end, first + count);
        }
        let (whole, end) = sealed(1, PREV, &entries);
        let joined = StoredRun::join(&parts).expect("neighbours");
        prop_assert_eq!(joined.run.encoded(), whole.run.encoded());
        prop_assert_eq!(joined.run.verify(joined.prev), Ok(end));
    }

    #[test]
    fn no_bytes_make_decoding_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Run::decode(bytes.into());
    }

    #[test]
    fn damaged_runs_never_verify(entries in entries(), at in any::<usize>(), bit in 0..8_u32) {
        let stored = build(1, PREV, &entries);
        let mut bytes = stored.run.encoded().to_vec();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        if let Ok(run) = Run::decode(bytes.into()) {
            let whole = run.log() == LOG && run.first() == 1 && run.seal().is_none();
            prop_assert!(!whole || run.verify(PREV).is_err());
        }
    }
}

#[test]
fn payloads_are_slices_of_the_encoding() {
    let stored = build(1, PREV, &[(Stamp::new(5, 0), Payload::Present(Bytes::from_static(b"hello")))]);
    let frame = stored.run.encoded().clone();
    let run = Run::decode(frame.clone()).unwrap();
    let entry = run.entry(1).unwrap();
    let payload = entry.payload.bytes().unwrap();
    assert!(frame.as_ptr_range().contains(&payload.as_ptr()));
}

#[test]
fn golden_bytes_of_a_run() {
    let entries = [
        (Stamp::new(1_700_000_000_000, 0), Payload::Present(Bytes::from_static(b"a"))),
        (Stamp::new(1_700_000_000_000, 1), Payload::Hollow { hash: PayloadHash([3; 32]), len: 70 }),
        (Stamp::new(1_700_000_000_250, 2), Payload::Present(Bytes::new())),
    ];
    let stored = build(4, PREV, &entries);
    assert_eq!(hex(stored.run.encoded()), include_str!("golden_run.hex").trim());
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn only_neighbours_of_one_chain_are_joined() {
    let entry = |n: u64| (Stamp::from_bits(n), Payload::Present(Bytes::from_static(b"x")));
    let first = build(1, PREV, &[entry(1), entry(2)]);
    let end = first.hash_at(2).unwrap();
    let next = build(3, end, &[entry(3)]);
    let join = |runs: &[&StoredRun]| StoredRun::join(runs);
    assert_eq!(join(&[&first]), Some(first.clone()));
    assert!(join(&[&first, &next]).is_some());
    assert_eq!(join(&[]), None);
    assert_eq!(join(&[&next, &first]), None, "order");
    assert_eq!(join(&[&first, &build(4, end, &[entry(3)])]), None, "a hole");
    assert_eq!(join(&[&first, &build(3, PREV, &[entry(3)])]), None, "another chain");
    assert_eq!(join(&[&first, &build(3, end, &[entry(2)])]), None, "a stamp that is not later");
    let mut builder = RunBuilder::new(LogId([8; 16]), 3, end);
    builder.push(Stamp::from_bits(3), &entry(3).1).unwrap();
    let stranger = StoredRun { prev: end, run: builder.finish(None).unwrap().0 };
    assert_eq!(join(&[&first, &stranger]), None, "another log");
    let heavy = |n: Seq| (Stamp::from_bits(n), Payload::Present(vec![0; MAX_RUN_BYTES / 2].into()));
    let half = build(3, end, &[heavy(3)]);
    let other = build(4, half.hash_at(3).unwrap(), &[heavy(4)]);
    assert_eq!(join(&[&half, &other]), None, "too many bytes");
    let long = (1..=MAX_RUN_ENTRIES).map(entry).collect::<Vec<_>>();
    let long = build(1, PREV, &long);
    let one = build(257, long.hash_at(256).unwrap(), &[entry(257)]);
    assert_eq!(join(&[&long, &one]), None, "too many entries");
}

#[test]
fn bounds_of_a_run_hold() {
    let mut builder = RunBuilder::new(LOG, 1, PREV);
    let small = Payload::Present(Bytes::from_static(b"x"));
    for n in 0..MAX_RUN_ENTRIES {
        assert!(builder.push(Stamp::from_bits(n + 1), &small).is_some());
    }
    assert!(builder.push(Stamp::MAX, &small).is_none(), "257th entry");

    let mut builder = RunBuilder::new(LOG, 1, PREV);
    let large = Payload::Present(vec![1; 2 * MAX_RUN_BYTES].into());
    assert!(builder.push(Stamp::new(1, 0), &large).is_some(), "a large entry is a run alone");
    assert!(builder.push(Stamp::new(2, 0), &small).is_none());
    assert!(builder.finish(None).is_some());
}

/// A hash takes more room than a payload that is shorter, and lengths that differ more than equal ones.
#[test]
fn every_run_that_can_be_stored_can_be_hollowed() {
    let short = Payload::Present(Bytes::from_static(b"x"));
    let mixed = |at: u64| vec![7_u8; if at.is_multiple_of(64) { 15_000 } else { 1 }];
    let equal = |_| vec![7_u8; 253];
    for payload in [&mixed as &dyn Fn(u64) -> Vec<u8>, &equal] {
        let mut builder = RunBuilder::new(LOG, 1, PREV);
        for at in 0..MAX_RUN_ENTRIES {
            builder.push_whatever(Stamp::from_bits(at + 1), &Payload::Present(payload(at).into())).unwrap();
        }
        let (run, end) = builder.finish(None).expect("as tight as a run may be");
        let stored = StoredRun { prev: PREV, run };
        for step in [1, 2] {
            let some = |entry: &RunEntry| entry.payload.len() < 300 && entry.sequence.is_multiple_of(step);
            let hollow = stored.hollowed(some).expect("an erasure that can be done");
            assert_eq!(hollow.run.verify(PREV), Ok(end));
            let read = Run::decode(hollow.run.encoded().clone()).unwrap();
            let left = read.entries().filter(|entry| some(entry) && entry.payload.bytes().is_some());
            assert_eq!(left.count(), 0);
            let cut = hollow.cut_front(2).expect("it can be pruned");
            assert_eq!(cut.run.verify(cut.prev), Ok(end));
        }
    }
    // Other runs keep the bound.
    let mut builder = RunBuilder::new(LOG, 1, PREV);
    builder.push_whatever(Stamp::from_bits(1), &short).unwrap();
    builder.push_whatever(Stamp::from_bits(2), &Payload::Present(vec![7; MAX_RUN_BYTES].into())).unwrap();
    assert!(builder.finish(None).is_none());
}
