//! The light tier of the simulator: some seeds in every `cargo test`, and seeds that once failed.

use gossip_testkit::sim::{Options, Outcome, Sealed, run};

fn pass(seed: u64) -> Outcome {
    let outcome = run(seed, Options::default());
    assert_eq!(outcome.violation, None, "seed {seed}: {}", outcome.setting);
    outcome
}

#[test]
fn some_seeds_converge_with_all_invariants() {
    for seed in 0..40 {
        pass(seed);
    }
}

/// Whoever signs and whoever does not, worlds converge.
#[test]
fn all_kinds_of_signing_converge() {
    for (seed, sealed) in [(101, Sealed::None), (102, Sealed::Mixed), (103, Sealed::All), (104, Sealed::All)]
    {
        let outcome = run(seed, Options { sealed: Some(sealed), ..Options::default() });
        assert_eq!(outcome.violation, None, "seed {seed}: {}", outcome.setting);
    }
}

/// What each of these once found is told in the history of `gossip/proto/src/node`.
#[test]
fn seeds_that_once_failed_pass() {
    let early = [63, 78, 81, 94, 108, 181, 252, 344, 377, 427, 489, 496, 506, 510];
    let of_members = [182, 816, 970, 1_663, 1_917];
    for seed in early.into_iter().chain(of_members).chain([1_401, 1_915, 4_932, 6_967, 7_852]) {
        pass(seed);
    }
}

/// A backup is restored and written to: the fork is told, and everything else goes on. (Those who
/// noticed used to compare again at once, for ever.)
#[test]
fn a_restored_backup_forks_and_the_rest_converges() {
    let forks = |outcome: Outcome| {
        let [restored, forks] = ["backup restored", "fork"].map(|name| outcome.coverage.count(name));
        restored > 0 && forks > 0
    };
    // Which of them do depends on who met whom in between.
    assert!([7, 484, 608].map(pass).into_iter().any(forks));
}

const LOUD: Options = Options { harsh: true, sealed: None, record: true };

#[test]
fn the_same_seed_gives_the_same_trace() {
    let [first, second] = [(); 2].map(|()| run(7, LOUD));
    assert!(!first.trace.is_empty());
    assert_eq!(first, second);
    assert_ne!(first.trace_hash, run(8, LOUD).trace_hash);
}
