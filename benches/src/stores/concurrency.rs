//! Callers with one entry each, beside group commit on the bare engine.

use super::crowd::crowd;
use super::engine::{STREAMS, Writer};
use super::group::Group;
use super::measure::Pairs;
use super::{Plan, title};
use crate::{Outcome, table};

const CALLERS: [usize; 5] = [1, 16, 64, 256, 4096];

pub(super) async fn measure(plan: &Plan) -> Outcome {
    let columns = [&["callers", "payload"][..], &Pairs::COLUMNS, &Pairs::ACKS].concat();
    title(plan, "Durable append, one entry per caller, beside group commit", &columns);
    for bytes in plan.payloads() {
        let levels = plan.callers.map_or_else(|| CALLERS.to_vec(), |callers| vec![callers]);
        for callers in levels {
            let mut pairs = level(plan, callers, bytes).await?;
            let front = [callers.to_string(), bytes.to_string()];
            table::cells(&[&front[..], &pairs.cells(), &pairs.acks()].concat());
        }
    }
    Ok(())
}

async fn level(plan: &Plan, callers: usize, bytes: usize) -> Outcome<Pairs> {
    let (raw_place, place) = (plan.place()?, plan.place()?);
    let (group, thread) = Group::start(plan.engine.raw(raw_place.path())?);
    let writer = Writer::open(plan.engine, place.path(), STREAMS).await?;
    let mut pairs = Pairs::default();
    for _ in 0..plan.pairs {
        let raw = crowd(&group, callers, plan.time(), bytes).await?;
        pairs.push(raw, writer.crowd(callers, plan.time(), bytes).await?);
    }
    drop(group);
    thread.await??;
    writer.node.shutdown().await?;
    Ok(pairs)
}
