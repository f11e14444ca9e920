//! What it costs to find and send what is missing, in a million entries of 1,000 streams x 10 authors. All
//! is sealed.

use super::order::{Keep, Order};
use super::pair::{Pair, Terms};
use super::peers::{Figure, Figures};
use super::tap::{Said, Tap};
use super::{PAYLOAD, Plan};
use crate::fill::History;
use crate::{Outcome, table};

const STREAMS: usize = 1_000;
const AUTHORS: usize = 10;

pub(super) fn measure(plan: &Plan, figures: &mut Figures) -> Outcome {
    let columns = [
        "missing",
        "who dials",
        "handshake B",
        "entries B",
        "metadata B",
        "frames",
        "one-way trips until entries come",
        "then, to know it B",
        "CPU ms (both)",
    ];
    table::head(&format!("What is missing of {} entries", plan.entries), &columns);
    let each = plan.entries / (STREAMS * AUTHORS) as u64;
    let base = History::new(STREAMS, AUTHORS, each, PAYLOAD).sealed();
    known(base, figures)?;
    let cases: [(usize, u64); 4] = [(1, 1), (100, 1), (100, 100), (1_000, 10)];
    for (logs, more) in cases {
        for taker_dials in [true, false] {
            let figure = stranger(base, (logs, more), taker_dials)?;
            if taker_dials {
                figures.add(figure);
            }
        }
    }
    Ok(())
}

/// One entry, appended while both are connected and equal.
fn known(base: History, figures: &mut Figures) -> Outcome {
    let terms = Terms {
        giver: Some(base),
        taker: Some(base),
        sealed: true,
        coalesce: false,
        ..Terms::new(Keep::Memory)
    };
    let mut pair = Pair::open(&terms)?;
    let one = || Order::Append { entries: 1, batch: 1, bytes: PAYLOAD };
    // Opens the log and makes its name known.
    pair.giver.run(one())?;
    let tap = pair.meet_tapped(true)?;
    pair.taker.run(Order::Holds(base.total() + 1))?;
    pair.equal()?;
    settle(&tap)?;
    let (_, before) = pair.taker.held()?;
    let window = pair.during(|pair| {
        pair.giver.run(one())?;
        pair.taker.run(Order::Holds(base.total() + 2))
    })?;
    let said = tap.take();
    pair.equal()?;
    let after = settle(&tap)?;
    let entry = pair.taker.held()?.1 - before;
    show("1, peer known and connected", "-", said, entry, after.bytes, window.cpu_each(1000));
    figures.add(figure("1 missing, known peer", said, 1).cpu(window.cpu_each(1)));
    pair.quit()
}

/// Two who never met.
fn stranger(base: History, (logs, more): (usize, u64), taker_dials: bool) -> Outcome<Figure> {
    let longer = base.with_more(logs, more);
    let terms = Terms { giver: Some(longer), taker: Some(base), coalesce: false, ..Terms::new(Keep::Memory) };
    let mut pair = Pair::open(&terms)?;
    let (_, before) = pair.taker.held()?;
    let mut tap = None;
    let window = pair.during(|pair| {
        tap = Some(pair.meet_tapped(taker_dials)?);
        pair.taker.run(Order::Holds(longer.total()))
    })?;
    let tap = tap.ok_or("no tap")?;
    let said = tap.take();
    pair.equal()?;
    let after = settle(&tap)?;
    let entries = pair.taker.held()?.1 - before;
    let missing = logs as u64 * more;
    let what = format!("{missing} in {logs} logs, strangers");
    let who = if taker_dials { "who lacks" } else { "who has" };
    show(&what, who, said, entries, after.bytes, window.cpu_each(1000));
    check(&mut pair, &tap)?;
    pair.quit()?;
    let workload = format!("{missing} missing in {logs} of 10,000 logs");
    Ok(figure(&workload, said, missing).cpu(window.cpu_each(1)))
}

fn figure(workload: &str, said: Said, missing: u64) -> Figure {
    let payload = missing * PAYLOAD as u64;
    Figure::new(workload, "gossip, memory").said(said.bytes as f64, said.frames as f64, payload)
}

/// What a node says of its traffic is what was seen on the socket.
fn check(pair: &mut Pair, tap: &Tap) -> Outcome {
    let (told, seen) = (pair.taker.report()?.bytes, tap.passed());
    if told == seen { Ok(()) } else { Err(format!("{told} bytes told, {seen} seen").into()) }
}

/// What is still said until there is nothing more to say.
fn settle(tap: &Tap) -> Outcome<Said> {
    let mut all = Said::default();
    loop {
        // Longer than the pause after which both look again.
        std::thread::sleep(std::time::Duration::from_millis(300));
        let said = tap.take();
        if said.frames == 0 {
            return Ok(all);
        }
        all.bytes += said.bytes;
        all.frames += said.frames;
    }
}

fn show(what: &str, who: &str, said: Said, entries: u64, after: u64, cpu_ms: f64) {
    let metadata = said.bytes.saturating_sub(entries);
    table::row(&[
        &what,
        &who,
        &said.handshake,
        &entries,
        &metadata,
        &said.frames,
        &said.flights,
        &after,
        &table::number(cpu_ms),
    ]);
}
