//! Taking logs away with everything that belongs to them.

use std::collections::BTreeSet;

use gossip_core::continuity::entries_held;
use gossip_core::proto::{LogId, Removed, Scope, Seq};
use redb::WriteTransaction;

use crate::edit::drop_runs;
use crate::fault::Failure;
use crate::heads::Index;
use crate::keys;
use crate::tables::{ARRIVALS, BY_CHANNEL, BY_STREAM, HEADS, RUNS};

/// Removes the logs of a scope; arrival numbers stay used.
pub(crate) fn remove(writing: &WriteTransaction, scope: &Scope) -> Result<Removed, Failure> {
    let mut index = Index {
        heads: writing.open_table(HEADS)?,
        by_channel: writing.open_table(BY_CHANNEL)?,
        by_stream: writing.open_table(BY_STREAM)?,
    };
    let mut runs = writing.open_table(RUNS)?;
    let logs: BTreeSet<LogId> = index.logs(scope, None, usize::MAX)?.into_iter().collect();
    let (mut removed, mut streams) = (Removed::default(), BTreeSet::new());
    for log in &logs {
        let head = index.row(*log)?.head;
        let (channel, stream) = (keys::channel(&head.name.channel), keys::stream_of(&head.name));
        index.heads.remove(&log.0[..])?;
        index.by_channel.remove(&keys::join(&channel, &log.0)[..])?;
        index.by_stream.remove(&keys::join(&stream, &log.0)[..])?;
        drop_runs(&mut runs, *log, 0, Seq::MAX)?;
        streams.insert(stream);
        removed.logs += 1;
        removed.entries += entries_held(&head);
    }
    let mut rows = writing.open_table(ARRIVALS)?;
    for stream in streams {
        let span = keys::span(&stream, None);
        // A row begins with its log.
        let belongs = |row: &[u8]| row.first_chunk().is_some_and(|log| logs.contains(&LogId(*log)));
        rows.retain_in::<&[u8], _>(keys::bounds(&span), |_, row| !belongs(row))?;
    }
    Ok(removed)
}
