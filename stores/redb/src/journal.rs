//! What was committed without a sync: redb keeps that in memory only, and it must outlive the process.
//!
//! A record is its length (8 bytes), a check (16) over generation, place and body, and the body: the
//! edits of one commit. The generation lies in the database and rises with each synced commit, in the
//! same transaction; records of an older generation are therefore in the database already and are
//! not read again. The file is never synced: power loss may take any part of it, and the first record
//! whose check does not hold ends it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use gossip_core::proto::PayloadHash;
use gossip_store_kv::Edits;

const FRONT: usize = 24;

/// From this size on a commit is synced, so that the journal begins anew.
pub(crate) const FULL: u64 = 32 << 20;

/// The journal file, empty or with what was applied since the last sync.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    generation: u64,
    end: u64,
    /// Behind the end lies something more, of this generation or an older one.
    leftover: bool,
}

impl Journal {
    /// Opens it, made when it does not exist, and reads what belongs to a generation.
    pub(crate) fn open(path: &Path, generation: u64) -> io::Result<(Self, Vec<Edits>)> {
        let mut file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let (mut edits, mut at) = (Vec::new(), 0);
        while let Some((edit, len)) = record(&bytes[at..], generation, at as u64) {
            edits.push(edit);
            at += len;
        }
        let leftover = at < bytes.len();
        if leftover {
            tracing::warn!(at, "the journal ends in what is no commit, as after a loss of power");
        }
        Ok((Self { file, generation, end: at as u64, leftover }, edits))
    }

    /// Whether nothing is in it. What lies behind a record that was torn is something: were it left there
    /// under the same generation, a new record of the length of the torn one would bring it back.
    pub(crate) fn is_empty(&self) -> bool {
        self.end == 0 && !self.leftover
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    pub(crate) fn len(&self) -> u64 {
        self.end
    }

    /// Writes a commit behind the others; returns where it began.
    pub(crate) fn append(&mut self, edits: &Edits) -> io::Result<u64> {
        let body = edits.encode();
        let begin = self.end;
        let mut bytes = Vec::with_capacity(FRONT + body.len());
        bytes.extend_from_slice(&(body.len() as u64).to_be_bytes());
        bytes.extend_from_slice(&check(self.generation, begin, &body));
        bytes.extend_from_slice(&body);
        self.file.seek(SeekFrom::Start(begin))?;
        self.file.write_all(&bytes)?;
        self.end = begin + bytes.len() as u64;
        Ok(begin)
    }

    /// Takes back what lies from a place on.
    pub(crate) fn take_back(&mut self, to: u64) -> io::Result<()> {
        self.file.set_len(to)?;
        self.end = to;
        Ok(())
    }

    /// Begins anew: everything is in the database, under the next generation.
    pub(crate) fn begin(&mut self, generation: u64) {
        (self.generation, self.end, self.leftover) = (generation, 0, false);
        // What stays is of an older generation and is not read again.
        if let Err(error) = self.file.set_len(0) {
            tracing::warn!(%error, "the journal could not be emptied");
        }
    }
}

fn record(bytes: &[u8], generation: u64, at: u64) -> Option<(Edits, usize)> {
    let (len, rest) = bytes.split_first_chunk()?;
    let (sum, rest) = rest.split_first_chunk::<16>()?;
    let len = usize::try_from(u64::from_be_bytes(*len)).ok()?;
    let body = rest.get(..len)?;
    let edits = Edits::decode(body).filter(|_| check(generation, at, body) == *sum)?;
    Some((edits, FRONT + len))
}

fn check(generation: u64, at: u64, body: &[u8]) -> [u8; 16] {
    let place = [generation.to_be_bytes(), at.to_be_bytes()].concat();
    let hash = PayloadHash::of(&[&place, &PayloadHash::of(body).0[..]].concat());
    let mut sum = [0; 16];
    sum.copy_from_slice(&hash.0[..16]);
    sum
}
