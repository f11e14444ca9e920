//! From just before an append here until a subscription there delivers it: one entry each millisecond.

use super::child::{Party, unexpected};
use super::order::{Answer, Keep, Order};
use super::pair::{Pair, Terms, on_disk};
use super::peers::Figure;
use super::pipe::Task;
use super::{Findings, PAYLOAD, Plan};
use crate::fill::History;
use crate::{Outcome, table};

const ENTRIES: u64 = 5_000;
const WARM_UP: u64 = 500;
/// Held before.
const LOADED: u64 = 10_000;

pub(super) fn measure(plan: &Plan, findings: &mut Findings) -> Outcome {
    let columns =
        ["what", "p50 µs", "p90 µs", "p99 µs", "p99/p50", "B/entry", "CPU µs/entry (both)", "targets"];
    table::head(&format!("Live: {ENTRIES} entries, one each millisecond, {LOADED} held before"), &columns);
    for &keep in plan.keeps() {
        show(&format!("bare pipeline, {}", bare_name(keep)), &bare(keep)?, "-");
        for (seals, sealed) in [("plain", false), ("sealed", true)] {
            let live = gossip(keep, sealed)?;
            let system = format!("gossip, {}, {seals}", keep.name());
            show(&system, &live, &targets(keep, sealed, &live, findings));
            let figure = Figure::new("live", &system);
            let figure = figure.said(live.bytes, live.frames, PAYLOAD as u64).cpu(live.cpu);
            findings.figures.add(figure.times(live.age(500), live.age(990)));
        }
    }
    Ok(())
}

fn bare_name(keep: Keep) -> &'static str {
    if keep == Keep::Memory { "no store" } else { keep.name() }
}

struct Live {
    /// In order.
    ages: Vec<u64>,
    /// Of each entry, both ways.
    bytes: f64,
    frames: f64,
    cpu: f64,
}

impl Live {
    fn new(ages: Vec<u64>, bytes: f64, frames: f64, cpu: f64) -> Self {
        let mut ages: Vec<u64> = ages.into_iter().skip(WARM_UP as usize).collect();
        ages.sort_unstable();
        Self { ages, bytes, frames, cpu }
    }

    /// Microseconds that so many of a thousand do not exceed.
    fn age(&self, of_a_thousand: usize) -> f64 {
        let at = (self.ages.len() * of_a_thousand / 1000).min(self.ages.len().saturating_sub(1));
        self.ages.get(at).map_or(f64::NAN, |&age| age as f64 / 1e3)
    }
}

fn show(what: &str, live: &Live, targets: &str) {
    let (half, most) = (live.age(500), live.age(990));
    table::row(&[
        &what,
        &table::number(half),
        &table::number(live.age(900)),
        &table::number(most),
        &format!("{:.1}", most / half),
        &table::number(live.bytes),
        &table::number(live.cpu),
        &targets,
    ]);
}

fn targets(keep: Keep, sealed: bool, live: &Live, findings: &mut Findings) -> String {
    let (bound, seals) = match (keep, sealed) {
        (Keep::Memory, false) => (50.0, "plain"),
        (Keep::Memory, true) => (110.0, "sealed"),
        (Keep::Buffered, true) => (140.0, "sealed"),
        _ => return "-".to_owned(),
    };
    let (goals, stores) = (&mut findings.goals, keep.name());
    let name = |of: &str| format!("append to visible, {stores}, {seals}: {of}");
    let (half, most) = (live.age(500), live.age(990));
    let middle = goals.most(&name("p50"), half, bound, "µs");
    let figure = format!("{most:.0} µs, {:.1} x p50", most / half);
    let tail = goals.note(&name("p99"), "p99 ≤ 4 x p50", &figure, most <= 4.0 * half);
    format!("p50 {middle}, {tail}")
}

fn gossip(keep: Keep, sealed: bool) -> Outcome<Live> {
    let history = Some(History::new(1, 1, LOADED, PAYLOAD));
    let mut pair = Pair::open(&Terms { giver: history, taker: history, sealed, ..Terms::new(keep) })?;
    pair.meet()?;
    pair.equal()?;
    pair.taker.run(Order::Watch)?;
    let mut ages = Vec::new();
    let window = pair.during(|pair| {
        pair.giver.run(Order::Pace { entries: ENTRIES + WARM_UP, bytes: PAYLOAD })?;
        ages = collect(&mut pair.taker)?;
        Ok(())
    })?;
    pair.quit()?;
    let all = ENTRIES + WARM_UP;
    let each = |sum: u64| sum as f64 / all as f64;
    Ok(Live::new(ages, each(window.bytes()), each(window.taker.frames), window.cpu_each(all)))
}

fn bare(keep: Keep) -> Outcome<Live> {
    let place = tempfile::tempdir()?;
    let (mut giver, mut taker) = (Party::spawn()?, Party::spawn()?);
    let at = on_disk(keep, place.path(), "taker")?;
    let address = match taker.ask(Order::Pipe(Task::LiveReceive { place: at }))? {
        Answer::Address(address) => address,
        other => return Err(unexpected(&other)),
    };
    let before = giver.report()?.cpu_us + taker.report()?.cpu_us;
    let (entries, place) = (ENTRIES + WARM_UP, on_disk(keep, place.path(), "giver")?);
    giver.run(Order::Pipe(Task::LiveSend { address, place, entries, bytes: PAYLOAD }))?;
    let ages = collect(&mut taker)?;
    let cpu = giver.report()?.cpu_us + taker.report()?.cpu_us - before;
    giver.quit()?;
    taker.quit()?;
    Ok(Live::new(ages, (PAYLOAD + 4) as f64, 1.0, cpu / entries as f64))
}

fn collect(taker: &mut Party) -> Outcome<Vec<u64>> {
    match taker.ask(Order::Ages(ENTRIES + WARM_UP))? {
        Answer::Ages(ages) => Ok(ages),
        other => Err(unexpected(&other)),
    }
}
