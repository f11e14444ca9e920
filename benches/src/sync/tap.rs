//! Stands between two parties and counts what they say: exact bytes on the connection, by kind of message.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Outcome;

/// What is said before channels are known to be shared: hello, ping, pong, channels, matches, rescan, and
/// paused and goodbye.
const HANDSHAKE: [u8; 8] = [1, 2, 3, 4, 5, 6, 12, 13];
/// The last word of it: both know what they share.
const MATCHES: u8 = 5;
/// Messages that carry runs: delta, push, runs.
const DATA: [u8; 3] = [10, 18, 22];
/// A part of a large message: what is in it is not looked at. Only large entries come so.
const PIECE: u8 = 0;
/// Length of the transport's hello, up to where it says how long the rest is.
const HELLO: usize = 8;

/// One frame. What the transport says itself has no kind.
#[derive(Debug, Clone, Copy)]
struct Seen {
    from_dialler: bool,
    kind: Option<u8>,
    bytes: u64,
}

/// What was said since the last look.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Said {
    /// Before channels were matched, what the transport says itself included.
    pub(super) handshake: u64,
    /// After that, with four bytes of length before each frame.
    pub(super) bytes: u64,
    pub(super) frames: u64,
    /// How often the direction changed until the first entries came, the way they came included: halves
    /// of round trips. What is said right behind the end of the handshake comes with it.
    pub(super) flights: u64,
}

/// A listener that passes everything on.
pub(super) struct Tap {
    pub(super) address: String,
    seen: Arc<Mutex<Log>>,
}

/// What passed.
#[derive(Debug, Default)]
struct Log {
    recent: Vec<Seen>,
    /// Bytes of all frames ever.
    bytes: u64,
}

impl Tap {
    /// Passes on to an address of the form `tcp://host:port`.
    pub(super) fn before(address: &str) -> Outcome<Self> {
        let target = address.strip_prefix("tcp://").ok_or("not TCP")?.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let tap = Self { address: format!("tcp://{}", listener.local_addr()?), seen: Arc::default() };
        let seen = tap.seen.clone();
        std::thread::spawn(move || {
            for dialler in listener.incoming() {
                join(dialler?, TcpStream::connect(&target)?, &seen)?;
            }
            Outcome::Ok(())
        });
        Ok(tap)
    }

    /// What was said since the last look.
    pub(super) fn take(&self) -> Said {
        let seen = std::mem::take(&mut lock(&self.seen).recent);
        let mut said = Said::default();
        let (mut last, mut data) = (None, false);
        for frame in seen {
            if frame.kind.is_none_or(|kind| HANDSHAKE.contains(&kind)) {
                said.handshake += frame.bytes;
                if frame.kind == Some(MATCHES) {
                    last = Some(frame.from_dialler);
                }
                continue;
            }
            said.bytes += frame.bytes;
            said.frames += 1;
            if !data && last.replace(frame.from_dialler) != Some(frame.from_dialler) {
                said.flights += 1;
            }
            data |= frame.kind.is_some_and(|kind| DATA.contains(&kind));
        }
        said
    }

    /// Bytes of all frames ever, with their lengths.
    pub(super) fn passed(&self) -> u64 {
        lock(&self.seen).bytes
    }
}

fn lock(seen: &Mutex<Log>) -> MutexGuard<'_, Log> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

fn join(dialler: TcpStream, listener: TcpStream, seen: &Arc<Mutex<Log>>) -> Outcome {
    for (from, to, from_dialler) in
        [(dialler.try_clone()?, listener.try_clone()?, true), (listener, dialler, false)]
    {
        let seen = seen.clone();
        to.set_nodelay(true)?;
        std::thread::spawn(move || {
            // A closed connection is no error here: whoever closed it knows why.
            let _ = pass(&from, &to, |kind, bytes| {
                let mut log = lock(&seen);
                log.recent.push(Seen { from_dialler, kind, bytes });
                log.bytes += if kind.is_some() { bytes } else { 0 };
            });
            let _ = to.shutdown(Shutdown::Write);
        });
    }
    Ok(())
}

/// Counts before passing on, so that an answer is never counted before what it answers.
fn pass(mut from: &TcpStream, mut to: &TcpStream, mut count: impl FnMut(Option<u8>, u64)) -> Outcome {
    let mut hello = vec![0; HELLO];
    from.read_exact(&mut hello)?;
    let rest = hello.last().copied().unwrap_or_default();
    hello.resize(HELLO + usize::from(rest), 0);
    from.read_exact(&mut hello[HELLO..])?;
    count(None, hello.len() as u64);
    to.write_all(&hello)?;
    loop {
        let mut frame = vec![0; 4];
        from.read_exact(&mut frame)?;
        let length = u32::from_be_bytes([frame[0], frame[1], frame[2], frame[3]]) as usize;
        frame.resize(4 + length, 0);
        from.read_exact(&mut frame[4..])?;
        let kind = match frame.get(4..6) {
            Some(&[head, kind]) => Some(if head & 0x0f == 0 { kind } else { PIECE }),
            // A sign of life of the transport.
            _ => None,
        };
        count(kind, frame.len() as u64);
        to.write_all(&frame)?;
    }
}
