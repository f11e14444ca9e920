//! Taking logs away with everything that belongs to them.

use std::collections::BTreeSet;

use gossip_core::proto::{LogId, Removed, Scope, Seq};

use crate::engine::{Order, Table};
use crate::fault::Failure;
use crate::head::Moving;
use crate::heads::logs;
use crate::keys::{self, Span};
use crate::layout::decode_name;
use crate::turn::Turn;

/// Removes the logs of a scope, damaged ones too; arrival numbers stay used.
pub(crate) fn remove(turn: &mut Turn<'_>, scope: &Scope) -> Result<Removed, Failure> {
    turn.forget();
    let logs: BTreeSet<LogId> = logs(turn.view(), scope, None, usize::MAX)?.into_iter().collect();
    let (mut removed, mut streams) = (Removed::default(), BTreeSet::new());
    if let Scope::Stream(channel, stream) = scope {
        streams.insert(keys::stream(channel, stream));
    }
    for log in &logs {
        removed.logs += 1;
        removed.entries += take(turn, scope, *log, &mut streams)?;
    }
    for stream in streams {
        take_rows(turn, &stream, &logs)?;
    }
    Ok(removed)
}

/// Removes one log except its arrival rows, and names its stream; returns how many entries were held.
fn take(
    turn: &mut Turn<'_>,
    scope: &Scope,
    log: LogId,
    streams: &mut BTreeSet<Vec<u8>>,
) -> Result<u64, Failure> {
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
    } else {
        take_unnamed(turn, scope, log);
    }
    Ok(moving.map_or(0, |moving| moving.entries()))
}

/// Without its name a log is still listed where the scope says.
fn take_unnamed(turn: &mut Turn<'_>, scope: &Scope, log: LogId) {
    let (table, prefix) = match scope {
        Scope::Channel(channel) => (Table::ByChannel, keys::channel(channel)),
        Scope::Stream(channel, stream) => (Table::ByStream, keys::stream(channel, stream)),
        Scope::All | Scope::Log(_) => return,
    };
    turn.edits.delete(table, keys::join(&prefix, &log.0));
}

fn take_rows(turn: &mut Turn<'_>, stream: &[u8], logs: &BTreeSet<LogId>) -> Result<(), Failure> {
    let mut rows = turn.view().scan(Table::Arrivals, &Span::under(stream, None), Order::Up)?;
    while let Some((key, row)) = rows.next()? {
        // A row begins with its log.
        if row.first_chunk().is_some_and(|log| logs.contains(&LogId(*log))) {
            turn.edits.delete(Table::Arrivals, key);
        }
    }
    Ok(())
}
