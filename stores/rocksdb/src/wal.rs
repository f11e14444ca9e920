//! Looks at RocksDB's log before RocksDB does, for damage that must not be passed over.
//!
//! When replaying, RocksDB stops at the first record that is not whole, as it must: power loss leaves
//! such a record at the end. But a bit that went bad in the middle looks the same to it, and everything
//! behind would be dropped without a word: entries that were acknowledged, and sequences that would be
//! given out again. In a store that syncs every batch the two can be told apart, because the next batch
//! is written only after the one before was synced: *a whole record that begins behind the damage proves
//! that what is damaged was acknowledged*. The rest of one torn batch does not begin a record.
//!
//! The format: blocks of 32 KiB; in them records of a checksum (4 bytes), a length (2), a type (1) and
//! that many bytes; no record spans blocks, a batch goes in one of type 1 or in several of types 2, 3…, 4. It
//! begins with the sequence number of its first row (8) and how many there are (4); the next one counts on.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::crc32c::masked;

const BLOCK: usize = 32 << 10;
const HEADER: usize = 7;
const FULL: u8 = 1;
const FIRST: u8 = 2;
const MIDDLE: u8 = 3;
const LAST: u8 = 4;

/// Whether records that were acknowledged are damaged, given that each batch was synced before the next
/// one was written. Says in which file.
///
/// # Errors
/// A file could not be read.
pub(crate) fn damaged(directory: &Path) -> io::Result<Option<PathBuf>> {
    let mut newest = None;
    let mut spoilt: Option<PathBuf> = None;
    for path in logs(directory)? {
        let seen = look(File::open(&path)?, newest)?;
        if seen.begins_behind_damage || (seen.begins && spoilt.is_some()) {
            return Ok(spoilt.or(Some(path)));
        }
        newest = seen.newest;
        // One that merely ends too early was cut when the disk was full, and what it held was refused.
        if seen.damage == Some(Damage::Spoilt) {
            spoilt = Some(path);
        }
    }
    Ok(None)
}

/// What must be cut off the logs for what is left to be whole batches without one missing between: files,
/// newest first, and how many of their bytes stay. `short` is the number of the oldest file known to be shorter
/// than it was, or gone. With `tails` what merely ends too early is cut as well.
///
/// # Errors
/// A file could not be read.
pub(crate) fn beyond_damage(
    directory: &Path,
    short: Option<u64>,
    tails: bool,
) -> io::Result<Vec<(PathBuf, u64)>> {
    let (mut cuts, mut ended) = (Vec::new(), false);
    let (mut newest, mut next) = (None, None);
    for path in logs(directory)? {
        let seen = look(File::open(&path)?, newest)?;
        ended |= next.zip(seen.first).is_some_and(|(next, first)| first > next);
        ended |= number(&path).zip(short).is_some_and(|(number, short)| number > short);
        let spoilt = seen.damage == Some(Damage::Spoilt);
        let keep = match ended {
            true => 0,
            false if spoilt || tails => seen.sound,
            false => seen.at,
        };
        // Where the next one goes on without a batch missing, what is spoilt was never answered for.
        ended |= spoilt && seen.next.or(next).is_none();
        newest = seen.newest;
        if seen.begins {
            next = seen.next;
        }
        if keep < seen.at {
            cuts.push((path, keep));
        }
    }
    cuts.reverse();
    Ok(cuts)
}

/// The log files, oldest first.
fn logs(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut logs = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            logs.push(path);
        }
    }
    // Numbers are padded to six digits and grow beyond.
    logs.sort_by_key(|path| (path.as_os_str().len(), path.clone()));
    Ok(logs)
}

fn number(log: &Path) -> Option<u64> {
    log.file_stem()?.to_str()?.parse().ok()
}

/// What was seen in one file.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    /// A batch begins in it.
    begins: bool,
    /// Sequence number of the last batch, of this file or one before.
    newest: Option<u64>,
    damage: Option<Damage>,
    begins_behind_damage: bool,
    /// Sequence number of the first batch that begins here, and of the one that comes after the last;
    /// `None` where a batch is cut so that it cannot be told.
    first: Option<u64>,
    next: Option<u64>,
    /// Bytes that were looked at.
    at: u64,
    /// Where the last batch before any damage ends.
    sound: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    /// The file ends before its last record does.
    Cut,
    /// Something is no record.
    Spoilt,
}

fn look(file: File, newest: Option<u64>) -> io::Result<Seen> {
    let mut left = file.metadata()?.len();
    let mut file = io::BufReader::with_capacity(BLOCK, file);
    let mut seen = Seen { newest, ..Seen::default() };
    let mut block = vec![0; BLOCK];
    while left > 0 {
        let size = left.min(BLOCK as u64) as usize;
        file.read_exact(&mut block[..size])?;
        left -= size as u64;
        seen.block(&block[..size], left == 0);
    }
    Ok(seen)
}

impl Seen {
    fn block(&mut self, block: &[u8], last: bool) {
        let mut rest = block;
        while rest.len() >= HEADER {
            if let Some((kind, body)) = self.record(rest) {
                self.note(kind, body);
                rest = &rest[HEADER + body.len()..];
                if self.damage.is_none() && !matches!(kind, FIRST | MIDDLE) {
                    self.sound = self.at + (block.len() - rest.len()) as u64;
                }
                continue;
            }
            if self.damage.is_none() {
                let cut = last && (goes_beyond(rest) || rest.iter().all(|byte| *byte == 0));
                self.damage = Some(if cut { Damage::Cut } else { Damage::Spoilt });
            }
            // The next one begins anywhere: the length that says where may be what is damaged.
            rest = &rest[1..];
        }
        self.at += block.len() as u64;
    }

    /// The record that begins here, if it is whole. Kinds other than those of batches are notes RocksDB
    /// makes between them.
    fn record<'b>(&self, bytes: &'b [u8]) -> Option<(u8, &'b [u8])> {
        let kind = bytes[6];
        let possible = if self.damage.is_some() { is_of_batch(kind) } else { kind != 0 };
        let checked = bytes.get(6..HEADER + length(bytes)).filter(|_| possible)?;
        let sum = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        (masked(checked) == sum).then(|| (kind, &checked[1..]))
    }

    fn note(&mut self, kind: u8, body: &[u8]) {
        if !matches!(kind, FULL | FIRST) {
            return;
        }
        let Some(sequence) = body.first_chunk() else { return self.next = None };
        let sequence = u64::from_le_bytes(*sequence);
        if self.damage.is_none() {
            let count = body[8..].first_chunk().map(|count| u64::from(u32::from_le_bytes(*count)));
            self.next = count.and_then(|count| sequence.checked_add(count));
            self.first = self.first.or((!self.begins).then_some(sequence));
            self.begins = true;
            self.newest = Some(sequence);
        } else {
            // The bytes of an entry may look like a record; the log counts on from where it was.
            self.begins_behind_damage |= self.newest.is_none_or(|newest| sequence > newest);
        }
    }
}

fn length(bytes: &[u8]) -> usize {
    usize::from(u16::from_le_bytes([bytes[4], bytes[5]]))
}

fn is_of_batch(kind: u8) -> bool {
    (FULL..=LAST).contains(&kind)
}

/// Whether a record begins here that is longer than what is left.
fn goes_beyond(bytes: &[u8]) -> bool {
    is_of_batch(bytes[6]) && HEADER + length(bytes) > bytes.len()
}
