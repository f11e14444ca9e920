//! Memory of a node beside that of its store.
//!
//! Each figure is the most that was ever resident in a process, less what is resident at most in one that
//! did nothing but fill a store with the same.

use super::child::Party;
use super::order::{Keep, Order};
use super::pair::{Pair, Terms};
use super::peers::Figures;
use super::{PAYLOAD, Plan, cold};
use crate::fill::History;
use crate::{Outcome, table};

pub(super) fn measure(plan: &Plan, _: &mut Figures) -> Outcome {
    logs(plan)?;
    entries(plan)
}

/// Both have the same from the beginning, meet and see that they are equal.
fn logs(plan: &Plan) -> Outcome {
    let columns =
        ["logs", "store MiB", "over it, who dials MiB", "the other MiB", "B/log, who dials", "the other"];
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
        table::row(&[&logs, &mib(store), &mib(taker), &mib(giver), &each(taker), &each(giver)]);
        pair.quit()?;
    }
    Ok(())
}

/// One takes in what the other has.
fn entries(plan: &Plan) -> Outcome {
    let columns = ["stores", "entries", "store MiB", "over it, giver MiB", "taker MiB"];
    table::head("Resident memory during a cold sync of one author", &columns);
    let counts: &[u64] = if plan.full { &[100_000, 1_000_000, 10_000_000] } else { &[100_000, 1_000_000] };
    for &keep in plan.keeps() {
        for &entries in counts {
            let history = History::new(1, 1, entries, PAYLOAD).sealed();
            let store = alone(keep, history)?;
            let window = cold::sync(keep, history)?;
            let over = |most: f64| table::number(most - store);
            let (giver, taker) = (over(window.giver.most_mib), over(window.taker.most_mib));
            table::row(&[&keep.name(), &entries, &table::number(store), &giver, &taker]);
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
