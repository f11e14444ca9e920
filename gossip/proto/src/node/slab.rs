//! Values by number.

use std::num::NonZeroU32;

/// Values allocated at once.
const CHUNK: usize = 64;

/// Where a value of a slab lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct At(NonZeroU32);

impl At {
    /// Four billion values would be hundreds of gigabytes.
    fn new(index: usize) -> Self {
        Self(NonZeroU32::MIN.saturating_add(index as u32))
    }

    fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// Values that keep their place until they are removed. It grows by chunks: nothing is moved, and next to
/// nothing is held in reserve, where a vector would hold up to as much again.
#[derive(Debug)]
pub(super) struct Slab<T> {
    chunks: Vec<Vec<Option<T>>>,
    free: Vec<At>,
    len: usize,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), free: Vec::new(), len: 0 }
    }
}

impl<T> Slab<T> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, at: At) -> Option<&T> {
        self.chunks.get(at.index() / CHUNK)?.get(at.index() % CHUNK)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, at: At) -> Option<&mut T> {
        self.chunks.get_mut(at.index() / CHUNK)?.get_mut(at.index() % CHUNK)?.as_mut()
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flatten().flatten()
    }

    pub(super) fn insert(&mut self, value: T) -> At {
        self.len += 1;
        if let Some(at) = self.free.pop() {
            self.chunks[at.index() / CHUNK][at.index() % CHUNK] = Some(value);
            return at;
        }
        let full = self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK);
        if full {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let last = self.chunks.len() - 1;
        self.chunks[last].push(Some(value));
        At::new(last * CHUNK + self.chunks[last].len() - 1)
    }

    pub(super) fn remove(&mut self, at: At) -> Option<T> {
        let value = self.chunks.get_mut(at.index() / CHUNK)?.get_mut(at.index() % CHUNK)?.take()?;
        self.free.push(at);
        self.len -= 1;
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_used_again_when_its_value_is_gone() {
        let mut slab = Slab::default();
        let places: Vec<At> = (0..200).map(|value| slab.insert(value)).collect();
        assert_eq!(slab.remove(places[70]), Some(70));
        assert_eq!((slab.remove(places[70]), slab.len()), (None, 199));
        assert_eq!(slab.get(places[70]), None);
        assert_eq!(slab.insert(7), places[70]);
        assert_eq!((slab.get(places[70]), slab.get(places[199])), (Some(&7), Some(&199)));
        assert!(slab.values().copied().eq((0..70).chain([7]).chain(71..200)));
    }
}
