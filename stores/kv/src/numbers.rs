//! The newest arrival number and the newest clock: written with every commit, and told by the rows
//! when that is damaged.

use gossip_core::proto::NodeRecord;

use crate::arrivals::streams_under;
use crate::check::{SUM, seal, unseal};
use crate::edits::Edits;
use crate::engine::{Order, Table, View};
use crate::fault::Failure;
use crate::head::Moving;
use crate::keys::{self, Span};
use crate::layout::{decode, decode_name};
use crate::notes::{NODE, NUMBERS, TAKEN, number};
use crate::row::Row;

/// Numbers that only rise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Numbers {
    pub(crate) arrival: u64,
    pub(crate) clock: u64,
}

impl Numbers {
    /// What is stored; worked out from everything else when it is damaged.
    pub(crate) fn read(view: &dyn View) -> Result<Self, Failure> {
        let row = view.get(Table::Meta, NUMBERS)?;
        if let Some(numbers) = row.and_then(|row| Self::decode(&row)) {
            return Ok(numbers);
        }
        tracing::error!("the newest numbers are damaged: they are worked out from the rows");
        Ok(Self { arrival: arrival_told(view)?, clock: clock_told(view)? })
    }

    /// Writes them.
    pub(crate) fn put(self, edits: &mut Edits) {
        let mut value = Vec::with_capacity(16 + SUM);
        value.extend_from_slice(&self.arrival.to_be_bytes());
        value.extend_from_slice(&self.clock.to_be_bytes());
        edits.put(Table::Meta, NUMBERS, seal(Table::Meta, NUMBERS, value));
    }

    fn decode(row: &[u8]) -> Option<Self> {
        let (arrival, clock) = unseal(Table::Meta, NUMBERS, row)?.split_first_chunk()?;
        let clock = clock.try_into().ok()?;
        Some(Self { arrival: u64::from_be_bytes(*arrival), clock: u64::from_be_bytes(clock) })
    }
}

/// An arrival number above which none was given out: what rows have, or had when some were taken away. A
/// newest row that is damaged as well is taken for as long as a log can be.
pub(crate) fn arrival_told(view: &dyn View) -> Result<u64, Failure> {
    let unknown = || Failure::corrupt("the newest arrival number is damaged, and what would tell it as well");
    let mut newest = number(view, TAKEN)?.ok_or_else(unknown)?;
    for stream in streams_under(view, &[])? {
        let mut rows = view.scan(Table::Arrivals, &keys::arrivals(&stream, 0), Order::Down)?;
        if let Some((key, row)) = rows.next()? {
            let count = match Row::decode(key, row) {
                Some((_, row)) => row.count,
                None => longest(view)?,
            };
            newest = newest.max(keys::number(key).saturating_add(count.saturating_sub(1)));
        }
    }
    Ok(newest)
}

fn longest(view: &dyn View) -> Result<u64, Failure> {
    let (mut rows, mut longest) = (view.scan(Table::Heads, &Span::all(), Order::Up)?, 1);
    while let Some((key, row)) = rows.next()? {
        longest = Moving::decode(keys::log(key), row).map_or(longest, |head| head.height.max(longest));
    }
    Ok(longest)
}

/// A clock that is behind nothing this node wrote: the one in its record, or the newest stamp in its logs.
/// Stamps of others may be far ahead of any clock and do not count.
fn clock_told(view: &dyn View) -> Result<u64, Failure> {
    let record = view.get(Table::Meta, NODE)?;
    let record = record.and_then(|row| decode::<NodeRecord>(Table::Meta, NODE, &row).ok());
    let Some(node) = record else { return Ok(0) };
    let (mut rows, mut newest) = (view.scan(Table::Heads, &Span::all(), Order::Up)?, node.clock);
    while let Some((key, row)) = rows.next()? {
        let log = keys::log(key);
        let name = view.get(Table::Names, key)?.and_then(|name| decode_name(log, &name));
        if let Some(head) =
            Moving::decode(log, row).filter(|_| name.is_some_and(|name| name.author == node.id))
        {
            newest = newest.max(head.stamp);
        }
    }
    Ok(newest.bits())
}
