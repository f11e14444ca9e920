//! The laws of a store: one named test for each clause of the contract.
//!
//! ```text
//! struct Mine(tempfile::TempDir);
//! impl StoreHarness for Mine {
//!     const DURABLE: bool = true;
//!     fn create() -> Self { Self(tempfile::tempdir().unwrap()) }
//!     async fn open(&self) -> Arc<dyn Store> { Arc::new(MyStore::open(self.0.path()).unwrap()) }
//! }
//! gossip_testkit::store_conformance!(Mine);
//! ```
#![allow(clippy::unwrap_used, reason = "a law that cannot go on has failed")]

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use gossip_core::Store;

pub mod adopt;
pub mod arrivals;
pub mod commit;
pub mod concurrency;
mod expect;
pub mod heads;
pub mod model;
pub mod node;
pub mod prune;
pub mod read;
pub mod records;
pub mod remove;
pub mod replace;

/// A place for one store under test: its guard is dropped after the law.
pub trait StoreHarness: Sized + Send + Sync + 'static {
    /// Whether what was committed survives the end of the process. Laws about reopening hold
    /// within one process for every store; this only says what `Store::durability` may promise.
    const DURABLE: bool;

    /// A fresh place.
    fn create() -> Self;

    /// Opens the store of this place: empty the first time, later with what was kept. The store
    /// opened before was dropped.
    fn open(&self) -> impl Future<Output = Arc<dyn Store>> + Send;
}

/// Longest time one law may take: a store that hangs is a failure.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs one law in a fresh place, on a runtime of its own with two threads.
///
/// # Panics
/// When the law does not hold, or takes too long.
pub fn run<H: StoreHarness, F: Future<Output = ()>>(law: impl FnOnce(H) -> F) {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).enable_all().build().expect("a runtime");
    let law = Box::pin(law(H::create()));
    let done = runtime.block_on(async { tokio::time::timeout(PATIENCE, law).await });
    done.expect("the store hangs");
}

/// Tests a store against the contract: one named test for each law. Takes a type that
/// implements [`StoreHarness`](crate::store::StoreHarness).
#[macro_export]
macro_rules! store_conformance {
    ($harness:ty) => {
        $crate::store_laws! { $harness:
            commit {
                reads_back_byte_for_byte, a_run_must_follow_the_height, a_run_must_continue_the_chain,
                an_overlap_is_refused, one_bad_item_refuses_the_batch, later_items_see_earlier_ones,
                a_repeated_batch_changes_nothing, other_entries_at_known_sequences_are_refused,
                a_run_of_another_log_is_refused, an_empty_batch_carries_the_clock,
            }
            adopt {
                an_empty_log_takes_the_floor, a_log_with_entries_takes_a_gap, adjoining_gaps_are_one,
                at_or_below_the_height_nothing_happens, a_fully_pruned_log_takes_the_floor,
                a_prune_passes_gaps,
            }
            read {
                starts_with_the_run_that_holds_the_place, budget_is_kept_but_one_run_comes,
                a_large_entry_comes_back, nothing_there_is_empty, seeks_by_stamp,
            }
            arrivals {
                numbers_are_consecutive_in_batch_order, each_scope_sees_its_own_in_order,
                a_page_begins_in_the_middle_of_a_row, pages_join_to_the_whole, the_end_is_told,
            }
            heads {
                tell_height_hash_and_stamp, come_in_pages_in_order, follow_the_scope,
                tricky_ids_stay_apart, hashes_are_known_where_entries_are_held,
                other_hashes_are_refused, usage_counts_what_is_held,
            }
            replace {
                joins_runs_and_keeps_arrivals, refuses_another_chain, refuses_a_range_that_cuts_runs,
                takes_hollow_payloads,
            }
            prune {
                keeps_height_and_hash, drops_whole_runs, cuts_a_run_across_the_floor,
                keeps_arrival_rows, is_idempotent, stops_at_the_height, goes_on_after,
                repeated_batches_below_the_floor_are_known,
                a_run_of_the_full_size_is_cut,
            }
            remove {
                takes_away_exactly_the_scope, never_reuses_arrival_numbers, forgets_arrival_rows,
                a_removed_log_may_come_back,
            }
            records {
                channels_come_and_go, streams_belong_to_their_channel, peers_come_and_go,
                snapshots_come_and_go, listings_come_in_pages,
            }
            node {
                a_new_store_knows_no_node, the_clock_is_the_newest_of_save_and_commit,
                incarnation_stays_and_differs, the_open_mark_tells_an_unclean_end,
                everything_survives_reopening, durability_is_honest,
            }
            concurrency {
                readers_see_a_prefix, writers_of_different_logs_all_land,
                a_dropped_commit_is_whole_or_absent,
            }
            model { random_histories_match_a_simple_model }
        }
    };
}

/// One module for each group, one test for each law.
#[doc(hidden)]
#[macro_export]
macro_rules! store_laws {
    ($harness:ty: $($group:ident { $($law:ident),* $(,)? })*) => {
        $(mod $group {
            #[allow(unused_imports)]
            use super::*;
            $(#[test]
            fn $law() {
                $crate::store::run($crate::store::$group::$law::<$harness>);
            })*
        })*
    };
}
