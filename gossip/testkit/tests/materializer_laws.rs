//! Each materializer law catches the mistake it is there for.

use std::sync::atomic::{AtomicU64, Ordering};

use gossip_core::{FoldError, FoldOrder, StateMaterializer};
use gossip_proto::{LogEntry, Rng};
use gossip_testkit::materializer::{Subject, laws};

/// A materializer with `Any` order whose step is the given function.
struct Wrong(fn(&mut Vec<u8>, &LogEntry) -> Result<(), FoldError>);

impl StateMaterializer for Wrong {
    type State = Vec<u8>;
    const ORDER: FoldOrder = FoldOrder::Any;

    fn initial(&self) -> Vec<u8> {
        Vec::new()
    }

    fn fold(&self, state: &mut Vec<u8>, entry: &LogEntry) -> Result<(), FoldError> {
        (self.0)(state, entry)
    }
}

fn subject(fold: fn(&mut Vec<u8>, &LogEntry) -> Result<(), FoldError>) -> Subject<Wrong> {
    Subject { materializer: Wrong(fold), payload: |rng: &mut Rng| vec![rng.next_u64() as u8; 3].into() }
}

#[test]
#[should_panic(expected = "in the order")]
fn order_that_matters_is_caught() {
    laws::any_order_gives_the_same_state(&subject(|state, entry| {
        state.extend(entry.payload());
        Ok(())
    }));
}

#[test]
#[should_panic(expected = "failed with half way")]
fn a_half_done_fold_is_caught() {
    laws::a_failing_fold_leaves_the_state(&subject(|state, _| {
        state.push(0);
        Err(FoldError("half way".into()))
    }));
}

#[test]
#[should_panic(expected = "no history changed")]
fn refusing_everything_is_caught() {
    laws::valid_payloads_change_the_state(&subject(|_, _| Err(FoldError("never".into()))));
}

#[test]
#[should_panic(expected = "seed 0")]
fn hidden_state_is_caught() {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    laws::folding_is_deterministic(&subject(|state, _| {
        state.push(CALLS.fetch_add(1, Ordering::Relaxed) as u8);
        Ok(())
    }));
}

#[test]
#[should_panic(expected = "index out of bounds")]
fn trust_in_foreign_bytes_is_caught() {
    laws::garbage_never_panics(&subject(|state, entry| {
        state.push(entry.payload()[2]);
        Ok(())
    }));
}

/// State behind an `Arc` that all clones share.
struct Shared;

impl StateMaterializer for Shared {
    type State = SharedState;

    fn initial(&self) -> SharedState {
        SharedState::default()
    }

    fn fold(&self, state: &mut SharedState, _: &LogEntry) -> Result<(), FoldError> {
        state.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

#[derive(Debug, Clone, Default)]
struct SharedState(std::sync::Arc<AtomicU64>);

impl PartialEq for SharedState {
    fn eq(&self, other: &Self) -> bool {
        self.0.load(Ordering::Relaxed) == other.0.load(Ordering::Relaxed)
    }
}

#[test]
#[should_panic(expected = "the original changed")]
fn shared_state_is_caught() {
    laws::clones_are_independent(&Subject { materializer: Shared, payload: |_| "x".into() });
}
