//! Which logs lie in a scope, their heads and what they occupy.
//!
//! A head that cannot be read is left out: it must not take the others with it.

use gossip_core::proto::{LogHead, LogId, LogName, Page, Scope, Usage};

use crate::check::unseal;
use crate::engine::{Order, Table, View};
use crate::fault::Failure;
use crate::head::Moving;
use crate::keys::{self, Span};
use crate::layout::decode_name;
use crate::turn::stored_head;

/// Logs of a scope in order after `after`, at most `limit`.
pub(crate) fn logs(
    view: &dyn View,
    scope: &Scope,
    after: Option<LogId>,
    limit: usize,
) -> Result<Vec<LogId>, Failure> {
    let (table, prefix) = match scope {
        Scope::All => (Table::Heads, Vec::new()),
        Scope::Channel(channel) => (Table::ByChannel, keys::channel(channel)),
        Scope::Stream(channel, stream) => (Table::ByStream, keys::stream(channel, stream)),
        Scope::Log(log) => {
            let known = after.is_none_or(|after| after < *log);
            let known = known && view.get(Table::Heads, &log.0)?.is_some();
            return Ok(known.then_some(*log).into_iter().collect());
        }
    };
    listed(view, table, &prefix, after, limit)
}

/// Logs under a prefix in order after `after`, at most `limit`.
pub(crate) fn listed(
    view: &dyn View,
    table: Table,
    prefix: &[u8],
    after: Option<LogId>,
    limit: usize,
) -> Result<Vec<LogId>, Failure> {
    let span = Span::under(prefix, after.as_ref().map(|log| &log.0[..]));
    let (mut rows, mut logs) = (view.scan(table, &span, Order::Up)?, Vec::new());
    while logs.len() < limit
        && let Some((key, row)) = rows.next()?
    {
        if table != Table::Heads && unseal(table, key, row).is_none() {
            tracing::error!(key = %key.escape_ascii(), "a listing is damaged: names are gone through instead");
            return named(view, prefix, after, limit);
        }
        logs.push(keys::log(key));
    }
    Ok(logs)
}

/// The same without the listing.
fn named(view: &dyn View, prefix: &[u8], after: Option<LogId>, limit: usize) -> Result<Vec<LogId>, Failure> {
    let span = Span::under(&[], after.as_ref().map(|log| &log.0[..]));
    let (mut rows, mut logs) = (view.scan(Table::Names, &span, Order::Up)?, Vec::new());
    while logs.len() < limit
        && let Some((key, row)) = rows.next()?
    {
        let log = keys::log(key);
        let here = |name: LogName| keys::stream_of(&name).starts_with(prefix);
        logs.extend(decode_name(log, row).is_some_and(here).then_some(log));
    }
    Ok(logs)
}

/// A page of heads.
pub(crate) fn heads(
    view: &dyn View,
    scope: &Scope,
    after: Option<LogId>,
    limit: usize,
) -> Result<Page<LogHead, LogId>, Failure> {
    let limit = limit.max(1);
    if let Scope::All = scope {
        return all(view, after, limit);
    }
    let mut logs = logs(view, scope, after, limit.saturating_add(1))?;
    let more = logs.len() > limit;
    logs.truncate(limit);
    let next = logs.last().copied().filter(|_| more);
    let mut items = Vec::with_capacity(logs.len());
    for log in logs {
        items.extend(stored_head(view, log)?.map(|held| held.head));
    }
    Ok(Page { items, next })
}

/// Names and heads lie in the same order: two scans side by side, no look-ups.
fn all(view: &dyn View, after: Option<LogId>, limit: usize) -> Result<Page<LogHead, LogId>, Failure> {
    let span = Span::under(&[], after.as_ref().map(|log| &log.0[..]));
    let mut rows = view.scan(Table::Heads, &span, Order::Up)?;
    let mut names = view.scan(Table::Names, &span, Order::Up)?;
    let (mut name, mut page) = (None, Page { items: Vec::new(), next: None });
    let mut seen = None;
    let mut count = 0;
    while let Some((key, row)) = rows.next()? {
        if count == limit {
            page.next = seen;
            break;
        }
        let log = keys::log(key);
        (seen, count) = (Some(log), count + 1);
        while name.as_ref().is_none_or(|(named, _)| *named < log) {
            let Some((key, value)) = names.next()? else { break };
            name = Some((keys::log(key), decode_name(keys::log(key), value)));
        }
        let named = name.take_if(|(named, _)| *named == log).and_then(|(_, name)| name);
        match Moving::decode(log, row).zip(named) {
            Some((moving, name)) => page.items.push(moving.with(name).head),
            None => tracing::error!(%log, "the head of a log is damaged: the log is left out"),
        }
    }
    Ok(page)
}

/// What a scope occupies.
pub(crate) fn usage(view: &dyn View, scope: &Scope) -> Result<Usage, Failure> {
    let mut usage = Usage::default();
    let mut add = |log: LogId, row: &[u8]| {
        if let Some(moving) = Moving::decode(log, row) {
            usage.logs += 1;
            usage.entries += moving.entries();
            usage.bytes += moving.bytes;
        }
    };
    if let Scope::All = scope {
        let mut rows = view.scan(Table::Heads, &Span::all(), Order::Up)?;
        while let Some((key, row)) = rows.next()? {
            add(keys::log(key), row);
        }
        return Ok(usage);
    }
    for log in logs(view, scope, None, usize::MAX)? {
        if let Some(row) = view.get(Table::Heads, &log.0)? {
            add(log, &row);
        }
    }
    Ok(usage)
}
