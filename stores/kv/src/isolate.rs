//! Making a gap of damage.

use gossip_core::continuity;
use gossip_core::proto::{LogHead, LogId, Seq, SeqRange, StoredRun};

use crate::edit::drop_runs;
use crate::engine::{Order, View};
use crate::fault::Failure;
use crate::keys;
use crate::layout::decode_run;
use crate::runs::ending;
use crate::turn::Turn;

/// Makes a gap of the damage at a sequence. Damaged neighbours go with it: the hash before and after a
/// gap is known only from a sound run, the floor or the head.
pub(crate) fn isolate(turn: &mut Turn<'_>, log: LogId, at: Seq) -> Result<Option<SeqRange>, Failure> {
    let Some(mut held) = turn.head(log)? else { return Ok(None) };
    let Some(gap) = damage(turn.view(), &held.head, log, at)? else { return Ok(None) };
    held.bytes = held.bytes.saturating_sub(drop_runs(turn, log, gap.first, gap.last)?);
    continuity::isolate(&mut held.head, gap);
    turn.put_head(log, held);
    Ok(Some(gap))
}

fn damage(view: &dyn View, head: &LogHead, log: LogId, at: Seq) -> Result<Option<SeqRange>, Failure> {
    let held = at > head.floor && at <= head.height && !head.gaps.iter().any(|gap| gap.contains(at));
    if !held {
        return Ok(None);
    }
    let below = head.gaps.iter().map(|gap| gap.last).filter(|last| *last < at);
    let edge = below.fold(head.floor, Seq::max);
    let before = sound(view, log, (edge + 1, at - 1), Order::Down)?;
    let first = before.as_ref().map_or(edge, |stored| stored.run.last()) + 1;
    let Some(after) = sound(view, log, (at, head.height), Order::Up)? else {
        return Ok(Some(SeqRange { first, last: head.height }));
    };
    if after.run.first() > at {
        let above = head.gaps.iter().map(|gap| gap.first).filter(|first| *first > at);
        let last = above.fold(after.run.first(), Seq::min) - 1;
        return Ok(Some(SeqRange { first, last }));
    }
    let broken = before.is_some_and(|before| {
        let neighbours = before.run.last() + 1 == after.run.first();
        neighbours && before.hash_at(before.run.last()).ok() != Some(after.prev)
    });
    Ok(broken.then(|| after.run.range()))
}

/// The first run in a direction that can be read, if any ends within the range.
fn sound(view: &dyn View, log: LogId, range: (Seq, Seq), order: Order) -> Result<Option<StoredRun>, Failure> {
    let mut rows = ending(view, log, range, order)?;
    while let Some((key, value)) = rows.next()? {
        if let Ok(stored) = decode_run(log, keys::number(key), value) {
            return Ok(Some(stored));
        }
    }
    Ok(None)
}
