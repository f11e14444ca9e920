//! What others have to pay when one side drops most of its history.

use super::order::{Keep, Order};
use super::pair::{Pair, Terms};
use super::peers::Figures;
use super::tap::Tap;
use super::{PAYLOAD, Plan};
use crate::fill::History;
use crate::{Outcome, table};

pub(super) fn measure(plan: &Plan, _: &mut Figures) -> Outcome {
    let columns = ["who evicts", "exchange before, B", "exchange after, B", "entries left there"];
    let entries = plan.entries.min(1_000_000);
    table::head(&format!("Meeting again after 90 % of {entries} entries were evicted"), &columns);
    let history = History::new(1, 10, entries / 10, PAYLOAD).sealed();
    for taker_evicts in [true, false] {
        let terms = Terms { giver: Some(history), taker: Some(history), ..Terms::new(Keep::Memory) };
        let mut pair = Pair::open(&terms)?;
        let tap = pair.meet_tapped(true)?;
        pair.equal()?;
        let before = again(&mut pair, &tap)?;
        let side = if taker_evicts { &mut pair.taker } else { &mut pair.giver };
        side.run(Order::Evict(entries / 100))?;
        let (left, _) = side.held()?;
        let after = again(&mut pair, &tap)?;
        table::row(&[&if taker_evicts { "who dials" } else { "the other" }, &before, &after, &left]);
        pair.quit()?;
    }
    Ok(())
}

/// Bytes said, the handshake left out, from a new connection until all is quiet.
fn again(pair: &mut Pair, tap: &Tap) -> Outcome<u64> {
    quiet(tap);
    pair.taker.run(Order::Restart)?;
    let mut bytes = quiet(tap);
    pair.equal()?;
    bytes += quiet(tap);
    Ok(bytes)
}

fn quiet(tap: &Tap) -> u64 {
    let mut bytes = 0;
    loop {
        std::thread::sleep(std::time::Duration::from_millis(500));
        let said = tap.take();
        bytes += said.bytes;
        if said.bytes + said.handshake == 0 {
            return bytes;
        }
    }
}
