//! How RocksDB is set up, and why.

use rocksdb::statistics::StatsLevel;
use rocksdb::{
    BlockBasedOptions, Cache, DBCompressionType, DBRecoveryMode, LogLevel, Options, WriteBufferManager,
};

use crate::options::Compression;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Runs of this size lie in files of their own; smaller ones cost more when read there one by one.
const BLOB: usize = 4 * KIB;

/// What can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Bytes of memory for what was read and for what is not yet in tables, together; less than
    /// [`Settings::LEAST_MEMORY`] is taken as that.
    pub memory: usize,
    /// What is done to make old entries smaller.
    pub compression: Compression,
}

impl Settings {
    /// Less memory cannot be worked with.
    pub const LEAST_MEMORY: usize = 4 * MIB;
}

impl Default for Settings {
    fn default() -> Self {
        Self { memory: 64 * MIB, compression: Compression::default() }
    }
}

/// Options of the database and of its column families, and what they share.
pub(crate) struct Tuning {
    pub(crate) database: Options,
    pub(crate) runs: Options,
    pub(crate) small: Options,
    /// Blocks read and, through the write buffer manager, everything not yet flushed: one bound.
    pub(crate) cache: Cache,
}

impl Tuning {
    pub(crate) fn new(settings: &Settings) -> Self {
        let memory = settings.memory.max(Settings::LEAST_MEMORY);
        let (settings, cache) = (Settings { memory, ..*settings }, Cache::new_lru_cache(memory));
        Self {
            database: database(&settings, &cache),
            runs: runs(&settings, &cache),
            small: small(&settings, &cache),
            cache,
        }
    }
}

fn database(settings: &Settings, cache: &Cache) -> Options {
    let mut options = Options::default();
    options.create_missing_column_families(true);
    options.set_paranoid_checks(true);
    // Stops at the first record of the log that is not whole, as power loss may leave it, and never
    // takes one behind it. Where what is lost by that was acknowledged is found out before: see `wal`.
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    // A log that was synced and closed and is now shorter, or gone, is damage.
    options.set_track_and_verify_wals_in_manifest(true);
    let buffers = settings.memory / 2;
    options.set_write_buffer_manager(&WriteBufferManager::new_write_buffer_manager_with_cache(
        buffers,
        false,
        cache.clone(),
    ));
    // What has to be replayed when opening. Also bounds how long few writes to one column family keep
    // the log of many to the other.
    options.set_max_total_wal_size(buffers as u64);
    // One flush and one compaction beside the app.
    options.set_max_background_jobs(2);
    // Hands files to the disk bit by bit, so that the sync of a commit does not wait for a whole one.
    options.set_bytes_per_sync(MIB as u64);
    // Files are deleted by background jobs, never by a reader that was the last to need one.
    options.set_avoid_unnecessary_blocking_io(true);
    options.set_max_open_files(256);
    options.set_max_manifest_file_size(4 * MIB);
    options.set_log_level(LogLevel::Warn);
    options.set_max_log_file_size(MIB);
    options.set_keep_log_file_num(2);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options.enable_statistics();
    options.set_statistics_level(StatsLevel::ExceptHistogramOrTimers);
    options
}

/// Runs: up to 64 KiB each, opaque, written once, read in order.
fn runs(settings: &Settings, cache: &Cache) -> Options {
    let mut options = family(settings);
    options.set_block_based_table_factory(&blocks(cache, 16 * KIB));
    // Runs of some size lie in files of their own and stay there: compactions move their keys. Smaller
    // ones lie in the tables; they will be joined, and what is replaced there leaves no waste.
    options.set_enable_blob_files(true);
    options.set_min_blob_size(BLOB as u64);
    // As much as one write buffer holds anyway; a step of `garbage` writes it again in such pieces.
    options.set_blob_file_size(settings.memory as u64 / 4);
    // A compaction of keys would write the oldest quarter of the runs again, each time: `garbage` says
    // when that is worth it.
    options.set_enable_blob_gc(false);
    if settings.compression == Compression::Lz4 {
        // Payloads are often encrypted or packed already, and then lz4 gives up quickly. Of the tables
        // only the last level, with nine tenths of the data, is worth trying: it is written seldom.
        options.set_bottommost_compression_type(DBCompressionType::Lz4);
        options.set_blob_compression_type(DBCompressionType::Lz4);
    }
    options
}

/// Heads, names, arrivals and records: small, looked up by key.
fn small(settings: &Settings, cache: &Cache) -> Options {
    let mut options = family(settings);
    let mut blocks = blocks(cache, 4 * KIB);
    // A commit looks for the head of every log it writes to; for a new log there is none to be found.
    blocks.set_bloom_filter(10.0, false);
    options.set_block_based_table_factory(&blocks);
    options
}

fn family(settings: &Settings) -> Options {
    let mut options = Options::default();
    let buffer = (settings.memory / 8).max(MIB);
    options.set_write_buffer_size(buffer);
    options.set_max_write_buffer_number(3);
    options.set_max_bytes_for_level_base(8 * buffer as u64);
    // Small files: what a compaction rewrites, and what a pruned range frees, comes in small pieces.
    options.set_target_file_size_base(2 * buffer as u64);
    options.set_compression_type(DBCompressionType::None);
    // Rows deleted one by one slow down whoever walks over them: a file with many is compacted soon.
    options.add_compact_on_deletion_collector_factory(4096, 2048, 0.5);
    options
}

fn blocks(cache: &Cache, size: usize) -> BlockBasedOptions {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    blocks.set_block_size(size);
    blocks.set_format_version(6);
    // Inside the bound, but not thrown out by a long scan.
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_cache_index_and_filter_blocks_with_high_priority(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    blocks
}
