//! So many rounds on every kind of store, on a bare store and on a node.

use std::process::ExitCode;
use std::time::{Instant, SystemTime};

use crate::Outcome;
use crate::hammer::Bench;
use crate::kinds::Kind;
use crate::program::{end_of_all, number, print};
use crate::rounds::Scene;

/// Rounds per store unless `GOSSIP_CRASH_ROUNDS` says otherwise.
const ROUNDS: u64 = 30;
/// After so many rounds a new store is begun, because each look reads everything.
const LONGEST: u64 = 50;
/// From this many rounds on, a kill must have met a write in flight.
const ENOUGH: u64 = 10;

/// Runs them all; the last line printed is the sum.
pub(crate) fn all() -> ExitCode {
    let rounds = number("GOSSIP_CRASH_ROUNDS").unwrap_or(ROUNDS);
    let seed = number("GOSSIP_CRASH_SEED").unwrap_or_else(|| {
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
    });
    end_of_all("crash", play(rounds, seed))
}

/// Returns how many rounds failed.
fn play(rounds: u64, seed: u64) -> Outcome<u64> {
    let kinds = Kind::chosen()?;
    print(&format!("crash: {rounds} rounds per store, seed {seed} (GOSSIP_CRASH_SEED)"))?;
    let (mut passed, mut failed) = (0, 0);
    for kind in kinds {
        let rounds = (rounds / kind.share).max(1);
        for part in [hammer, node] {
            let wrong = part(kind, rounds, seed)?;
            failed += wrong;
            passed += rounds - wrong;
        }
    }
    print(&format!("{passed} passed, {failed} failed"))?;
    Ok(failed)
}

/// Kills of a process on the bare store.
fn hammer(kind: Kind, rounds: u64, seed: u64) -> Outcome<u64> {
    let (begin, mut failed) = (Instant::now(), 0);
    let (mut acknowledged, mut in_flight) = (0, 0);
    for first in (1..=rounds).step_by(LONGEST as usize) {
        let mut bench = Bench::new(kind, seed ^ first)?;
        let mut sound = true;
        for round in first..=rounds.min(first + LONGEST - 1) {
            if let Err(error) = bench.round() {
                print(&format!("{} store round {round}: {error}", kind.name))?;
                // The model is out of step with the store from here on.
                failed += rounds.min(first + LONGEST - 1) - round + 1;
                sound = false;
                break;
            }
        }
        acknowledged += bench.sum.acknowledged;
        in_flight += bench.sum.in_flight;
        if !sound {
            bench.keep()?;
        }
    }
    let seconds = begin.elapsed().as_secs_f32();
    print(&format!(
        "{} store: {rounds} kills, {acknowledged} operations acknowledged, {in_flight} more done without an \
         answer, {seconds:.1} s",
        kind.name
    ))?;
    shown(rounds, failed, acknowledged, in_flight)
}

/// Kills of a node that appends and syncs.
fn node(kind: Kind, rounds: u64, seed: u64) -> Outcome<u64> {
    let (begin, mut failed) = (Instant::now(), 0);
    let (mut acknowledged, mut in_flight, mut in_opening, mut pruned) = (0, 0, 0, 0);
    for first in (1..=rounds).step_by(LONGEST as usize) {
        let mut scene = Scene::new(kind, seed ^ first)?;
        let (last, before) = (rounds.min(first + LONGEST - 1), failed);
        for round in first..=last {
            if let Err(error) = scene.round(round, round == last) {
                failed += 1;
                print(&format!("{} node round {round}: {error}", kind.name))?;
            }
        }
        acknowledged += scene.ledger.acknowledged();
        in_flight += scene.ledger.in_flight;
        in_opening += scene.kills_in_opening;
        pruned += scene.pruned;
        if failed > before {
            scene.keep()?;
        }
    }
    let seconds = begin.elapsed().as_secs_f32();
    print(&format!(
        "{} node: {rounds} kills ({in_opening} while opening), {acknowledged} entries acknowledged, {in_flight} \
         more kept of writes in flight, {pruned} pruned, {seconds:.1} s",
        kind.name
    ))?;
    if rounds >= ENOUGH && pruned == 0 {
        return Err("nothing was pruned: nothing was shown about it".into());
    }
    shown(rounds, failed, acknowledged, in_flight)
}

/// All rounds count as failed when the kills met nothing.
fn shown(rounds: u64, failed: u64, acknowledged: usize, in_flight: usize) -> Outcome<u64> {
    if rounds >= ENOUGH && (acknowledged == 0 || in_flight == 0) {
        print("the kills met no write in flight: nothing was shown")?;
        return Ok(rounds);
    }
    Ok(failed)
}
