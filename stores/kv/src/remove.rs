//! Taking logs away with everything that belongs to them.

use std::collections::BTreeSet;

use gossip_core::proto::{LogId, Removed, Scope, Seq};

use crate::engine::{Order, Table};
use crate::fault::Failure;
use crate::head::Moving;
use crate::heads::logs;
use crate::keys::{self, Span};
use crate::layout::decode_name;
use crate::row::Row;
use crate::turn::Turn;

/// Removes the logs of a scope, damaged ones too; arrival numbers stay used.
pub(crate) fn remove(turn: &mut Turn<'_>, scope: &Scope) -> Result<Removed, Failure> {
    let logs: BTreeSet<LogId> = logs(turn.view(), scope, None, usize::MAX)?.into_iter().collect();
    if !logs.is_empty() {
        turn.taken_away()?;
        clear_listing(turn, scope);
    }
    let (mut removed, mut streams) = (Removed::default(), BTreeSet::new());
    if let Scope::Stream(channel, stream) = scope {
        streams.insert(keys::stream(channel, stream));
    }
    for log in &logs {
        removed.logs += 1;
        removed.entries += take(turn, *log, &mut streams)?;
    }
    for stream in streams {
        take_rows(turn, &stream, &logs)?;
    }
    Ok(removed)
}

/// Removes one log except its arrival rows, and names its stream; returns how many entries were held.
fn take(turn: &mut Turn<'_>, log: LogId, streams: &mut BTreeSet<Vec<u8>>) -> Result<u64, Failure> {
    let view = turn.view();
    let moving = view.get(Table::Heads, &log.0)?.and_then(|row| Moving::decode(log, &row));
    let name = view.get(Table::Names, &log.0)?.and_then(|name| decode_name(log, &name));
    turn.edits.delete(Table::Heads, log.0);
    turn.edits.delete(Table::Names, log.0);
    turn.edits.delete_range(Table::Runs, keys::run(log, 0), keys::after(&keys::run(log, Seq::MAX)));
    if let Some(name) = name {
        let (channel, stream) = (keys::channel(&name.channel), keys::stream_of(&name));
        turn.edits.delete(Table::ByChannel, keys::join(&channel, &log.0));
        turn.edits.delete(Table::ByStream, keys::join(&stream, &log.0));
        streams.insert(stream);
    }
    Ok(moving.map_or(0, |moving| moving.entries()))
}

/// What is left of the listing of a scope: logs without a name, damaged rows.
fn clear_listing(turn: &mut Turn<'_>, scope: &Scope) {
    let (table, mut prefix) = match scope {
        Scope::Channel(channel) => (Table::ByChannel, keys::channel(channel)),
        Scope::Stream(channel, stream) => (Table::ByStream, keys::stream(channel, stream)),
        Scope::All | Scope::Log(_) => return,
    };
    let from = prefix.clone();
    // A prefix ends with a zero byte.
    prefix.pop();
    prefix.push(1);
    turn.edits.delete_range(table, from, prefix);
}

fn take_rows(turn: &mut Turn<'_>, stream: &[u8], logs: &BTreeSet<LogId>) -> Result<(), Failure> {
    let mut rows = turn.view().scan(Table::Arrivals, &Span::under(stream, None), Order::Up)?;
    while let Some((key, row)) = rows.next()? {
        if Row::decode(key, row).is_some_and(|(_, row)| logs.contains(&row.log)) {
            turn.edits.delete(Table::Arrivals, key);
        }
    }
    Ok(())
}
