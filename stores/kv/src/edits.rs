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
