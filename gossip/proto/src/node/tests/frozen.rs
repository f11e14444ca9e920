//! A process stands still for a while and goes on: what waited for it says nothing of how long messages take.

use std::time::Duration;

use super::ring::{Ring, SECOND, link, millis};
use super::*;
use PeerStatus::Unreachable;

/// Node 0 stands still, and a while later one is gone without a word. How long until all others know.
fn missed_after(count: usize, still: Duration, gone: usize) -> Duration {
    let mut ring = Ring::new(count);
    ring.stop(0);
    ring.run(still);
    ring.go_on(0);
    ring.run(SECOND * 12);
    ring.forget();
    let since = ring.time();
    ring.dead.insert(gone);
    ring.run(SECOND * 300);
    let told = |at: usize| {
        let told =
            ring.told.iter().find(|(_, by, of, status)| (*by, *of, *status) == (at, gone, Unreachable));
        told.map_or(Duration::MAX, |(then, ..)| *then - since)
    };
    (0..count).filter(|at| *at != gone).map(told).max().unwrap()
}

/// What is asked of it meanwhile is answered when it goes on, after minutes. Nobody waits as long for its next
/// silence, nor for that of others.
#[test]
fn who_stood_still_is_missed_as_soon_as_ever() {
    for count in [2, 3, 4, 8, 12] {
        for still in [2, 5, 60, 600] {
            for gone in [0, 1] {
                let missed = missed_after(count, SECOND * still, gone);
                assert!(missed < SECOND * 4, "{missed:?}: {gone} of {count}, after {still} s");
            }
        }
    }
}

/// From one moment on all messages take some seconds: nobody is called gone for that a second time.
#[test]
fn a_network_that_takes_longer_is_learnt() {
    for count in [2, 4, 12] {
        for delay in [millis(700), SECOND * 2] {
            let mut ring = Ring::new(count);
            ring.delay = delay;
            ring.run(SECOND * 60);
            ring.forget();
            ring.run(SECOND * 300);
            assert_eq!(ring.told, [], "{count} nodes, {delay:?}");
            let measured = ring.nodes[1].links[&link(0, 1)].rtt.smoothed().unwrap();
            assert!(count == 12 || measured.abs_diff(delay * 2) < delay / 2, "{measured:?}, {count} nodes");
        }
    }
}
