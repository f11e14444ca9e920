//! The file: frames, one after the other, each with its length and a check.
//!
//! ```text
//! frame = length of the body: u32 LE, check, body
//! check = first 8 bytes of the BLAKE3 of the frame's place: u64 LE, and the BLAKE3 of the body
//! ```
//!
//! The place is part of it because bodies hold what others wrote: bytes that look like a frame are none
//! where they stand.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;

use gossip::proto::PayloadHash;
use gossip::{Fault, StoreError, StoreResult};

/// What a journal asks of its file. A test puts something worse in between.
pub trait Disk: Send {
    /// Writes at a place, all of it.
    fn write(&mut self, at: u64, bytes: &[u8]) -> io::Result<()>;
    /// Makes what was written durable.
    fn sync(&mut self) -> io::Result<()>;
    /// Forgets what is behind a length.
    fn cut(&mut self, length: u64) -> io::Result<()>;
}

impl Disk for File {
    fn write(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.seek(SeekFrom::Start(at))?;
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }
}

/// The frames of a file, and how to add one.
pub(super) struct Journal {
    disk: Box<dyn Disk>,
    /// Where the last frame begins and ends that is known to be durable.
    last: u64,
    pub(super) end: u64,
    /// Something may be behind the end: it has to go before the next frame is written.
    ragged: bool,
    /// Bytes written since it was opened.
    pub(super) written: u64,
}

impl Journal {
    /// Opens or creates the file and returns the bodies of its frames. What a crash left unfinished
    /// at the end is cut off; damage before the end is an error.
    pub(super) fn open(
        path: &Path,
        wrap: impl FnOnce(File) -> Box<dyn Disk>,
    ) -> StoreResult<(Self, Vec<Vec<u8>>)> {
        let opening = |error| because(of_io(&error), "opening the file", error);
        let mut file = open_file(path).map_err(opening)?;
        // Before it is read: what someone else is adding just now would be missed, and cut off below.
        file.try_lock().map_err(|error| because(Fault::Rejected, "locking the file", error))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(opening)?;
        let (mut frames, mut last, mut end) = (Vec::new(), 0, 0);
        while let Some(body) = frame(&bytes, end) {
            (last, end) = (end, end + HEADER + body.len());
            frames.push(body.to_vec());
        }
        // The last frame alone may be unfinished: all before it were durable before it was begun.
        if (end + 1..bytes.len()).any(|later| frame(&bytes, later).is_some()) {
            let why = format!("the frame at byte {end} is damaged, and sound ones follow");
            return Err(because(Fault::Corrupt, "reading the file", why));
        }
        // The last frame is believed from now on and may so far be in the cache of the system only,
        // marked clean by a sync that failed: it is written once more, so that the sync is about it.
        let settled = Disk::cut(&mut file, end as u64)
            .and_then(|()| Disk::write(&mut file, last as u64, &bytes[last..end]))
            .and_then(|()| file.sync_all());
        settled.map_err(|error| because(of_io(&error), "repairing the end of the file", error))?;
        let end = end as u64;
        Ok((Self { disk: wrap(file), last: end, end, ragged: false, written: 0 }, frames))
    }

    /// Adds a frame; durable on return. `Unknown` when only that failed, else nothing happened.
    pub(super) fn append(&mut self, body: &[u8]) -> StoreResult<()> {
        const DOING: &str = "appending to the file";
        let length = u32::try_from(body.len()).map_err(|_| because(Fault::Rejected, DOING, "over 4 GiB"))?;
        let frame = [&length.to_le_bytes()[..], &check(self.end, body), body].concat();
        if self.ragged {
            self.disk.cut(self.end).map_err(|error| because(of_io(&error), DOING, error))?;
        }
        self.ragged = true;
        self.disk.write(self.end, &frame).map_err(|error| because(of_io(&error), DOING, error))?;
        self.disk.sync().map_err(|error| because(Fault::Unknown, DOING, error))?;
        self.ragged = false;
        (self.last, self.end) = (self.end, self.end + frame.len() as u64);
        self.written += frame.len() as u64;
        Ok(())
    }

    /// Takes the last frame back: the next one is written over it.
    pub(super) fn take_back(&mut self) {
        (self.end, self.ragged) = (self.last, true);
    }
}

const HEADER: usize = 4 + 8;

/// The body of the frame that begins at this place of a file, if it is whole and sound.
fn frame(file: &[u8], at: usize) -> Option<&[u8]> {
    let (length, rest) = file.get(at..)?.split_first_chunk()?;
    let (sum, rest) = rest.split_first_chunk()?;
    let body = rest.get(..u32::from_le_bytes(*length) as usize)?;
    (check(at as u64, body) == *sum).then_some(body)
}

fn check(at: u64, body: &[u8]) -> [u8; 8] {
    let placed = [&at.to_le_bytes()[..], &PayloadHash::of(body).0].concat();
    let [a, b, c, d, e, f, g, h, ..] = PayloadHash::of(&placed).0;
    [a, b, c, d, e, f, g, h]
}

fn open_file(path: &Path) -> io::Result<File> {
    let is_new = !path.exists();
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    if let (true, Some(directory)) = (is_new, path.parent().filter(|parent| !parent.as_os_str().is_empty())) {
        // Else a power loss may take away the name of the file.
        fs::File::open(directory)?.sync_all()?;
    }
    Ok(file)
}

fn of_io(error: &io::Error) -> Fault {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Fault::Full,
        ErrorKind::NotFound | ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Fault::Rejected,
        _ => Fault::Transient,
    }
}

pub(super) fn because(
    fault: Fault,
    doing: &'static str,
    why: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreError {
    StoreError::new(fault, doing, why)
}
