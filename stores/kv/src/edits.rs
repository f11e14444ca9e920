//! What a write changes: worked out first, applied as one.

use std::borrow::Cow;

use bytes::Bytes;

use crate::engine::Table;

/// Changes in the order they are to be applied: a later one sees what earlier ones did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edits(Vec<Edit>);

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// Writes a value, new or changed.
    Put {
        /// Where.
        table: Table,
        /// Under which key.
        key: Vec<u8>,
        /// The value.
        value: Parts,
    },
    /// Removes a row; nothing happens when there is none.
    Delete {
        /// Where.
        table: Table,
        /// Under which key.
        key: Vec<u8>,
    },
    /// Removes all rows from a key up to, not including, another.
    DeleteRange {
        /// Where.
        table: Table,
        /// First key removed.
        from: Vec<u8>,
        /// First key above them that stays.
        to: Vec<u8>,
    },
}

/// A value in two parts, `front` then `rest`, so that an entry is not copied to put a hash before it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parts {
    /// What comes first.
    pub front: Vec<u8>,
    /// What follows.
    pub rest: Bytes,
}

impl Edits {
    /// Writes a value.
    pub fn put(&mut self, table: Table, key: impl Into<Vec<u8>>, value: impl Into<Parts>) {
        self.0.push(Edit::Put { table, key: key.into(), value: value.into() });
    }

    /// Removes a row.
    pub fn delete(&mut self, table: Table, key: impl Into<Vec<u8>>) {
        self.0.push(Edit::Delete { table, key: key.into() });
    }

    /// Removes the rows with `from <= key < to`.
    pub fn delete_range(&mut self, table: Table, from: impl Into<Vec<u8>>, to: impl Into<Vec<u8>>) {
        self.0.push(Edit::DeleteRange { table, from: from.into(), to: to.into() });
    }

    /// Whether nothing is to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The changes in order.
    pub fn iter(&self) -> impl Iterator<Item = &Edit> {
        self.0.iter()
    }
}

impl Edits {
    /// The changes as bytes, for engines that keep a journal.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for edit in &self.0 {
            let (kind, table, key) = match edit {
                Edit::Put { table, key, .. } => (0, table, key),
                Edit::Delete { table, key } => (1, table, key),
                Edit::DeleteRange { table, from, .. } => (2, table, from),
            };
            bytes.extend_from_slice(&[kind, *table as u8]);
            put_part(&mut bytes, &[key]);
            match edit {
                Edit::Put { value, .. } => put_part(&mut bytes, &[&value.front, &value.rest]),
                Edit::DeleteRange { to, .. } => put_part(&mut bytes, &[to]),
                Edit::Delete { .. } => {}
            }
        }
        bytes
    }

    /// The changes from bytes; `None` when they are damaged.
    #[must_use]
    pub fn decode(mut bytes: &[u8]) -> Option<Self> {
        let mut edits = Self::default();
        while let Some(([kind, table], rest)) = bytes.split_first_chunk() {
            bytes = rest;
            let table = *Table::ALL.get(usize::from(*table))?;
            let key = take_part(&mut bytes)?;
            match kind {
                0 => edits.put(table, key, take_part(&mut bytes)?),
                1 => edits.delete(table, key),
                2 => edits.delete_range(table, key, take_part(&mut bytes)?),
                _ => return None,
            }
        }
        bytes.is_empty().then_some(edits)
    }
}

fn put_part(bytes: &mut Vec<u8>, parts: &[&[u8]]) {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    bytes.extend_from_slice(&(len as u64).to_be_bytes());
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
}

fn take_part<'b>(bytes: &mut &'b [u8]) -> Option<&'b [u8]> {
    let (len, rest) = bytes.split_first_chunk()?;
    let (part, rest) = rest.split_at_checked(usize::try_from(u64::from_be_bytes(*len)).ok()?)?;
    *bytes = rest;
    Some(part)
}

impl Parts {
    /// Bytes in both parts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.front.len() + self.rest.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Both parts in one piece; copies only when both are there.
    #[must_use]
    pub fn joined(&self) -> Cow<'_, [u8]> {
        match (self.front.is_empty(), self.rest.is_empty()) {
            (_, true) => Cow::Borrowed(&self.front),
            (true, _) => Cow::Borrowed(&self.rest),
            _ => Cow::Owned([&self.front, &self.rest[..]].concat()),
        }
    }

    /// Writes both parts into a place of exactly [`Parts::len`] bytes.
    ///
    /// # Panics
    /// When the place has another size.
    pub fn write_to(&self, place: &mut [u8]) {
        let (front, rest) = place.split_at_mut(self.front.len());
        front.copy_from_slice(&self.front);
        rest.copy_from_slice(&self.rest);
    }
}

impl From<Vec<u8>> for Parts {
    fn from(front: Vec<u8>) -> Self {
        Self { front, rest: Bytes::new() }
    }
}

impl From<&[u8]> for Parts {
    fn from(front: &[u8]) -> Self {
        front.to_vec().into()
    }
}

impl From<Bytes> for Parts {
    fn from(rest: Bytes) -> Self {
        Self { front: Vec::new(), rest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_come_back_from_their_bytes_or_not_at_all() {
        let mut edits = Edits::default();
        edits.put(Table::Runs, "key", Parts { front: vec![1, 2], rest: Bytes::from_static(b"run") });
        edits.delete(Table::Meta, "open");
        edits.delete_range(Table::Arrivals, "a", "b");
        let bytes = edits.encode();
        let back = Edits::decode(&bytes).expect("whole");
        assert_eq!(back.encode(), bytes);
        let Some(Edit::Put { value, .. }) = back.iter().next() else { panic!("{back:?}") };
        assert_eq!(&*value.joined(), b"\x01\x02run");
        for cut in 1..bytes.len() {
            let part = Edits::decode(&bytes[..cut]).map(|part| part.iter().count());
            assert!(part.is_none_or(|count| count < 3), "cut at {cut}");
        }
    }
}
