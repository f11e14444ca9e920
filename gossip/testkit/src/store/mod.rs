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
//!
//! | module | laws of |
//! |---|---|
//! | `commit`, `adopt`, `fill` | what is taken, refused and numbered |
//! | `read`, `arrivals`, `heads`, `paging` | what is given back, in which pieces |
//! | `replace`, `turn`, `prune`, `remove`, `isolate` | how it changes afterwards |
//! | `damage`, `faults` | what happens when the disk fails; need abilities of the [`StoreHarness`] |
//! | `records`, `node` | what is kept beside the entries |
//! | `concurrency`, `model` | all of it at once, and in random order |
//! | `opening` | opening one in a directory: a suite of its own, `store_opening!` |
#![allow(clippy::unwrap_used, reason = "a law that cannot go on has failed")]

pub mod adopt;
pub mod arrivals;
pub mod commit;
pub mod concurrency;
pub mod damage;
mod expect;
pub mod faults;
pub mod fill;
mod harness;
pub mod heads;
pub mod isolate;
pub mod model;
pub mod node;
pub mod opening;
pub mod paging;
pub mod prune;
pub mod read;
pub mod records;
pub mod remove;
pub mod replace;
pub mod turn;

pub use self::harness::{Cannot, FaultSwitch, Moment, StoreHarness, Verdict, run};

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
                a_batch_over_many_logs_is_one, hollow_entries_are_entries,
                statistics_count_what_was_committed,
            }
            adopt {
                an_empty_log_takes_the_floor, a_log_with_entries_takes_a_gap, adjoining_gaps_are_one,
                at_or_below_the_height_nothing_happens, a_fully_pruned_log_takes_the_floor,
                a_prune_passes_gaps,
            }
            fill {
                a_gap_is_filled_from_its_upper_end, one_batch_fills_in_several_runs, a_floor_is_lowered,
                a_pruned_range_comes_back_without_arriving_again, only_what_never_arrived_is_numbered,
                another_chain_is_refused, another_place_is_refused, a_refused_batch_fills_nothing,
                what_is_held_is_skipped, half_a_fill_survives_reopening, a_filled_log_is_like_any_other,
            }
            read {
                starts_with_the_run_that_holds_the_place, budget_is_kept_but_one_run_comes,
                a_large_entry_comes_back, nothing_there_is_empty, seeks_by_stamp,
                what_is_missing_is_stepped_over, seeks_over_gaps,
            }
            arrivals {
                numbers_are_consecutive_in_batch_order, each_scope_sees_its_own_in_order,
                a_page_begins_in_the_middle_of_a_row, pages_join_to_the_whole, the_end_is_told,
                a_long_row_comes_whole_or_in_parts,
            }
            heads {
                tell_height_hash_and_stamp, keep_the_newest_seal, come_in_pages_in_order, follow_the_scope,
                tricky_ids_stay_apart, hashes_are_known_where_entries_are_held,
                other_hashes_are_refused, usage_counts_what_is_held,
            }
            paging {
                heads_take_any_limit, records_take_any_limit, reads_take_any_budget,
                arrivals_end_at_the_newest,
            }
            replace {
                joins_runs_and_keeps_arrivals, refuses_another_chain, refuses_to_cut_runs,
                takes_runs_of_several_logs, puts_all_runs_in_place_or_none,
                takes_hollow_payloads, hollow_payloads_may_be_filled, is_idempotent,
                refuses_what_is_not_held,
            }
            turn {
                the_log_ends_before_it, a_run_across_it_is_cut, is_idempotent, survives_reopening,
                nothing_goes_beyond_it, a_log_below_it_grows_up_to_it, an_unknown_log_begins_with_it, it_may_come_earlier_not_later,
                a_prune_leaves_it, gaps_above_it_go, what_is_not_of_the_chain_is_refused,
                what_is_not_known_is_taken_as_told, the_branch_is_a_log_like_any_other,
                is_removed_with_the_log,
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
                snapshot_keys_are_any_text, writes_are_idempotent,
            }
            node {
                a_new_store_knows_no_node, the_clock_is_the_newest_of_save_and_commit,
                incarnation_stays_and_differs, the_open_mark_tells_an_unclean_end,
                everything_survives_reopening, durability_is_honest, closing_keeps_everything,
                only_a_start_goes_on_with_a_closed_store,
            }
            concurrency {
                readers_see_a_prefix, writers_of_different_logs_all_land,
                a_dropped_commit_is_whole_or_absent, no_read_sees_a_torn_batch,
                readers_see_no_seam_of_an_edit,
            }
            isolate { what_is_sound_or_not_held_stays }
            damage {
                reads_stop_before_it, arrivals_tell_it_and_hide_nothing_else, isolating_makes_a_gap_of_it,
                a_fill_restores_it, the_gap_survives_reopening, the_ends_of_a_log_are_like_the_middle,
                damaged_neighbours_are_restored, damage_beside_a_gap_joins_it,
            }
            faults {
                before_a_commit, for_want_of_space, during_a_commit, while_making_it_durable,
                after_a_commit, many_times, other_writes_are_whole_too,
            }
            model { random_histories_match_a_simple_model, random_damage_matches_the_model_too }
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
                let name = concat!(stringify!($group), "::", stringify!($law));
                $crate::store::run(name, $crate::store::$group::$law::<$harness>);
            })*
        })*
    };
}
