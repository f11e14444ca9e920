//! From what a stream keeps to a floor in each of its logs.

use std::collections::BTreeMap;

use gossip_proto::{LogHead, LogId, NodeId, Retention, Seq, Stamp, WallMs};

use crate::{Error, Store, StoreResult};

/// Deepest nesting of composites.
const MAX_DEPTH: usize = 8;

/// Refuses retentions that make no sense.
pub(crate) fn check(retention: &Retention) -> Result<(), Error> {
    fn sound(retention: &Retention, depth: usize) -> bool {
        match retention {
            Retention::Composite(parts) => {
                depth < MAX_DEPTH && !parts.is_empty() && parts.iter().all(|part| sound(part, depth + 1))
            }
            _ => true,
        }
    }
    match sound(retention, 0) {
        true => Ok(()),
        false => Err(Error::Invalid("a composite retention needs parts, nested at most 8 deep")),
    }
}

/// Floors above the present ones that the retention allows now.
pub(crate) async fn floors(
    store: &dyn Store,
    retention: &Retention,
    heads: &[LogHead],
    now: WallMs,
) -> StoreResult<Vec<(LogId, Seq)>> {
    let mut seeks = Seeks::new();
    for stamp in cutoffs(retention, now) {
        for head in heads {
            let first = if head.stamp < stamp { head.height + 1 } else { store.seek(head, stamp).await? };
            seeks.insert((head.name.id(), stamp), first);
        }
    }
    Ok(plan(retention, heads, now, &seeks))
}

/// For a log and a cutoff, the first sequence stamped at or after it.
type Seeks = BTreeMap<(LogId, Stamp), Seq>;

fn plan(retention: &Retention, heads: &[LogHead], now: WallMs, seeks: &Seeks) -> Vec<(LogId, Seq)> {
    let floors = allowed(retention, heads, now, seeks);
    let raised = heads.iter().zip(floors).filter(|(head, floor)| *floor > head.floor);
    raised.map(|(head, floor)| (head.name.id(), floor)).collect()
}

/// For each head, the highest floor the retention allows.
fn allowed(retention: &Retention, heads: &[LogHead], now: WallMs, seeks: &Seeks) -> Vec<Seq> {
    match retention {
        Retention::KeepAll => vec![0; heads.len()],
        Retention::TimeBased(age) => {
            let stamp = cutoff(now, *age);
            let first = |head: &LogHead| seeks.get(&(head.name.id(), stamp)).copied().unwrap_or(1);
            heads.iter().map(|head| first(head).saturating_sub(1)).collect()
        }
        Retention::CountBased(count) => newest(heads, *count),
        Retention::Composite(parts) => {
            let parts = parts.iter().map(|part| allowed(part, heads, now, seeks));
            let lowest = |a: Vec<Seq>, b: Vec<Seq>| a.into_iter().zip(b).map(|(a, b)| a.min(b)).collect();
            parts.reduce(lowest).unwrap_or_else(|| vec![0; heads.len()])
        }
    }
}

fn cutoff(now: WallMs, age: std::time::Duration) -> Stamp {
    let age = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
    Stamp::new(now.0.saturating_sub(age), 0)
}

fn cutoffs(retention: &Retention, now: WallMs) -> Vec<Stamp> {
    match retention {
        Retention::TimeBased(age) => vec![cutoff(now, *age)],
        Retention::Composite(parts) => parts.iter().flat_map(|part| cutoffs(part, now)).collect(),
        Retention::KeepAll | Retention::CountBased(_) => Vec::new(),
    }
}

/// Floors that keep the newest entries of each author, counted down from its newest generation.
fn newest(heads: &[LogHead], count: u64) -> Vec<Seq> {
    let mut authors: BTreeMap<&NodeId, Vec<usize>> = BTreeMap::new();
    for (at, head) in heads.iter().enumerate() {
        authors.entry(&head.name.author).or_default().push(at);
    }
    let mut floors = vec![0; heads.len()];
    for logs in authors.values_mut() {
        logs.sort_by_key(|at| std::cmp::Reverse((heads[*at].name.epoch, heads[*at].name.id())));
        let mut left = count;
        for at in logs {
            (floors[*at], left) = keep_newest(&heads[*at], left);
        }
    }
    floors
}

/// The floor that keeps `count` entries of a log, and how many it could not keep for want of them.
fn keep_newest(head: &LogHead, count: u64) -> (Seq, u64) {
    let mut gaps = head.gaps.clone();
    gaps.sort_unstable_by_key(|gap| std::cmp::Reverse(gap.last));
    let (mut top, mut left) = (head.height, count);
    for gap in gaps {
        let held = top.saturating_sub(gap.last);
        if held >= left {
            break;
        }
        left -= held;
        top = gap.first.saturating_sub(1);
    }
    let kept = left.min(top.saturating_sub(head.floor));
    (top - kept, left - kept)
}

#[cfg(test)]
mod tests;
