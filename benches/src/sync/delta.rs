//! What it costs to find and send what is missing, in a million entries of 1,000 streams x 10 authors. All
//! is sealed.

use super::goals::Goals;
use super::order::{Keep, Order};
use super::pair::{Pair, Terms};
use super::peers::Figure;
use super::tap::{Said, Tap};
use super::{Findings, PAYLOAD, Plan};
use crate::fill::History;
use crate::{Outcome, table};

const STREAMS: usize = 1_000;
const AUTHORS: usize = 10;

pub(super) fn measure(plan: &Plan, findings: &mut Findings) -> Outcome {
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
        "targets",
    ];
    table::head(&format!("What is missing of {} entries", plan.entries), &columns);
    let each = plan.entries / (STREAMS * AUTHORS) as u64;
    let base = History::new(STREAMS, AUTHORS, each, PAYLOAD).sealed();
    known(base, findings)?;
    let cases = [
        Case { logs: 1, more: 1, most: Some(256), trips: 2 },
        Case { logs: 100, more: 1, most: None, trips: 3 },
        Case { logs: 100, more: 100, most: Some(4_000), trips: 3 },
        Case { logs: 1_000, more: 10, most: Some(30_000), trips: 3 },
    ];
    for case in cases {
        for taker_dials in [true, false] {
            let figure = stranger(base, &case, taker_dials, &mut findings.goals)?;
            if taker_dials {
                findings.figures.add(figure);
            }
        }
    }
    Ok(())
}

/// What one lacks.
struct Case {
    logs: usize,
    /// In each of them.
    more: u64,
    /// Metadata aimed at, in bytes, if anything is.
    most: Option<u64>,
    /// One-way trips until entries come, aimed at.
    trips: u64,
}

/// One entry, appended while both are connected and equal.
fn known(base: History, findings: &mut Findings) -> Outcome {
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
    let case = Case { logs: 1, more: 1, most: Some(24), trips: 1 };
    let row = Row { what: "1, peer known and connected", who: "-", said, entries: entry, after: after.bytes };
    row.show(window.cpu_each(1000), &case, &mut findings.goals);
    findings.figures.add(figure("1 missing, known peer", said, 1).cpu(window.cpu_each(1)));
    pair.quit()
}

/// Two who never met.
fn stranger(base: History, case: &Case, taker_dials: bool, goals: &mut Goals) -> Outcome<Figure> {
    let (logs, more) = (case.logs, case.more);
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
    let row = Row { what: &what, who, said, entries, after: after.bytes };
    row.show(window.cpu_each(1000), case, goals);
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

struct Row<'a> {
    what: &'a str,
    /// Dials.
    who: &'a str,
    said: Said,
    /// Bytes of the entries.
    entries: u64,
    /// Bytes said afterwards.
    after: u64,
}

impl Row<'_> {
    fn show(&self, cpu_ms: f64, case: &Case, goals: &mut Goals) {
        let Self { what, who, said, entries, after } = *self;
        let metadata = said.bytes.saturating_sub(entries);
        let name = |of: &str| format!("missing: {what}, dials {who}: {of}");
        let targets = case.most.map_or_else(
            || "-".to_owned(),
            |most| {
                let trips = format!("≤ {} one-way trips", case.trips);
                [
                    goals.most(&name("metadata"), metadata as f64, most as f64, "B"),
                    goals.note(&name("trips"), &trips, &said.flights.to_string(), said.flights <= case.trips),
                ]
                .join(", ")
            },
        );
        let (cpu, cells) = (table::number(cpu_ms), [said.handshake, entries, metadata, said.frames]);
        let [handshake, entries, metadata, frames] = cells;
        table::row(&[
            &what,
            &who,
            &handshake,
            &entries,
            &metadata,
            &frames,
            &said.flights,
            &after,
            &cpu,
            &targets,
        ]);
    }
}
