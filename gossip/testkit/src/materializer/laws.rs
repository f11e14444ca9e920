//! The laws, one function each.

use std::fmt::Debug;

use gossip_core::{FoldOrder, StateMaterializer};
use gossip_proto::{LogEntry, Payload, Rng, RunEntry};
use std::sync::Arc;

use super::history::garbage;
use super::{SEEDS, Subject};

/// Orders tried for each history.
const SHUFFLES: usize = 8;

/// Every call of `initial` gives the same state.
pub fn initial_state_is_constant<M>(subject: &Subject<M>)
where
    M: StateMaterializer<State: PartialEq + Debug>,
{
    assert_eq!(subject.materializer.initial(), subject.materializer.initial());
}

/// The same entries in the same order give the same state and the same verdicts.
pub fn folding_is_deterministic<M>(subject: &Subject<M>)
where
    M: StateMaterializer<State: PartialEq + Debug>,
{
    for history in subject.histories() {
        let first = fold(&subject.materializer, &history.entries);
        let second = fold(&subject.materializer, &history.entries);
        assert_eq!(first, second, "seed {}", history.seed);
    }
}

/// What the payload function draws is accepted and does something; without this the other laws
/// would hold for a materializer that refuses everything.
pub fn valid_payloads_change_the_state<M>(subject: &Subject<M>)
where
    M: StateMaterializer<State: PartialEq + Debug>,
{
    let initial = subject.materializer.initial();
    let changed = subject.histories().any(|history| {
        let (state, verdicts) = fold(&subject.materializer, &history.entries);
        verdicts.iter().filter(|verdict| verdict.is_ok()).count() * 2 > verdicts.len() && state != initial
    });
    assert!(changed, "no history changed the state or most of its payloads were refused");
}

/// A fold that fails leaves the state as it was.
pub fn a_failing_fold_leaves_the_state<M>(subject: &Subject<M>)
where
    M: StateMaterializer<State: PartialEq + Debug>,
{
    for history in subject.histories() {
        let mut state = subject.materializer.initial();
        for entry in &history.entries {
            let before = state.clone();
            if let Err(error) = subject.materializer.fold(&mut state, entry) {
                assert_eq!(state, before, "seed {}: {} failed with {error}", history.seed, entry.id());
            }
        }
    }
}

/// Folding into a clone leaves the original alone, and a clone taken halfway (a checkpoint) leads
/// to the same end.
pub fn clones_are_independent<M>(subject: &Subject<M>)
where
    M: StateMaterializer<State: PartialEq + Debug>,
{
    let rules = &subject.materializer;
    for history in subject.histories() {
        let (early, late) = history.entries.split_at(history.entries.len() / 2);
        let (checkpoint, _) = fold(rules, early);
        let mut resumed = checkpoint.clone();
        fold_into(rules, &mut resumed, late);
        assert_eq!(checkpoint, fold(rules, early).0, "seed {}: the original changed", history.seed);
        assert_eq!(resumed, fold(rules, &history.entries).0, "seed {}", history.seed);
    }
}

/// With [`FoldOrder::Any`] every order that keeps each log's own gives the same state and
/// refuses the same entries. With [`FoldOrder::Total`] nothing is asked: the view sorts.
pub fn any_order_gives_the_same_state<M>(subject: &Subject<M>)
where
    M: StateMaterializer<State: PartialEq + Debug>,
{
    if M::ORDER == FoldOrder::Total {
        return;
    }
    for mut history in subject.histories() {
        let (expected, verdicts) = fold(&subject.materializer, &history.entries);
        for _ in 0..SHUFFLES {
            let order = history.shuffled();
            let (state, other) = fold(&subject.materializer, &order);
            assert_eq!(state, expected, "seed {} in the order {:?}", history.seed, ids(&order));
            assert_eq!(refused(&order, &other), refused(&history.entries, &verdicts));
        }
    }
}

/// Garbage is refused or taken, but never panics; hostile nesting and lengths included.
pub fn garbage_never_panics<M>(subject: &Subject<M>)
where
    M: StateMaterializer<State: PartialEq + Debug>,
{
    let mut rng = Rng::new(0);
    for history in subject.histories().take(SEEDS as usize / 4) {
        let mut state = subject.materializer.initial();
        for entry in &history.entries {
            let bytes = Payload::Present(garbage(&mut rng, subject.payload));
            let spoilt = RunEntry { sequence: entry.sequence(), stamp: entry.stamp(), payload: bytes };
            let spoilt = LogEntry::new(Arc::new(entry.log().clone()), entry.id().log, spoilt);
            let _verdict = subject.materializer.fold(&mut state, &spoilt);
        }
    }
}

type Verdict = Result<(), gossip_core::FoldError>;

fn fold<M: StateMaterializer>(rules: &M, entries: &[LogEntry]) -> (M::State, Vec<Verdict>) {
    let mut state = rules.initial();
    let verdicts = fold_into(rules, &mut state, entries);
    (state, verdicts)
}

fn fold_into<M: StateMaterializer>(rules: &M, state: &mut M::State, entries: &[LogEntry]) -> Vec<Verdict> {
    entries.iter().map(|entry| rules.fold(state, entry)).collect()
}

fn ids(entries: &[LogEntry]) -> Vec<String> {
    entries.iter().map(|entry| entry.id().to_string()).collect()
}

fn refused(entries: &[LogEntry], verdicts: &[Verdict]) -> Vec<String> {
    let pairs = entries.iter().zip(verdicts);
    let mut ids: Vec<_> = pairs.filter(|(_, v)| v.is_err()).map(|(e, _)| e.id().to_string()).collect();
    ids.sort_unstable();
    ids
}
