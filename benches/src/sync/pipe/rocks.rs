//! The cold pipeline on bare RocksDB.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc;

use rocksdb::{DB, IteratorMode, WriteBatch};

use crate::Outcome;
use crate::payload::payload;
use crate::stores::bare_options;

/// A frame is sent once it has so many bytes.
const FRAME: usize = 256 << 10;
/// Frames received and not yet written.
const WAITING: usize = 8;
/// Rows in a batch of [`fill`].
const BATCH: u64 = 1000;

/// Log and sequence.
type Key = [u8; 24];

fn key(log: usize, sequence: u64) -> Key {
    let mut key = [0; 24];
    key[..8].copy_from_slice(&(log as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    key[16..].copy_from_slice(&sequence.to_be_bytes());
    key
}

/// Where rows are written to.
pub(super) struct Rows(DB);

impl Rows {
    pub(super) fn open(place: &Path) -> Outcome<Self> {
        Ok(Self(DB::open(&bare_options(), place)?))
    }

    pub(super) fn put(&self, number: u64, value: &[u8]) -> Outcome {
        Ok(self.0.put(key(0, number), value)?)
    }
}

pub(super) fn fill(place: &Path, authors: usize, entries: u64, bytes: usize) -> Outcome {
    let rows = DB::open(&bare_options(), place)?;
    for first in (0..entries).step_by(BATCH as usize) {
        let mut batch = WriteBatch::default();
        for number in first..(first + BATCH).min(entries) {
            let key = key(number as usize % authors, number / authors as u64 + 1);
            batch.put(key, payload(number as usize, bytes));
        }
        rows.write(batch)?;
    }
    Ok(rows.flush()?)
}

/// Opens the rows, and sends them to the first who connects to the address returned.
pub(super) fn serve(place: &Path) -> Outcome<String> {
    let rows = DB::open(&bare_options(), place)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    // The receiver sees how it ends.
    std::thread::spawn(move || listener.accept().map_err(Into::into).and_then(|(to, _)| send(&rows, to)));
    Ok(address)
}

/// Frame: length, then stretches of one log: key of the first row, number of rows, and for each row its
/// length and bytes.
fn send(rows: &DB, mut to: TcpStream) -> Outcome {
    to.set_nodelay(true)?;
    let mut frame = Vec::with_capacity(FRAME + 4096);
    let mut stretch: Option<(Key, u64, usize)> = None;
    for row in rows.iterator(IteratorMode::Start) {
        let (row_key, value) = row?;
        let row_key: Key = (&*row_key).try_into()?;
        if frame.len() >= FRAME {
            flush(&mut frame, stretch.take(), &mut to)?;
        }
        let next = stretch.map(|(first, count, _)| {
            let sequence = u64::from_be_bytes(first[16..].try_into().unwrap_or_default());
            (first[..16] == row_key[..16]).then_some(sequence + count)
        });
        if next.flatten() != Some(u64::from_be_bytes(row_key[16..].try_into()?)) {
            end(&mut frame, stretch.take());
            frame.extend_from_slice(&row_key);
            stretch = Some((row_key, 0, frame.len()));
            frame.extend_from_slice(&[0; 4]);
        }
        if let Some((_, count, _)) = &mut stretch {
            *count += 1;
        }
        frame.extend_from_slice(&(value.len() as u16).to_be_bytes());
        frame.extend_from_slice(&value);
    }
    flush(&mut frame, stretch, &mut to)?;
    Ok(to.write_all(&0_u32.to_be_bytes())?)
}

/// Writes down how many rows a stretch has.
fn end(frame: &mut [u8], stretch: Option<(Key, u64, usize)>) {
    if let Some((_, count, at)) = stretch {
        frame[at..at + 4].copy_from_slice(&(count as u32).to_be_bytes());
    }
}

fn flush(frame: &mut Vec<u8>, stretch: Option<(Key, u64, usize)>, to: &mut TcpStream) -> Outcome {
    end(frame, stretch);
    to.write_all(&(frame.len() as u32).to_be_bytes())?;
    to.write_all(frame)?;
    frame.clear();
    Ok(())
}

/// Takes everything in; when it returns the operating system has it, as with a buffered store of gossip.
pub(super) fn receive(address: &str, Rows(rows): Rows) -> Outcome {
    let mut from = TcpStream::connect(address)?;
    let (sender, frames) = mpsc::sync_channel::<Vec<u8>>(WAITING);
    let writer = std::thread::spawn(move || -> Outcome {
        for frame in frames {
            write(&rows, &frame)?;
        }
        Ok(())
    });
    loop {
        let mut length = [0; 4];
        from.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length) as usize;
        if length == 0 {
            break;
        }
        let mut frame = vec![0; length];
        from.read_exact(&mut frame)?;
        sender.send(frame)?;
    }
    drop(sender);
    writer.join().map_err(|_| "the writer ended")?
}

fn write(rows: &DB, mut frame: &[u8]) -> Outcome {
    let mut batch = WriteBatch::default();
    while let Some((first, rest)) = frame.split_first_chunk::<24>() {
        let (count, rest) = rest.split_first_chunk::<4>().ok_or("a frame was cut")?;
        let mut key = *first;
        let first = u64::from_be_bytes(key[16..].try_into()?);
        frame = rest;
        for sequence in (first..).take(u32::from_be_bytes(*count) as usize) {
            let (length, rest) = frame.split_first_chunk::<2>().ok_or("a frame was cut")?;
            let length = usize::from(u16::from_be_bytes(*length));
            let (value, rest) = rest.split_at_checked(length).ok_or("a frame was cut")?;
            key[16..].copy_from_slice(&sequence.to_be_bytes());
            batch.put(key, value);
            frame = rest;
        }
    }
    Ok(rows.write(batch)?)
}
