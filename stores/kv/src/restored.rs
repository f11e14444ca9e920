//! Making a sound store of what an engine could save of a damaged one.

use gossip_core::proto::{LogId, Seq};

use crate::edits::Edits;
use crate::engine::{Engine, Opening, Order, Table, View};
use crate::fault::Failure;
use crate::format::prepare;
use crate::head::Moving;
use crate::keys::{self, Span};
use crate::layout::decode_run;
use crate::records::forget_claims;

/// For engines that can go on without the newest of what was acknowledged: makes of it what a backup of
/// an earlier time would be. The node draws new epochs for its own logs. Runs may be newer than the heads:
/// those no head speaks of are removed. Where they are older, what is missing reads as damaged, and can be
/// repaired. On stable storage on return.
///
/// # Errors
/// A failure of the engine.
pub fn restored<E: Engine>(engine: &E) -> Result<(), Failure> {
    // Of an older format the records would not be understood.
    prepare(engine, Opening::First)?;
    let mut edits = Edits::default();
    {
        let view = engine.view()?;
        forget_claims(&view, &mut edits)?;
        remove_strays(&view, &mut edits)?;
    }
    if edits.is_empty() { engine.sync() } else { engine.apply(edits, true) }
}

fn remove_strays(view: &dyn View, edits: &mut Edits) -> Result<(), Failure> {
    let mut rows = view.scan(Table::Runs, &Span::all(), Order::Up)?;
    let mut of: Option<(LogId, Head)> = None;
    while let Some((key, row)) = rows.next()? {
        let Some(log) = key.first_chunk().map(|id| LogId(*id)) else { continue };
        let head = match of.take() {
            Some((other, head)) if other == log => head,
            _ => Head::of(view, log)?,
        };
        if head.is_stray(log, keys::number(key), row) {
            edits.delete(Table::Runs, key);
        }
        of = Some((log, head));
    }
    Ok(())
}

enum Head {
    None,
    /// The log comes in anew as a whole.
    Damaged,
    Some(Box<Moving>),
}

impl Head {
    fn of(view: &dyn View, log: LogId) -> Result<Self, Failure> {
        let Some(row) = view.get(Table::Heads, &log.0)? else { return Ok(Self::None) };
        Ok(Moving::decode(log, &row).map_or(Self::Damaged, |head| Self::Some(Box::new(head))))
    }

    fn is_stray(&self, log: LogId, last: Seq, row: &[u8]) -> bool {
        let head = match self {
            Self::None => return true,
            Self::Damaged => return false,
            Self::Some(head) => head,
        };
        if last <= head.floor || last > head.height {
            return true;
        }
        // A damaged one is dealt with when it is read.
        let range = decode_run(log, last, row).map(|stored| stored.run.range());
        range.is_ok_and(|range| head.gaps.iter().any(|gap| gap.overlap(&range).is_some()))
    }
}
