//! Memory of a node beside that of its store.
//!
//! Each figure is the most that was ever resident in a process, less what is resident at most in one that
//! did nothing but fill a store with the same.

use super::child::Party;
use super::goals::Goals;
use super::order::{Keep, Order};
use super::pair::{Pair, Terms};
use super::{Findings, PAYLOAD, Plan, cold};
use crate::fill::History;
use crate::{Outcome, table};

/// Logs up to which the bound in MiB holds.
const FEW: usize = 10_000;
/// MiB over the store, at most.
const MIB: f64 = 32.0;
/// Bytes for each log where there are more.
const BYTES: f64 = 100.0;

pub(super) fn measure(plan: &Plan, findings: &mut Findings) -> Outcome {
    logs(plan, &mut findings.goals)?;
    entries(plan, &mut findings.goals)
}

/// Both have the same from the beginning, meet and see that they are equal.
fn logs(plan: &Plan, goals: &mut Goals) -> Outcome {
    let columns = ["logs", "store MiB", "over it, who dials", "the other", "B/log", "the other", "target"];
    table::head("Resident memory of equal replicas on memory stores", &columns);
    let counts: &[usize] = if plan.full { &[10_000, 100_000, 1_000_000] } else { &[10_000, 100_000] };
    for &logs in counts {
        let history = History::new(logs / 10, 10, 1, PAYLOAD).sealed();
        let store = alone(Keep::Memory, history)?;
        let terms = Terms { giver: Some(history), taker: Some(history), ..Terms::new(Keep::Memory) };
        let mut pair = Pair::open(&terms)?;
        let window = pair.during(|pair| {
            pair.meet()?;
            pair.equal()
        })?;
        let (taker, giver) = (window.taker.most_mib - store, window.giver.most_mib - store);
        let each = |mib: f64| format!("{:.0}", mib * f64::from(1 << 20) / logs as f64);
        let mib = table::number;
        let (most, name) = (taker.max(giver), format!("memory over the store, {logs} logs, equal"));
        let target = if logs <= FEW {
            goals.most(&name, most, MIB, "MiB")
        } else {
            goals.most(&name, most * f64::from(1 << 20) / logs as f64, BYTES, "B/log")
        };
        table::row(&[&logs, &mib(store), &mib(taker), &mib(giver), &each(taker), &each(giver), &target]);
        pair.quit()?;
    }
    Ok(())
}

/// One takes in what the other has.
fn entries(plan: &Plan, goals: &mut Goals) -> Outcome {
    let columns = ["stores", "entries", "logs", "store MiB", "over it, giver MiB", "taker MiB", "target"];
    table::head("Resident memory during a cold sync", &columns);
    let counts: &[u64] = if plan.full { &[100_000, 1_000_000, 10_000_000] } else { &[100_000, 1_000_000] };
    for &keep in plan.keeps() {
        let one = counts.iter().map(|&entries| History::new(1, 1, entries, PAYLOAD));
        let many = History::new(FEW / 10, 10, (plan.entries / FEW as u64).max(1), PAYLOAD);
        for history in one.chain([many]).map(History::sealed) {
            let store = alone(keep, history)?;
            let window = cold::sync(keep, history)?;
            let over = |most: f64| table::number(most - store);
            let (giver, taker) = (over(window.giver.most_mib), over(window.taker.most_mib));
            let (entries, logs, stores) = (history.total(), history.logs(), keep.name());
            let name = format!("memory over the store, {stores}, {entries} entries in {logs} logs, cold");
            let most = window.giver.most_mib.max(window.taker.most_mib) - store;
            let target = goals.most(&name, most, MIB, "MiB");
            table::row(&[&stores, &entries, &logs, &table::number(store), &giver, &taker, &target]);
        }
    }
    Ok(())
}

fn alone(keep: Keep, history: History) -> Outcome<f64> {
    let place = tempfile::tempdir()?;
    let mut setup = Terms::new(keep).setup("alone", place.path())?;
    setup.fill = Some(history);
    let mut party = Party::spawn()?;
    party.run(Order::Fill(setup))?;
    let most = party.report()?.most_mib;
    party.quit()?;
    Ok(most)
}
