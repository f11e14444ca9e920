//! As much of an arrival row as fits in a page, around what is damaged.

use gossip_core::proto::{LogId, Seq, StoredRun};

use crate::engine::{Order, View};
use crate::fault::Failure;
use crate::head::Moving;
use crate::keys;
use crate::layout::decode_run;
use crate::runs::ending;

/// The front of a row, up to where a run ends or the row does.
pub(crate) struct Part {
    pub(crate) last: Seq,
    pub(crate) runs: Vec<StoredRun>,
    pub(crate) bytes: usize,
    pub(crate) damaged: Option<Seq>,
}

/// Runs of a row for at most `budget` bytes, but one if there is any and `needed` says so; `None` when
/// not even the first one fits.
pub(crate) fn part(
    view: &dyn View,
    head: Option<&Moving>,
    log: LogId,
    (first, last): (Seq, Seq),
    (budget, needed): (usize, bool),
) -> Result<Option<Part>, Failure> {
    let mut part = Part { last, runs: Vec::new(), bytes: 0, damaged: None };
    let mut next = first.max(head.map_or(0, |head| head.floor) + 1);
    if next > last {
        return Ok(Some(part));
    }
    let mut rows = ending(view, log, (next, Seq::MAX), Order::Up)?;
    while let Some((key, value)) = rows.next()? {
        let end = keys::number(key);
        if let Ok(stored) = decode_run(log, end, value) {
            if stored.run.first() > last {
                break;
            }
            let len = stored.run.encoded().len();
            if part.bytes + len > budget && !(needed && part.runs.is_empty()) {
                part.last = next - 1;
                return Ok((!part.runs.is_empty()).then_some(part));
            }
            let hole = lowest_held(head, next, stored.run.first() - 1);
            part.damaged = part.damaged.or(hole);
            part.bytes += len;
            part.runs.push(stored);
            next = end + 1;
        }
        if end >= last {
            break;
        }
    }
    part.damaged = part.damaged.or(lowest_held(head, next, last));
    Ok(Some(part))
}

/// The lowest sequence in a range that should be held; without a head none is known to be.
fn lowest_held(head: Option<&Moving>, first: Seq, last: Seq) -> Option<Seq> {
    let head = head?;
    let gaps = head.gaps.iter();
    let lowest = gaps.fold(first, |at, gap| if gap.contains(at) { gap.last + 1 } else { at });
    (lowest <= last.min(head.height)).then_some(lowest)
}
