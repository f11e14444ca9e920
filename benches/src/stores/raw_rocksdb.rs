//! RocksDB without gossip: defaults but for memory, a synced write-ahead log.

use std::path::Path;

use bytes::Bytes;
use rocksdb::{DB, IteratorMode, Options, WriteBatch, WriteOptions};

use super::raw::{Key, Raw};
use crate::Outcome;

pub(super) struct RawRocksdb(DB);

impl RawRocksdb {
    pub(super) fn open(place: &Path) -> Outcome<Self> {
        let mut options = Options::default();
        options.create_if_missing(true);
        Ok(Self(DB::open(&options, place.join("raw"))?))
    }
}

impl Raw for RawRocksdb {
    fn put(&self, rows: &[(Key, Bytes)]) -> Outcome {
        let mut batch = WriteBatch::default();
        for (key, value) in rows {
            batch.put(key, value);
        }
        let mut durable = WriteOptions::default();
        durable.set_sync(true);
        Ok(self.0.write_opt(batch, &durable)?)
    }

    fn scan(&self) -> Outcome<(u64, u64)> {
        let (mut rows, mut bytes) = (0, 0);
        for row in self.0.iterator(IteratorMode::Start) {
            let (_, value) = row?;
            rows += 1;
            bytes += std::hint::black_box(&value).len() as u64;
        }
        Ok((rows, bytes))
    }
}
