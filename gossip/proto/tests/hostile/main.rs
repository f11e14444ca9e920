//! What a hostile peer can do to a node: not much.
//!
//! A *victim* in a state drawn from the seed is fed random bytes, changed and stale frames of a real
//! exchange, and lies that a member of its channel could tell. Whatever comes, it does not panic, an
//! input has a bounded effect, what it remembers stays within its bounds, and afterwards it syncs
//! with a good peer as if nothing had been.
//!
//! `GOSSIP_HOSTILE_SEEDS=5000` runs longer; `GOSSIP_HOSTILE_SEED=7` runs one seed.

// Helpers of tests are not tests to the lints.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod branches;
mod choice;
mod disk;
mod findings;
mod forks;
mod frames;
mod history;
mod holders;
mod host;
mod imports;
mod lies;
mod lies2;
mod lies3;
mod links;
mod members;
mod recovery;
mod rooms;
mod seals;
mod searches;
mod serving;
mod siege;
mod slow;
mod versions;

use gossip_proto::Rng;

use crate::siege::Siege;

/// Seeds of a light run.
const SEEDS: u64 = 20;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn over_seeds(attack: fn(&mut Siege, &mut Rng)) {
    let one = number("GOSSIP_HOSTILE_SEED").map(|seed| seed..seed + 1);
    let seeds = one.unwrap_or(0..number("GOSSIP_HOSTILE_SEEDS").unwrap_or(SEEDS));
    let (alone, mut hits, mut in_session) = (seeds.end - seeds.start == 1, 0, 0);
    for seed in seeds {
        // Shown when the test fails.
        println!("seed {seed}");
        let mut rng = Rng::new(seed);
        let mut siege = Siege::begin(&mut rng);
        attack(&mut siege, &mut rng);
        (hits, in_session) = (hits + siege.hits, in_session + siege.in_session);
        siege.end();
    }
    // Otherwise most was said to a closed door.
    assert!(alone || in_session * 3 > hits, "{in_session} of {hits} frames hit an open session");
}

#[test]
fn random_bytes() {
    over_seeds(|siege, rng| {
        for _ in 0..200 {
            let frame = frames::random(rng);
            siege.hit(rng, frame);
        }
    });
}

#[test]
fn changed_frames() {
    over_seeds(|siege, rng| {
        for _ in 0..200 {
            let frame = frames::changed(siege.recorded(rng), rng);
            siege.hit(rng, frame);
        }
    });
}

#[test]
fn frames_out_of_order_repeated_and_on_other_links() {
    over_seeds(|siege, rng| {
        for _ in 0..200 {
            let frame = siege.recorded(rng);
            siege.hit(rng, frame);
        }
    });
}

#[test]
fn lies() {
    over_seeds(|siege, rng| {
        for _ in 0..60 {
            for frame in lies::draw(&siege.known, rng) {
                siege.hit(rng, frame);
            }
        }
    });
}

#[test]
fn everything_at_once() {
    over_seeds(|siege, rng| {
        for _ in 0..200 {
            let frame = match rng.below(4) {
                0 => frames::random(rng),
                1 => frames::changed(siege.recorded(rng), rng),
                2 => siege.recorded(rng),
                _ => {
                    let mut lies = lies::draw(&siege.known, rng);
                    let lie = rng.below(lies.len() as u64) as usize;
                    lies.swap_remove(lie)
                }
            };
            siege.hit(rng, frame);
            siege.shake(rng);
        }
    });
}
