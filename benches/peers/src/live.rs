//! One entry each millisecond, or when the one before has arrived if that takes longer: from just before it
//! is appended until the other side has applied it, over TCP on loopback between two threads that wait for
//! nothing else.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::meter::{Figure, Noise, PAYLOAD, used};

const ENTRIES: usize = 5_000;
const WARM_UP: usize = 500;
/// Entries held before.
pub(crate) const LOADED: usize = 10_000;

/// Measures with what turns a payload into a message and what takes a message in.
pub(crate) fn measure(
    figure: Figure,
    mut append: impl FnMut(Vec<u8>) -> Vec<u8>,
    mut apply: impl FnMut(&[u8]) + Send,
) -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut to = TcpStream::connect(listener.local_addr()?)?;
    to.set_nodelay(true)?;
    let (mut from, _) = listener.accept()?;
    let begin = Instant::now();
    let before = used();
    let (mut bytes, mut noise) = (0, Noise::new(77));
    let (applied, arrived) = std::sync::mpsc::sync_channel(1);
    let mut ages = std::thread::scope(|scope| -> Outcome<Vec<u64>> {
        let reader = scope.spawn(move || -> Outcome<Vec<u64>> {
            let mut ages = Vec::new();
            for _ in 0..ENTRIES + WARM_UP {
                let mut head = [0; 12];
                from.read_exact(&mut head)?;
                let (stamp, length) = head.split_at(8);
                let mut message = vec![0; u32::from_le_bytes(length.try_into()?) as usize];
                from.read_exact(&mut message)?;
                apply(&message);
                ages.push(begin.elapsed().as_nanos() as u64 - u64::from_le_bytes(stamp.try_into()?));
                applied.send(())?;
            }
            Ok(ages)
        });
        for number in 0..ENTRIES + WARM_UP {
            let due = Duration::from_millis(number as u64);
            std::thread::sleep(due.saturating_sub(begin.elapsed()));
            let payload = noise.payload();
            let stamp = begin.elapsed().as_nanos() as u64;
            let message = append(payload);
            bytes += message.len();
            let mut frame = stamp.to_le_bytes().to_vec();
            frame.extend((message.len() as u32).to_le_bytes());
            frame.extend(message);
            to.write_all(&frame)?;
            arrived.recv()?;
        }
        reader.join().map_err(|_| "the reader ended")?
    })?;
    let each = (ENTRIES + WARM_UP) as f64;
    let cpu = (used() - before).div_f64(each);
    let mut ages = ages.split_off(WARM_UP);
    ages.sort_unstable();
    let age = |of_a_hundred: usize| ages[ages.len() * of_a_hundred / 100] as f64 / 1e3;
    figure.per_entry(bytes as f64 / each, PAYLOAD).cpu(cpu).times(age(50), age(99)).print()
}
