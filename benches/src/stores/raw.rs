//! The engine without gossip: one row per entry, nothing else.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition};

use crate::Outcome;

/// Log and sequence.
pub(super) type Key = [u8; 24];

/// The key of an entry.
pub(super) fn key(log: usize, sequence: u64) -> Key {
    let mut key = [0; 24];
    key[8..16].copy_from_slice(&(log as u64).to_be_bytes());
    key[16..].copy_from_slice(&sequence.to_be_bytes());
    key
}

/// What a bare engine has to do here.
pub(super) trait Raw: Send + Sync {
    /// Writes a batch; on stable storage when it returns.
    fn put(&self, rows: &[(Key, Bytes)]) -> Outcome;
    /// Reads everything in order, into memory of the caller as gossip does; returns rows and bytes.
    fn scan(&self) -> Outcome<(u64, u64)>;
}

/// A map.
#[derive(Default)]
pub(super) struct RawMemory(Mutex<BTreeMap<Key, Bytes>>);

impl RawMemory {
    fn rows(&self) -> MutexGuard<'_, BTreeMap<Key, Bytes>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Raw for RawMemory {
    fn put(&self, rows: &[(Key, Bytes)]) -> Outcome {
        self.rows().extend(rows.iter().cloned());
        Ok(())
    }

    fn scan(&self) -> Outcome<(u64, u64)> {
        let rows = self.rows();
        Ok((rows.len() as u64, rows.values().map(|value| value.len() as u64).sum()))
    }
}

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("entries");

/// redb with its defaults.
pub(super) struct RawRedb(Database);

impl RawRedb {
    pub(super) fn open(place: &Path) -> Outcome<Self> {
        Ok(Self(Database::create(place.join("raw.redb"))?))
    }
}

impl Raw for RawRedb {
    fn put(&self, rows: &[(Key, Bytes)]) -> Outcome {
        let mut writing = self.0.begin_write()?;
        writing.set_durability(Durability::Immediate)?;
        {
            let mut table = writing.open_table(TABLE)?;
            for (key, value) in rows {
                table.insert(&key[..], &value[..])?;
            }
        }
        Ok(writing.commit()?)
    }

    fn scan(&self) -> Outcome<(u64, u64)> {
        let table = self.0.begin_read()?.open_table(TABLE)?;
        let (mut rows, mut bytes) = (0, 0);
        for row in table.iter()? {
            let (_, value) = row?;
            rows += 1;
            bytes += std::hint::black_box(Bytes::copy_from_slice(value.value())).len() as u64;
        }
        Ok((rows, bytes))
    }
}
