//! Checking that what is held has a place in the order of arrival, and one only.

use std::collections::HashMap;

use gossip_proto::{Arrival, Fault, LogHead, LogId, Scope, SeqRange};

use super::report::{DamageKind, Report};
use super::verify::again;
use crate::Error;
use crate::handle::Shared;
use crate::store::all_heads;

/// Checks one stream. It remembers a few numbers for each log, as the arrivals of a log nearly always
/// follow each other.
pub(super) async fn check(shared: &Shared, stream: &Scope, report: &mut Report) -> Result<(), Error> {
    // Read before the rows: what comes later has rows too, but is not asked for.
    let heads = all_heads(&*shared.store, stream).await?;
    let rows = match rows(shared, stream).await {
        Err(Error::Store(error)) if error.fault == Fault::Corrupt => {
            report.orders_unreadable += 1;
            return Ok(());
        }
        rows => rows?,
    };
    for head in &heads {
        let rows = rows.get(&head.name.id());
        let bare = rows.map_or_else(|| held(head), |rows| rows.beside(&held(head)));
        let twice = rows.map_or(&[][..], |rows| &rows.twice);
        let missed = rows.is_some_and(|rows| head.missed.iter().any(|missed| rows.touches(missed)));
        if bare.is_empty() && twice.is_empty() && !missed {
            continue;
        }
        let Some(now) = again(shared, head).await? else { continue };
        // What was dropped meanwhile has no place any more.
        let still_held = held(&now);
        let bare = bare.iter().flat_map(|bare| still_held.iter().filter_map(|held| held.overlap(bare)));
        bare.for_each(|range| report.found(head, range, DamageKind::NotArrived));
        twice.iter().for_each(|range| report.found(head, *range, DamageKind::ArrivedTwice));
        let missed = now.missed.iter().filter(|missed| rows.is_some_and(|rows| rows.touches(missed)));
        missed.for_each(|range| report.found(head, *range, DamageKind::ArrivedTwice));
    }
    Ok(())
}

/// What of a log has arrived.
#[derive(Debug, Default)]
struct Rows {
    /// In order and apart.
    seen: Vec<SeqRange>,
    /// What came again, up to a bound.
    twice: Vec<SeqRange>,
}

impl Rows {
    fn add(&mut self, range: SeqRange) {
        let from = self.seen.partition_point(|seen| seen.last + 1 < range.first);
        let upto = self.seen.partition_point(|seen| seen.first <= range.last + 1);
        let mut joined = range;
        for seen in self.seen.drain(from..upto) {
            if let Some(again) = seen.overlap(&range)
                && self.twice.len() <= Report::MAX_DAMAGED
            {
                self.twice.push(again);
            }
            joined = SeqRange { first: joined.first.min(seen.first), last: joined.last.max(seen.last) };
        }
        self.seen.insert(from, joined);
    }

    fn touches(&self, range: &SeqRange) -> bool {
        self.seen.iter().any(|seen| seen.overlap(range).is_some())
    }

    /// What of these ranges was not seen.
    fn beside(&self, ranges: &[SeqRange]) -> Vec<SeqRange> {
        let mut bare = Vec::new();
        for range in ranges {
            let mut from = range.first;
            for seen in self.seen.iter().filter_map(|seen| seen.overlap(range)) {
                bare.extend((from < seen.first).then(|| SeqRange { first: from, last: seen.first - 1 }));
                from = seen.last + 1;
            }
            bare.extend((from <= range.last).then_some(SeqRange { first: from, ..*range }));
        }
        bare
    }
}

async fn rows(shared: &Shared, stream: &Scope) -> Result<HashMap<LogId, Rows>, Error> {
    let (mut rows, mut after) = (HashMap::<LogId, Rows>::new(), Arrival(0));
    loop {
        shared.check_open()?;
        let page = shared.store.arrivals(stream, after, shared.config.page_bytes).await?;
        for arrived in page.items {
            rows.entry(arrived.log).or_default().add(arrived.range);
        }
        match page.next {
            Some(next) => after = next,
            None => return Ok(rows),
        }
    }
}

/// What the head says is held.
fn held(head: &LogHead) -> Vec<SeqRange> {
    let (mut held, mut from) = (Vec::new(), head.floor + 1);
    for gap in &head.gaps {
        held.extend((from < gap.first).then(|| SeqRange { first: from, last: gap.first - 1 }));
        from = from.max(gap.last + 1);
    }
    held.extend((from <= head.height).then_some(SeqRange { first: from, last: head.height }));
    held
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: u64, last: u64) -> SeqRange {
        SeqRange { first, last }
    }

    #[test]
    fn rows_join_and_what_comes_again_is_noted() {
        let mut rows = Rows::default();
        for (first, last) in [(1, 3), (7, 9), (4, 6), (12, 12)] {
            rows.add(range(first, last));
        }
        assert_eq!((&rows.seen[..], &rows.twice[..]), (&[range(1, 9), range(12, 12)][..], &[][..]));
        rows.add(range(9, 12));
        assert_eq!(
            (&rows.seen[..], &rows.twice[..]),
            (&[range(1, 12)][..], &[range(9, 9), range(12, 12)][..])
        );
    }

    #[test]
    fn what_was_not_seen_is_told() {
        let mut rows = Rows::default();
        rows.add(range(3, 4));
        rows.add(range(8, 20));
        assert_eq!(rows.beside(&[range(1, 5), range(7, 9)]), [range(1, 2), range(5, 5), range(7, 7)]);
        assert!(rows.beside(&[range(9, 20)]).is_empty());
        assert!(rows.touches(&range(4, 6)) && !rows.touches(&range(5, 7)));
    }
}
