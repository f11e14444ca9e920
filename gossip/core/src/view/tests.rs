//! `Any` and `Total` against a plain fold over everything, sorted.

use std::sync::Arc;

use gossip_proto::{
    ChainHash, ChannelId, Epoch, LogEntry, LogHead, LogName, NodeId, Payload, PayloadHash, RunEntry, Stamp,
    StreamId, WallMs,
};
use proptest::prelude::*;

use super::any::Any;
use super::total::Total;
use crate::{FoldError, FoldOrder, StateMaterializer};

/// Keeps the payloads in the order folded; refuses empty ones.
struct Order;

impl StateMaterializer for Order {
    type State = Vec<u8>;

    fn initial(&self) -> Vec<u8> {
        Vec::new()
    }

    fn fold(&self, state: &mut Vec<u8>, entry: &LogEntry) -> Result<(), FoldError> {
        state.push(*entry.payload().first().ok_or_else(|| FoldError("empty".into()))?);
        Ok(())
    }
}

/// Adds the payloads up.
struct Sum;

impl StateMaterializer for Sum {
    type State = u64;
    const ORDER: FoldOrder = FoldOrder::Any;

    fn initial(&self) -> u64 {
        0
    }

    fn fold(&self, state: &mut u64, entry: &LogEntry) -> Result<(), FoldError> {
        *state += u64::from(*entry.payload().first().ok_or_else(|| FoldError("empty".into()))?);
        Ok(())
    }
}

fn name(author: u8) -> Arc<LogName> {
    Arc::new(LogName {
        channel: ChannelId::new("c").unwrap(),
        stream: StreamId::new("s").unwrap(),
        author: NodeId::new(format!("author-{author}")).unwrap(),
        epoch: Epoch::new(1, u64::from(author)),
        branch: None,
    })
}

fn entry(author: u8, sequence: u64, millis: u64, payload: &[u8]) -> LogEntry {
    let name = name(author);
    let payload = match payload {
        [0] => Payload::Hollow { hash: PayloadHash::of(payload), len: 1 },
        bytes => Payload::Present(bytes.to_vec().into()),
    };
    let id = name.id();
    LogEntry::new(name, id, RunEntry { sequence, stamp: Stamp::new(millis, 0), payload })
}

/// Logs of a few authors with random stamps, and the order their entries arrive in.
fn histories() -> impl Strategy<Value = (Vec<LogEntry>, Vec<usize>)> {
    let step = (1_u64..40, 0_u8..20);
    let logs = proptest::collection::vec(proptest::collection::vec(step, 0..40), 1..5);
    let batches = proptest::collection::vec(1_usize..9, 1..200);
    (logs, any::<u64>(), batches).prop_map(|(logs, seed, batches)| {
        let mut rng = gossip_proto::Rng::new(seed);
        let mut queues: Vec<_> = Vec::new();
        for (author, steps) in logs.iter().enumerate() {
            let mut millis = 0;
            let entries = steps.iter().zip(1..).map(|((step, payload), sequence)| {
                millis += step;
                let payload: &[u8] = if *payload == 19 { &[] } else { &[*payload] };
                entry(author as u8, sequence, millis, payload)
            });
            queues.push(entries.collect::<std::collections::VecDeque<_>>());
        }
        let mut arrivals = Vec::new();
        while queues.iter().any(|queue| !queue.is_empty()) {
            // Long stretches of one author: what was written offline arrives in one go.
            let from = rng.below(queues.len() as u64) as usize;
            for _ in 0..=rng.below(12) {
                arrivals.extend(queues[from].pop_front());
            }
        }
        (arrivals, batches)
    })
}

fn sorted(entries: &[LogEntry]) -> Vec<LogEntry> {
    let mut entries = entries.to_vec();
    entries.sort_by_key(LogEntry::key);
    entries
}

/// What a plain fold over the sorted entries gives, and how many it skips.
fn plain<M: StateMaterializer>(rules: &M, entries: &[LogEntry]) -> (M::State, u64) {
    let (mut state, mut skipped) = (rules.initial(), 0);
    for entry in sorted(entries) {
        if entry.bytes().is_none() || rules.fold(&mut state, &entry).is_err() {
            skipped += 1;
        }
    }
    (state, skipped)
}

/// What the task does when a view is behind; returns how many entries were folded again.
fn repair<M: StateMaterializer>(
    total: &mut Total<M>,
    stored: &[LogEntry],
    heads: &[LogHead],
    future: Stamp,
) -> usize {
    if !total.is_behind() || !total.rewind(heads) {
        return 0;
    }
    let after = total.head.key.clone();
    let again: Vec<_> = sorted(stored).into_iter().filter(|entry| Some(entry.key()) > after).collect();
    let reachable = total.reachable(&heads_of(stored));
    total.begin();
    for entry in &again {
        let head = reachable.iter().find(|head| head.name.id() == entry.id().log);
        if head.is_some_and(|head| entry.sequence() <= head.height) {
            total.fold(entry, future);
        }
    }
    total.caught_up();
    again.len()
}

fn heads_of(stored: &[LogEntry]) -> Vec<LogHead> {
    let logs: std::collections::BTreeSet<_> = stored.iter().map(LogEntry::log).collect();
    let height =
        |log: &LogName| stored.iter().filter(|entry| entry.log() == log).map(LogEntry::sequence).max();
    logs.into_iter()
        .map(|log| LogHead { height: height(log).unwrap_or(0), ..LogHead::empty(log.clone()) })
        .collect()
}

fn batches<'a>(arrivals: &'a [LogEntry], sizes: &'a [usize]) -> impl Iterator<Item = &'a [LogEntry]> {
    let mut rest = arrivals;
    sizes.iter().cycle().map_while(move |size| {
        let (batch, after) = rest.split_at((*size).min(rest.len()));
        rest = after;
        (!batch.is_empty()).then_some(batch)
    })
}

proptest! {
    #[test]
    fn total_is_the_fold_of_the_sorted_entries_after_every_batch(
        (arrivals, sizes) in histories(),
        drift in 0_u64..2000,
        lead in 0_usize..20,
    ) {
        let future = Stamp::new(WallMs(drift).0, u16::MAX);
        let mut total = Total::new(Order);
        let mut taken = 0;
        for batch in batches(&arrivals, &sizes) {
            taken += batch.len();
            total.take(batch, future);
            // The store may be ahead of the arrivals the view has read.
            let stored = &arrivals[..(taken + lead).min(arrivals.len())];
            repair(&mut total, stored, &[], future);
            total.take(batch, future);
            prop_assert!(!total.is_behind(), "what was taken is not taken again");
            let (state, skipped) = plain(&Order, &arrivals[..taken]);
            prop_assert_eq!(&*total.head.state, &state);
            prop_assert_eq!(total.report().skipped, skipped);
            prop_assert_eq!(total.report().folded + skipped, taken as u64);
        }
        prop_assert!(!total.report().partial);
    }

    #[test]
    fn any_is_the_same_fold_and_counts_nothing_twice((arrivals, sizes) in histories()) {
        let mut any = Any::new(Sum);
        for batch in batches(&arrivals, &sizes) {
            any.take(batch);
            any.take(batch);
        }
        let (state, skipped) = plain(&Sum, &arrivals);
        prop_assert_eq!((*any.head.state, any.report().skipped), (state, skipped));
    }
}

#[test]
fn a_late_entry_costs_about_its_distance() {
    let mut total = Total::new(Order);
    let mut stored = Vec::new();
    for n in 1..=5000 {
        stored.push(entry(1, n, n * 10, &[1]));
        total.take(&stored[stored.len() - 1..], Stamp::MAX);
    }
    for (sequence, distance) in [(1, 3000_u64), (2, 100), (3, 5)] {
        stored.push(entry(2, sequence, (5000 - distance) * 10 + 5, &[2]));
        total.take(&stored[stored.len() - 1..], Stamp::MAX);
        let again = repair(&mut total, &stored, &[], Stamp::MAX) as u64;
        assert!(again <= 4 * distance + 4, "{distance} back: {again} entries folded again");
        assert_eq!(*total.head.state, plain(&Order, &stored).0);
    }
}

#[test]
fn entries_from_the_future_cost_only_themselves() {
    let future = Stamp::new(100_000, u16::MAX);
    let mut total = Total::new(Order);
    let mut stored: Vec<_> = (1..=3).map(|n| entry(9, n, 900_000 + n, &[9])).collect();
    for n in 1..=1000 {
        stored.push(entry(1, n, n * 10, &[1]));
    }
    total.take(&stored[..1003], future);
    for n in 1001..=1100 {
        stored.push(entry(1, n, n * 10, &[2]));
        total.take(&stored[stored.len() - 1..], future);
        let again = repair(&mut total, &stored, &[], future);
        assert!(again <= 4, "entry {n}: {again} folded again");
    }
    assert_eq!(*total.head.state, plain(&Order, &stored).0);
}

#[test]
fn what_belongs_into_pruned_history_is_left_out_and_reported() {
    let mut total = Total::new(Order);
    let mut stored: Vec<_> = (1..=100).map(|n| entry(1, n, n * 10, &[1])).collect();
    for batch in stored.chunks(10) {
        total.take(batch, Stamp::MAX);
    }
    let pruned =
        LogHead { height: 100, floor: 50, hash: ChainHash([0; 32]), ..LogHead::empty((*name(1)).clone()) };
    stored.drain(..50);
    let late = [entry(2, 1, 105, &[2]), entry(2, 2, 955, &[3])];
    stored.extend(late.clone());
    total.take(&late, Stamp::MAX);
    repair(&mut total, &stored, std::slice::from_ref(&pruned), Stamp::MAX);
    let mut expected = vec![1; 95];
    expected.push(3);
    expected.extend([1; 5]);
    assert_eq!(*total.head.state, expected);
    assert_eq!((total.report().late, total.report().partial), (1, true));
}

#[test]
fn a_view_that_begins_above_a_floor_still_goes_back() {
    let mut total = Total::new(Order);
    let head = LogHead { height: 100, floor: 50, ..LogHead::empty((*name(1)).clone()) };
    let mut stored: Vec<_> = (51..=100).map(|n| entry(1, n, n * 10, &[1])).collect();
    total.take(&stored, Stamp::MAX);
    stored.push(entry(2, 1, 755, &[2]));
    total.take(&stored[50..], Stamp::MAX);
    repair(&mut total, &stored, &[head], Stamp::MAX);
    assert_eq!(total.report().late, 0);
    assert_eq!(total.head.state[25], 2);
    assert_eq!(total.head.state.len(), 51);
}
