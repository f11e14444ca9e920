//! From what a stream keeps to a floor in each of its logs.

mod holds;
mod keeper;
mod mend;
mod policy;
mod steps;

use std::collections::BTreeMap;
use std::sync::Arc;

use gossip_proto::{LogHead, LogId, NodeId, Retention, Seq, Stamp, WallMs};
use tokio::sync::mpsc;

pub(crate) use self::holds::{Hold, Holds};
pub(crate) use self::keeper::Keeper;
pub(crate) use self::policy::Policies;
pub use self::policy::RetentionPolicy;
use self::steps::Raise;
pub(crate) use self::steps::{Pace, prune};
use crate::Error;
use crate::handle::Request;
use crate::stream::{StreamRef, heads};

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

/// What is to be dropped from a stream.
pub(crate) struct Decision {
    heads: Vec<LogHead>,
    floors: BTreeMap<LogId, Seq>,
    /// A reader needs something that would be dropped otherwise.
    pub(crate) is_held: bool,
    ground: Ground,
}

/// What a decision stands on.
enum Ground {
    Retention(Retention),
    Policy(Arc<dyn RetentionPolicy>),
}

impl Decision {
    /// Whether no other policy decides by now. A retention the node compares itself.
    fn stands(&self, at: &StreamRef) -> bool {
        match (&self.ground, at.shared.policies.find(&at.channel, &at.stream)) {
            (Ground::Policy(old), Some(new)) => Arc::ptr_eq(old, &new),
            (Ground::Retention(_), None) => true,
            _ => false,
        }
    }

    fn retention(&self) -> Option<Retention> {
        match &self.ground {
            Ground::Retention(retention) => Some(retention.clone()),
            Ground::Policy(_) => None,
        }
    }

    fn raises(&self) -> impl Iterator<Item = Raise<'_>> {
        self.heads.iter().filter_map(|head| {
            let to = (*self.floors.get(&head.name.id())?).min(head.height);
            (to > head.floor).then_some(Raise { head, from: head.floor, to })
        })
    }
}

/// Decides what a stream need not keep now: by its policy if one is set, else by its retention, and
/// less what named cursors, and with `live` all other readers, still need.
///
/// Damage it comes across is isolated on the way: a gap stands in the way of nothing.
pub(crate) async fn decide(
    commands: &mpsc::Sender<Request>,
    at: &StreamRef,
    retention: &Retention,
    live: bool,
) -> Result<Decision, Error> {
    let wall = at.shared.timer.now().wall;
    let mut heads = heads(at).await?;
    let ground = at.shared.policies.find(&at.channel, &at.stream);
    let ground = ground.map_or_else(|| Ground::Retention(retention.clone()), Ground::Policy);
    let mut wanted = match &ground {
        Ground::Policy(policy) => policy.floors(&heads, wall),
        Ground::Retention(retention) => floors(commands, at, retention, &mut heads, wall).await?,
    };
    let is_held = !wanted.is_empty() && holds::lower(at, &mut wanted, live).await?;
    let mut floors = BTreeMap::new();
    for (log, floor) in wanted {
        // Named twice, the lower one keeps more.
        floors.entry(log).and_modify(|found: &mut Seq| *found = floor.min(*found)).or_insert(floor);
    }
    Ok(Decision { heads, floors, is_held, ground })
}

/// Floors above the present ones that the retention allows now.
async fn floors(
    commands: &mpsc::Sender<Request>,
    at: &StreamRef,
    retention: &Retention,
    heads: &mut [LogHead],
    now: WallMs,
) -> Result<Vec<(LogId, Seq)>, Error> {
    let mut seeks = Seeks::new();
    for stamp in cutoffs(retention, now) {
        for head in heads.iter_mut() {
            let first = match head.stamp < stamp {
                true => head.height + 1,
                false => mend::seek(commands, at, head, stamp).await?,
            };
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
