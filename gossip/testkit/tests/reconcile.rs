//! What it costs to find out what differs, and to make it the same.

use gossip_testkit::sim::pair::{Logs, Pair, Setup, Side, Traffic};

/// Frames and bytes after the greeting, until both hold the same and are quiet.
fn cost(setup: &Setup) -> Traffic {
    let mut pair = setup.begin();
    pair.link();
    pair.settle();
    pair.traffic().without_greeting()
}

#[test]
fn look() {
    for initiator in Side::BOTH {
        let base = || Pair::setup().initiator(initiator);
        for (what, setup) in [
            ("one", base().logs(Logs::of(1000).alike(100)).logs(Logs::of(1).alike(100).more(Side::Ann, 1))),
            (
                "100",
                base().logs(Logs::of(9_900).alike(100)).logs(Logs::of(100).alike(100).more(Side::Ann, 100)),
            ),
            (
                "1000",
                base().logs(Logs::of(9_000).alike(100)).logs(Logs::of(1000).alike(100).more(Side::Ann, 10)),
            ),
            ("cold", base().logs(Logs::of(3).more(Side::Ann, 100))),
        ] {
            let all = cost(&setup);
            println!("== {what} {initiator:?}: {} overhead {}\n{all}", all.bytes(), all.overhead());
        }
    }
}
