//! Logs in the order of their ids, in little more than eight bytes each.

use std::cmp::Ordering;
use std::ops::Bound;

use super::log::Log;
use super::slab::{At, Slab};
use crate::LogId;

/// Most logs in a chunk: moving half of it aside takes a tenth of a microsecond.
const CHUNK: usize = 512;

/// Where logs lie in a table, in the order of their ids: a B-tree of two levels (Bayer, McCreight 1972).
/// Of an id only the first bytes are kept here; where they are alike the table is asked.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// None is empty.
    chunks: Vec<Vec<Entry>>,
    len: usize,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    prefix: u32,
    at: At,
}

impl Entry {
    fn compare(&self, rows: &Slab<Log>, id: &LogId) -> Ordering {
        let id_here = || rows.get(self.at).map(|log| log.id);
        self.prefix.cmp(&prefix(id)).then_with(|| id_here().cmp(&Some(*id)))
    }
}

fn prefix(id: &LogId) -> u32 {
    u32::from_be_bytes([id.0[0], id.0[1], id.0[2], id.0[3]])
}

impl Order {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Chunk and place of the first log that comes not before this one, or that comes after it.
    fn seek(&self, rows: &Slab<Log>, id: &LogId, after: bool) -> (usize, usize) {
        let comes_before = |entry: &Entry| match entry.compare(rows, id) {
            Ordering::Less => true,
            Ordering::Equal => after,
            Ordering::Greater => false,
        };
        let chunk = self.chunks.partition_point(|chunk| chunk.last().is_some_and(comes_before));
        (chunk, self.chunks.get(chunk).map_or(0, |chunk| chunk.partition_point(comes_before)))
    }

    pub(super) fn find(&self, rows: &Slab<Log>, id: &LogId) -> Option<At> {
        let (chunk, place) = self.seek(rows, id, false);
        let entry = self.chunks.get(chunk)?.get(place)?;
        entry.compare(rows, id).is_eq().then_some(entry.at)
    }

    /// Takes in a log of the table that is not here yet.
    pub(super) fn insert(&mut self, rows: &Slab<Log>, id: &LogId, at: At) {
        let (mut chunk, mut place) = self.seek(rows, id, false);
        if chunk == self.chunks.len() {
            match self.chunks.last() {
                Some(last) => (chunk, place) = (chunk - 1, last.len()),
                None => self.chunks.push(Vec::new()),
            }
        }
        let entries = &mut self.chunks[chunk];
        if entries.len() == entries.capacity() {
            // An eighth in reserve, not as much again.
            entries.reserve_exact((entries.len() / 8).max(4));
        }
        entries.insert(place, Entry { prefix: prefix(id), at });
        self.len += 1;
        if entries.len() > CHUNK {
            let upper = entries.split_off(CHUNK / 2);
            entries.shrink_to_fit();
            self.chunks.insert(chunk + 1, upper);
        }
    }

    /// Takes out a log that is still in the table.
    pub(super) fn remove(&mut self, rows: &Slab<Log>, id: &LogId) -> Option<At> {
        let (chunk, place) = self.seek(rows, id, false);
        let entries = self.chunks.get_mut(chunk)?;
        if entries.get(place)?.compare(rows, id).is_ne() {
            return None;
        }
        let gone = entries.remove(place);
        self.len -= 1;
        if entries.is_empty() {
            self.chunks.remove(chunk);
        }
        Some(gone.at)
    }

    /// All from a place on.
    pub(super) fn from(&self, rows: &Slab<Log>, from: Bound<LogId>) -> impl Iterator<Item = At> {
        let (chunk, place) = match from {
            Bound::Unbounded => (0, 0),
            Bound::Included(id) => self.seek(rows, &id, false),
            Bound::Excluded(id) => self.seek(rows, &id, true),
        };
        let mut chunks = self.chunks.iter().skip(chunk);
        let first = chunks.next().map_or(&[][..], |first| &first[place..]);
        first.iter().chain(chunks.flatten()).map(|entry| entry.at)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{ChannelId, Epoch, LogName, NodeId, Rng, StreamId};

    /// Of few different beginnings, so that the rest of an id matters.
    fn draw(rng: &mut Rng) -> LogId {
        let mut id = [0; 16];
        id[3] = rng.below(3) as u8;
        id[14..].copy_from_slice(&(rng.below(4_000) as u16).to_be_bytes());
        LogId(id)
    }

    fn row(id: LogId) -> Log {
        let (channel, stream) = (ChannelId::new("c").unwrap(), StreamId::new("s").unwrap());
        let author = NodeId::new("a").unwrap();
        let at = Slab::default().insert(());
        let name = LogName { channel, stream, author, epoch: Epoch::new(1, 1), branch: None };
        let mut log = Log::new(&name, at, at, None);
        log.id = id;
        log
    }

    #[test]
    fn whatever_comes_and_goes_it_is_in_order() {
        let (mut rows, mut order) = (Slab::default(), Order::default());
        let (mut model, mut rng) = (BTreeMap::new(), Rng::new(7));
        for step in 0..12_000 {
            let id = draw(&mut rng);
            assert_eq!(order.find(&rows, &id), model.get(&id).copied());
            // More come at first, then more go.
            let comes = rng.below(12_000) > step;
            match model.get(&id) {
                None if comes => {
                    let at = rows.insert(row(id));
                    order.insert(&rows, &id, at);
                    model.insert(id, at);
                }
                Some(at) if !comes => {
                    assert_eq!(order.remove(&rows, &id), Some(*at));
                    rows.remove(*at);
                    model.remove(&id);
                }
                _ => {}
            }
            assert_eq!(order.len(), model.len());
            if step % 100 == 0 {
                for from in [Bound::Unbounded, Bound::Included(id), Bound::Excluded(id)] {
                    let expected = model.range((from, Bound::Unbounded)).map(|(_, at)| *at);
                    assert!(order.from(&rows, from).eq(expected), "from {from:?} after {step} steps");
                }
            }
        }
        assert!(!order.chunks.iter().any(Vec::is_empty));
    }

    #[test]
    fn little_more_than_eight_bytes_are_taken_for_each() {
        let (mut rows, mut order, mut rng) = (Slab::default(), Order::default(), Rng::new(7));
        while order.len() < 8_000 {
            let id = draw(&mut rng);
            if order.find(&rows, &id).is_none() {
                let at = rows.insert(row(id));
                order.insert(&rows, &id, at);
            }
        }
        let room: usize = order.chunks.iter().map(Vec::capacity).sum();
        assert!(size_of::<Entry>() == 8 && room < order.len() * 9 / 8, "room for {room}");
    }
}
