//! What it costs two equal replicas to see that they are equal.

use super::Plan;
use super::order::{Keep, Order};
use super::pair::{Pair, Terms};
use super::peers::{Figure, Figures};
use crate::fill::History;
use crate::{Outcome, table};

/// Exchanges measured.
const TIMES: u64 = 200;
/// Version 1 looks at its own pace only: as often as it can be told to.
const ROUND_MS: u64 = 20;

pub(super) fn measure(_: &Plan, figures: &mut Figures) -> Outcome {
    let columns = ["streams x authors", "bytes", "frames", "CPU µs (both)"];
    table::head("One exchange of two equal replicas, both ways", &columns);
    for (streams, authors) in [(1_000, 10), (100_000, 1)] {
        let history = Some(History::new(streams, authors, 1, super::PAYLOAD));
        let round_ms = Some(ROUND_MS);
        let terms = Terms { giver: history, taker: history, round_ms, ..Terms::new(Keep::Memory) };
        let mut pair = Pair::open(&terms)?;
        pair.meet()?;
        pair.equal()?;
        let window = pair.during(|pair| pair.taker.run(Order::Exchange(TIMES)))?;
        let each = |sum: u64| sum as f64 / TIMES as f64;
        let (bytes, frames) = (each(window.bytes()), each(window.taker.frames));
        let cpu = window.cpu_each(TIMES);
        let what = format!("{streams} x {authors}");
        table::row(&[&what, &table::number(bytes), &table::number(frames), &table::number(cpu)]);
        if authors > 1 {
            figures
                .add(Figure::new("equal, 1,000 x 10 logs", "gossip, memory").said(bytes, frames, 0).cpu(cpu));
        }
        pair.quit()?;
    }
    Ok(())
}
