//! What a new process finds in a store.

use std::collections::BTreeMap;

use gossip::proto::Seq;
use gossip::{EntryId, LogId};

use crate::Outcome;
use crate::line::{Held, read_held, read_log};
use crate::process::Process;

/// What a store holds.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) held: Held,
    /// Of each log its stream, and up to where it was pruned.
    pub(crate) logs: BTreeMap<LogId, (String, Seq)>,
}

impl Found {
    /// Whether it was there and was pruned.
    pub(crate) fn is_pruned(&self, id: EntryId) -> bool {
        self.logs.get(&id.log).is_some_and(|(_, floor)| id.sequence <= *floor)
    }
}

/// Everything a store holds, checked by the process that reads it.
pub(crate) fn look(config: &str) -> Outcome<Found> {
    let mut reader = Process::start(&["child-read", config])?;
    let (mut found, mut end) = (Found::default(), None);
    while let Some(line) = reader.line()? {
        if let Some((log, place)) = read_log(&line) {
            found.logs.insert(log, place);
            continue;
        }
        match read_held(&line) {
            Some((id, held)) if found.held.insert(id, held).is_none() => {}
            Some((id, _)) => return Err(format!("{id} is stored twice").into()),
            None => end = line.strip_prefix("end ").and_then(|count| count.parse().ok()),
        }
    }
    reader.finish()?;
    if end == Some(found.held.len()) { Ok(found) } else { Err("the reader lost count".into()) }
}
