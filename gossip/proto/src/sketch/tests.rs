//! What sketches are to do, with the numbers the protocol is built on.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{ChainHash, Rng, StreamId, digest::stream_key};

const SECRET: [u8; 32] = [7; 32];

fn log(number: u64) -> LogId {
    let mut id = [0; 16];
    id.copy_from_slice(&keyed(&SECRET, b"test", &[&number.to_le_bytes()])[..16]);
    LogId(id)
}

fn held(number: u64, height: u64, fork: u8) -> Option<Item> {
    let sum = Sum::of_log(&SECRET, log(number), height, &ChainHash([fork; 32]));
    Item::log(&SECRET, log(number), height, &sum)
}

fn item(number: u64, height: u64, fork: u8) -> Item {
    held(number, height, fork).unwrap()
}

fn sketch(kind: Kind, items: impl IntoIterator<Item = Item>) -> Sketch {
    let mut sketch = Sketch::new(kind);
    items.into_iter().for_each(|item| sketch.add(&item));
    sketch
}

fn difference(theirs: &Sketch, ours: &Sketch, upto: usize) -> Vec<Cell> {
    theirs.cells(0, upto).iter().zip(ours.cells(0, upto)).map(|(a, b)| a.less(*b)).collect()
}

/// Two replicas of which `k` logs differ in height, and what differs.
fn apart(seed: u64, k: u64) -> (Sketch, Sketch, BTreeMap<u64, i64>) {
    let mut random = Rng::new(seed);
    let (mut ours, mut theirs) = (Sketch::new(Kind::Heights), Sketch::new(Kind::Heights));
    let mut deltas = BTreeMap::new();
    for number in 0..k {
        let number = seed << 32 | number;
        let (a, b) = (random.below(1000), random.below(1_000_000) + 1000);
        if let Some(item) = held(number, a, 0) {
            ours.add(&item);
        }
        theirs.add(&item(number, b, 0));
        deltas.insert(log_x(&SECRET, log(number)), b as i64 - a as i64);
    }
    (ours, theirs, deltas)
}

fn decodes(seed: u64, k: u64, cells: usize) -> bool {
    let (ours, theirs, deltas) = apart(seed, k);
    let found = peel(&SECRET, difference(&theirs, &ours, cells));
    if let Some(found) = &found {
        let found: BTreeMap<u64, i64> = found.iter().map(|found| (found.x, found.delta)).collect();
        assert_eq!(found, deltas, "{k} differences, seed {seed}");
    }
    found.is_some()
}

/// Cells with which half, and nearly all, of the differences are found.
#[test]
fn as_many_cells_are_needed_as_the_protocol_reckons() {
    for (k, half, nearly_all, trials) in
        [(1, 1, 1, 50), (2, 3, 10, 100), (10, 16, 33, 100), (100, 145, 175, 50), (1000, 1386, 1476, 8)]
    {
        let done = |cells: usize| (0..trials).filter(|seed| decodes(*seed, k, cells)).count() as u64;
        assert!(done(half) * 3 >= trials, "{k}: {} of {trials} with {half} cells", done(half));
        assert!(done(nearly_all) * 100 >= trials * 97, "{k}: {} with {nearly_all} cells", done(nearly_all));
        assert!(done(cells_for(k)) * 100 >= trials * 98, "{k}: {}", done(cells_for(k)));
        assert!(k == 1 || done(k as usize / 2) == 0, "{k} cannot be told from half as many cells");
    }
}

#[test]
fn what_both_hold_costs_nothing() {
    let shared = || (0..3000).map(|number| item(number, number + 1, 0));
    let mut theirs = sketch(Kind::Heights, shared());
    let mut ours = sketch(Kind::Heights, shared());
    assert_eq!(peel(&SECRET, difference(&theirs, &ours, PROBE_CELLS)), Some(Vec::new()));
    theirs.remove(&item(5, 6, 0));
    theirs.add(&item(5, 60, 0));
    let found = peel(&SECRET, difference(&theirs, &ours, PROBE_CELLS)).unwrap();
    assert_eq!(found, [Found { x: log_x(&SECRET, log(5)), delta: 54 }]);
    assert_eq!(id40(found[0].x), log(5).0[..5]);
    ours.add(&item(9000, 7, 0));
    let found = peel(&SECRET, difference(&theirs, &ours, 16)).unwrap();
    assert!(found.contains(&Found { x: log_x(&SECRET, log(9000)), delta: -7 }), "{found:?}");
    assert_eq!((ours.logs(), theirs.logs()), (3001, 3000));
}

#[test]
fn forks_show_in_hashes_alone() {
    let of =
        |kind, fork| sketch(kind, (0..50).map(|number| item(number, 9, if number == 7 { fork } else { 0 })));
    let heights = difference(&of(Kind::Heights, 1), &of(Kind::Heights, 0), 4);
    assert_eq!(peel(&SECRET, heights), Some(Vec::new()));
    let hashes = peel(&SECRET, difference(&of(Kind::Hashes, 1), &of(Kind::Hashes, 0), 4)).unwrap();
    assert_eq!(hashes.iter().map(|found| found.x).collect::<Vec<_>>(), [log_x(&SECRET, log(7))]);
}

#[test]
fn streams_are_items_too() {
    let stream = StreamId::new("a").unwrap();
    let key = stream_key(&SECRET, &stream);
    let theirs = sketch(Kind::Heights, [Item::stream(&SECRET, key, &Sum::of_stream(&SECRET, &stream))]);
    let found = peel(&SECRET, difference(&theirs, &Sketch::new(Kind::Heights), 2)).unwrap();
    assert_eq!(found, [Found { x: stream_x(&SECRET, key), delta: 1 }]);
    assert_eq!(id40(found[0].x), key.0[..5]);
    assert_eq!(theirs.logs(), 0, "no log");
}

/// The middle of the estimates is right, and nearly all lie within two fifths.
#[test]
fn estimates_are_within_their_spread() {
    for k in [100_u64, 1000] {
        let estimate = |round: u64| {
            let numbers = || (0..k).map(|number| round << 32 | number);
            let ours = sketch(Kind::Heights, numbers().map(|number| item(number, 1, 0)));
            let theirs = sketch(Kind::Heights, numbers().map(|number| item(number, 2, 0)));
            changed(&ours.estimate(), &theirs.estimate())
        };
        let mut estimates: Vec<u64> = (0..40).map(estimate).collect();
        estimates.sort_unstable();
        let near = estimates.iter().filter(|estimate| estimate.abs_diff(k) * 10 <= k * 4).count();
        assert!(near >= 36, "{k}: {estimates:?}");
        assert!(estimates[20].abs_diff(k) * 10 <= k, "{k}: {estimates:?}");
    }
    let none = [0; COUNTERS];
    assert_eq!(changed(&none, &none), 0);
    assert_eq!(changed(&[i16::MIN; COUNTERS], &none), 1 << 29, "the most there can be");
}

#[test]
fn reckons_cells() {
    let table = [0, 1, 2, 10, 100, 118, 300, 1000, 1200, 1400].map(cells_for);
    assert_eq!(table, [4, 9, 12, 28, 179, 208, 491, 1549, 1848, 2147]);
    assert!(cells_for(u64::MAX) > MAX_CELLS);
}

/// The same on every machine and for ever: cells of one node are read by others.
#[test]
fn cells_are_what_they_always_were() {
    let sketch = sketch(Kind::Heights, (0..100).map(|number| item(number, number * number + 1, 3)));
    let hashes = self::sketch(Kind::Hashes, (0..100).map(|number| item(number, number + 1, 3)));
    let bytes = |sketch: &Sketch| {
        let cells = sketch.cells(0, MAX_CELLS).iter();
        let cells = cells.flat_map(|cell| [cell.s1.to_le_bytes().to_vec(), cell.s2.to_le_bytes().to_vec()]);
        blake3::hash(&cells.flatten().collect::<Vec<u8>>()).to_hex()[..16].to_string()
    };
    let golden = [(328_450, 1_518_793_168_744_064_635), (220_501, 40_124_480_500_441_889)];
    assert_eq!(sketch.cells(0, 2), golden.map(|(s1, s2)| Cell { s1, s2 }));
    assert_eq!([bytes(&sketch), bytes(&hashes)], ["c2553128e14dccb9", "d38fa427445e2958"]);
    assert_eq!(sketch.estimate()[..6], [-2, -6, 8, -8, 14, -10]);
    assert_eq!(
        [log_x(&SECRET, log(1)), stream_x(&SECRET, StreamKey([1; 8]))],
        [2_232_275_034_976_706_147, 9_042_521_606_558_609]
    );
    assert_eq!(id40(log_x(&SECRET, log(1))), log(1).0[..5]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever was added and removed in whatever order: the sketch of what is left.
    #[test]
    fn only_what_is_left_counts(moves in proptest::collection::vec((0..20_u64, 1..9_u64), 0..60)) {
        let mut heights = BTreeMap::new();
        let mut kept = Sketch::new(Kind::Hashes);
        for (number, height) in moves {
            if let Some(old) = heights.insert(number, height) {
                kept.remove(&item(number, old, 0));
            }
            kept.add(&item(number, height, 0));
        }
        let anew = sketch(Kind::Hashes, heights.iter().map(|(number, height)| item(*number, *height, 0)));
        prop_assert_eq!(kept, anew);
    }

    /// Noise decodes to nothing, or to what could be asked for; it never panics.
    #[test]
    fn noise_is_harmless(cells in proptest::collection::vec((any::<u32>(), any::<u64>()), 0..400)) {
        let cells: Vec<Cell> = cells.into_iter().map(|(s1, s2)| Cell { s1, s2 }.less(Cell::default())).collect();
        let some = cells.iter().any(|cell| *cell != Cell::default());
        prop_assert!(!some || peel(&SECRET, cells).is_none());
    }

    /// Cells made to be found again and again end with the work that was allowed.
    #[test]
    fn hostile_cells_end(seed in any::<u64>(), k in 1..60_u64) {
        let (ours, theirs, _) = apart(seed, k);
        let mut cells = difference(&theirs, &ours, 200);
        // Each cell alone says something else of the same items.
        for (at, cell) in cells.iter_mut().enumerate() {
            *cell = theirs.cells(0, 1)[0].less(if at % 2 == 0 { *cell } else { Cell::default() });
        }
        peel(&SECRET, cells);
    }
}
