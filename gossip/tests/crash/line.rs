//! What children print, a line each.

use std::collections::BTreeMap;

use gossip::proto::{Arrival, PayloadHash, Seq};
use gossip::{EntryId, LogEntry, LogId, NodeId, Payload, Stamp};

use crate::VICTIM;

/// What an entry says: who wrote it, its stamp and the hash of its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Said {
    /// Written by the process that is killed.
    pub(crate) by_victim: bool,
    pub(crate) stamp: Stamp,
    pub(crate) hash: [u8; 32],
}

/// Entries by id.
pub(crate) type Contents = BTreeMap<EntryId, Said>;
/// What a store holds: entries with their arrival numbers.
pub(crate) type Held = BTreeMap<EntryId, (Said, Arrival)>;

impl Said {
    pub(crate) fn new(author: &NodeId, stamp: Stamp, payload: &Payload) -> Self {
        Self { by_victim: author.as_str() == VICTIM, stamp, hash: payload.hash().0 }
    }

    pub(crate) fn of(entry: &LogEntry) -> Self {
        Self::new(entry.author(), entry.stamp(), entry.content())
    }
}

/// An append of this payload was acknowledged under this id.
pub(crate) fn acknowledged(id: EntryId, payload: &[u8]) -> String {
    format!("ack {id} {}", hex(&PayloadHash::of(payload).0))
}

/// The store holds this entry.
pub(crate) fn held(id: EntryId, said: &Said, arrival: Arrival) -> String {
    format!("entry {id} {} {} {} {}", said.by_victim, said.stamp.bits(), arrival.0, hex(&said.hash))
}

/// The store knows this log, pruned up to here.
pub(crate) fn log(log: LogId, stream: &str, floor: Seq) -> String {
    format!("log {} {stream}", EntryId { log, sequence: floor })
}

pub(crate) fn read_log(line: &str) -> Option<(LogId, (String, Seq))> {
    let (floor, stream) = line.strip_prefix("log ")?.split_once(' ')?;
    let floor: EntryId = floor.parse().ok()?;
    Some((floor.log, (stream.to_owned(), floor.sequence)))
}

pub(crate) fn read_acknowledged(line: &str) -> Option<(EntryId, [u8; 32])> {
    let (id, hash) = line.strip_prefix("ack ")?.split_once(' ')?;
    Some((id.parse().ok()?, unhex(hash)?))
}

pub(crate) fn read_held(line: &str) -> Option<(EntryId, (Said, Arrival))> {
    let words: Vec<&str> = line.strip_prefix("entry ")?.split(' ').collect();
    let [id, by_victim, stamp, arrival, hash] = words[..] else { return None };
    let (by_victim, stamp) = (by_victim.parse().ok()?, Stamp::from_bits(stamp.parse().ok()?));
    let said = Said { by_victim, stamp, hash: unhex(hash)? };
    Some((id.parse().ok()?, (said, Arrival(arrival.parse().ok()?))))
}

fn hex(bytes: &[u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(bytes)
}
