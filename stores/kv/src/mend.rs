//! Taking damaged rows out of the order of arrival.
//!
//! What such a row numbered is not known, but which entries arrived is: everything up to the height that
//! [`LogHead::missed`](gossip_core::proto::LogHead::missed) does not name. What of that has no row any more
//! arrives again, under a new number: readers may see it twice and never not at all.

use std::collections::HashMap;

use gossip_core::proto::{LogId, SeqRange};

use crate::engine::{Order, Table};
use crate::fault::Failure;
use crate::head::Moving;
use crate::heads::listed;
use crate::keys;
use crate::row::Row;
use crate::turn::Turn;

/// What of the logs has a row, in order of arrival.
type Numbered = HashMap<LogId, Vec<SeqRange>>;

/// Takes the damaged rows of a stream away and gives new ones to what they stood for.
pub(crate) fn mend(turn: &mut Turn<'_>, stream: &[u8]) -> Result<(), Failure> {
    let Some(mut numbered) = take_damaged(turn, stream)? else { return Ok(()) };
    turn.taken_away()?;
    let mut last = turn.numbers()?.arrival;
    for log in listed(turn.view(), Table::ByStream, stream, None, usize::MAX)? {
        // A log whose head is damaged comes in anew, with its rows.
        let head = turn.view().get(Table::Heads, &log.0)?.and_then(|row| Moving::decode(log, &row));
        let Some(head) = head else { continue };
        for range in bare(&head, numbered.remove(&log).unwrap_or_default()) {
            tracing::warn!(%log, ?range, "lost its place in the order of arrival: it arrives again");
            let row = Row { log, first: range.first, count: range.count() };
            if !row.is_possible(last.saturating_add(1)) {
                return Err(Failure::corrupt("no arrival number is left"));
            }
            row.put(&mut turn.edits, stream, last + 1);
            last += row.count;
        }
    }
    turn.raise(last, 0)
}

/// Drops the rows that are damaged; what the others number, `None` when all are sound.
fn take_damaged(turn: &mut Turn<'_>, stream: &[u8]) -> Result<Option<Numbered>, Failure> {
    let (mut numbered, mut damaged) = (Numbered::new(), 0_u64);
    let mut rows = turn.view().scan(Table::Arrivals, &keys::arrivals(stream, 0), Order::Up)?;
    while let Some((key, row)) = rows.next()? {
        let Some((_, row)) = Row::decode(key, row) else {
            turn.edits.delete(Table::Arrivals, key);
            damaged += 1;
            continue;
        };
        let ranges = numbered.entry(row.log).or_default();
        match ranges.last_mut().filter(|range| range.last + 1 == row.first) {
            Some(range) => range.last = row.last(),
            None => ranges.push(SeqRange { first: row.first, last: row.last() }),
        }
    }
    if damaged > 0 {
        tracing::error!(damaged, "rows of the order of arrival are damaged and taken out of it");
    }
    Ok((damaged > 0).then_some(numbered))
}

/// What of a log arrived and has no row.
fn bare(head: &Moving, mut known: Vec<SeqRange>) -> Vec<SeqRange> {
    known.extend(&head.missed);
    known.sort_unstable_by_key(|range| range.first);
    let (mut bare, mut from) = (Vec::new(), 1);
    for range in known {
        bare.extend((from < range.first).then(|| SeqRange { first: from, last: range.first - 1 }));
        from = from.max(range.last + 1);
    }
    bare.extend((from <= head.height).then_some(SeqRange { first: from, last: head.height }));
    bare
}
