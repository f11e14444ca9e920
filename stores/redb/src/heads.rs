//! Which logs lie in a scope, their heads and what they occupy.

use gossip_core::continuity::entries_held;
use gossip_core::proto::{LogHead, LogId, Page, Scope, Usage};
use redb::ReadTransaction;

use crate::fault::Failure;
use crate::keys;
use crate::tables::{BY_CHANNEL, BY_STREAM, HEADS, HeadRow, Readable, head_row};

/// The tables that know logs, in a read or a write transaction.
pub(crate) struct Index<T> {
    pub(crate) heads: T,
    pub(crate) by_channel: T,
    pub(crate) by_stream: T,
}

impl<T: Readable> Index<T> {
    /// Logs of a scope in order after `after`, at most `limit`.
    pub(crate) fn logs(
        &self,
        scope: &Scope,
        after: Option<LogId>,
        limit: usize,
    ) -> Result<Vec<LogId>, Failure> {
        match scope {
            Scope::All => list(&self.heads, &[], after, limit),
            Scope::Channel(channel) => list(&self.by_channel, &keys::channel(channel), after, limit),
            Scope::Stream(channel, stream) => {
                list(&self.by_stream, &keys::stream(channel, stream), after, limit)
            }
            Scope::Log(log) => {
                let known = after.is_none_or(|after| after < *log) && self.heads.get(&log.0[..])?.is_some();
                Ok(known.then_some(*log).into_iter().collect())
            }
        }
    }

    pub(crate) fn row(&self, log: LogId) -> Result<HeadRow, Failure> {
        head_row(&self.heads, log)?.ok_or_else(|| Failure::corrupt(format!("log {log} has no head")))
    }

    pub(crate) fn usage(&self, scope: &Scope) -> Result<Usage, Failure> {
        let mut usage = Usage::default();
        for log in self.logs(scope, None, usize::MAX)? {
            let row = self.row(log)?;
            usage.logs += 1;
            usage.entries += entries_held(&row.head);
            usage.bytes += row.bytes;
        }
        Ok(usage)
    }
}

fn list(
    table: &impl Readable,
    prefix: &[u8],
    after: Option<LogId>,
    limit: usize,
) -> Result<Vec<LogId>, Failure> {
    let span = keys::span(prefix, after.as_ref().map(|log| &log.0[..]));
    let rows = table.range::<&[u8]>(keys::bounds(&span))?.take(limit);
    rows.map(|row| Ok(keys::log(row?.0.value()))).collect()
}

fn index(reading: &ReadTransaction) -> Result<Index<impl Readable + use<>>, Failure> {
    Ok(Index {
        heads: reading.open_table(HEADS)?,
        by_channel: reading.open_table(BY_CHANNEL)?,
        by_stream: reading.open_table(BY_STREAM)?,
    })
}

/// A page of heads.
pub(crate) fn heads(
    reading: &ReadTransaction,
    scope: &Scope,
    after: Option<LogId>,
    limit: usize,
) -> Result<Page<LogHead, LogId>, Failure> {
    let (index, limit) = (index(reading)?, limit.max(1));
    let mut logs = index.logs(scope, after, limit.saturating_add(1))?;
    let more = logs.len() > limit;
    logs.truncate(limit);
    let next = logs.last().copied().filter(|_| more);
    let items = logs.into_iter().map(|log| Ok(index.row(log)?.head)).collect::<Result<_, Failure>>()?;
    Ok(Page { items, next })
}

/// What a scope occupies.
pub(crate) fn usage(reading: &ReadTransaction, scope: &Scope) -> Result<Usage, Failure> {
    index(reading)?.usage(scope)
}
