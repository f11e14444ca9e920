//! RocksDB without gossip, with the memory, buffers and background work the store of gossip has, and a
//! synced write-ahead log.

use std::path::Path;

use bytes::Bytes;
use rocksdb::{
    BlockBasedOptions, Cache, DB, DBCompressionType, IteratorMode, Options, WriteBatch, WriteBufferManager,
    WriteOptions,
};

use super::raw::{Key, Raw};
use crate::Outcome;

const MIB: usize = 1 << 20;
/// What the store is given by default; the rest follows from it as there.
const MEMORY: usize = 64 * MIB;

pub(super) struct RawRocksdb(DB);

impl RawRocksdb {
    pub(super) fn open(place: &Path) -> Outcome<Self> {
        Ok(Self(DB::open(&options(), place.join("raw"))?))
    }
}

/// As the store of gossip sets it up, with rows in the tables.
pub(crate) fn options() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    let cache = Cache::new_lru_cache(MEMORY);
    let manager = WriteBufferManager::new_write_buffer_manager_with_cache(MEMORY / 2, false, cache.clone());
    options.set_write_buffer_manager(&manager);
    options.set_max_total_wal_size((MEMORY / 2) as u64);
    options.set_write_buffer_size(MEMORY / 8);
    options.set_max_write_buffer_number(3);
    options.set_max_bytes_for_level_base(MEMORY as u64);
    options.set_target_file_size_base((MEMORY / 4) as u64);
    options.set_max_background_jobs(2);
    options.set_bytes_per_sync(MIB as u64);
    options.set_compression_type(DBCompressionType::None);
    // As the store; no row measured here is so large, so they stay in the tables.
    options.set_enable_blob_files(true);
    options.set_min_blob_size(4 << 10);
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(&cache);
    blocks.set_block_size(16 << 10);
    options.set_block_based_table_factory(&blocks);
    options
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
