//! What it costs two equal replicas to see that they are equal.

use super::order::{Keep, Order};
use super::pair::{Pair, Terms};
use super::peers::Figure;
use super::sans::{self, Idle};
use super::{Findings, Plan};
use crate::fill::History;
use crate::{Outcome, table};

/// Exchanges measured, one after the other.
const TIMES: u64 = 10_000;
/// Bytes of one, both ways.
const BYTES: f64 = 64.0;
/// Processor microseconds of one, both sides.
const CPU: f64 = 20.0;

pub(super) fn measure(_: &Plan, findings: &mut Findings) -> Outcome {
    let columns = ["streams x authors", "how", "bytes", "frames", "CPU µs (both)", "targets"];
    table::head("One exchange of two equal replicas, both ways", &columns);
    for (streams, authors) in [(1_000, 10), (100_000, 1)] {
        let what = format!("{streams} x {authors}");
        show(&what, "protocol alone", &sans::idle(streams, authors, TIMES)?, findings);
        let idle = over_tcp(History::new(streams as usize, authors as usize, 1, super::PAYLOAD))?;
        show(&what, "with TCP and tokio", &idle, findings);
        if authors > 1 {
            let figure = Figure::new("equal, 1,000 x 10 logs", "gossip, memory");
            findings.figures.add(figure.said(idle.bytes, idle.frames, 0).cpu(idle.cpu));
        }
    }
    Ok(())
}

fn over_tcp(history: History) -> Outcome<Idle> {
    let terms = Terms { giver: Some(history), taker: Some(history), ..Terms::new(Keep::Memory) };
    let mut pair = Pair::open(&terms)?;
    pair.meet()?;
    pair.equal()?;
    // What follows a start is over then.
    pair.taker.run(Order::Exchange(TIMES))?;
    let window = pair.during(|pair| pair.taker.run(Order::Exchange(TIMES)))?;
    pair.quit()?;
    let each = |sum: u64| sum as f64 / TIMES as f64;
    Ok(Idle { bytes: each(window.bytes()), frames: each(window.taker.frames), cpu: window.cpu_each(TIMES) })
}

fn show(what: &str, how: &str, idle: &Idle, findings: &mut Findings) {
    let name = |of: &str| format!("idle, {what} logs, {how}: {of}");
    let goals = &mut findings.goals;
    // A sign of life now and then is no part of an exchange.
    let trip = idle.frames < 2.01;
    let targets = [
        goals.most(&name("bytes both ways"), idle.bytes, BYTES, "B"),
        goals.note(&name("round trips"), "1 round trip", &format!("{:.3} frames", idle.frames), trip),
        goals.most(&name("CPU, both sides"), idle.cpu, CPU, "µs"),
    ];
    let figures = [idle.bytes, idle.frames, idle.cpu].map(table::number);
    let [bytes, frames, cpu] = figures;
    table::row(&[&what, &how, &bytes, &frames, &cpu, &targets.join(", ")]);
}
