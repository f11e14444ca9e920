//! What every materializer must obey: [`materializer_conformance!`](crate::materializer_conformance).
//!
//! One macro call writes one named test per law. A materializer gives itself and a function that
//! draws valid payloads; the kit adds garbage of its own.

mod history;
pub mod laws;

pub use self::history::History;

use bytes::Bytes;
use gossip_core::StateMaterializer;
use gossip_proto::Rng;

/// Histories each law is tried on.
pub const SEEDS: u64 = 64;

/// What the laws look at: the rules, and where valid payloads come from.
#[derive(Debug)]
pub struct Subject<M> {
    /// The rules under test.
    pub materializer: M,
    /// Draws one valid payload.
    pub payload: fn(&mut Rng) -> Bytes,
}

impl<M: StateMaterializer<State: PartialEq + std::fmt::Debug>> Subject<M> {
    /// One valid and half-random history per seed.
    pub(crate) fn histories(&self) -> impl Iterator<Item = History> + '_ {
        (0..SEEDS).map(|seed| History::draw(seed, self.payload))
    }
}

/// Writes the tests a materializer must pass, in a module of the given name.
///
/// ```
/// # use gossip_core::{FoldError, FoldOrder, StateMaterializer, proto::LogEntry};
/// struct Count;
///
/// impl StateMaterializer for Count {
///     type State = u64;
///     const ORDER: FoldOrder = FoldOrder::Any;
///     fn initial(&self) -> u64 { 0 }
///     fn fold(&self, state: &mut u64, _: &LogEntry) -> Result<(), FoldError> {
///         *state += 1;
///         Ok(())
///     }
/// }
///
/// gossip_testkit::materializer_conformance!(count, Count, |_| "any payload".into());
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! materializer_conformance {
    ($name:ident, $materializer:expr, $payload:expr) => {
        #[cfg(test)]
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            $crate::materializer_conformance!(@law initial_state_is_constant, $materializer, $payload);
            $crate::materializer_conformance!(@law folding_is_deterministic, $materializer, $payload);
            $crate::materializer_conformance!(@law valid_payloads_change_the_state, $materializer, $payload);
            $crate::materializer_conformance!(@law a_failing_fold_leaves_the_state, $materializer, $payload);
            $crate::materializer_conformance!(@law clones_are_independent, $materializer, $payload);
            $crate::materializer_conformance!(@law any_order_gives_the_same_state, $materializer, $payload);
            $crate::materializer_conformance!(@law garbage_never_panics, $materializer, $payload);
        }
    };
    (@law $law:ident, $materializer:expr, $payload:expr) => {
        #[test]
        fn $law() {
            $crate::materializer::laws::$law(&$crate::materializer::Subject {
                materializer: $materializer,
                payload: $payload,
            });
        }
    };
}
