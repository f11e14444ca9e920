//! Space of large runs that are there no longer, given back.
//!
//! Large runs lie in files of their own, which are deleted once nothing in them is in use. A file with a
//! little that still is stays, unless that little is moved: RocksDB does it while it compacts, from the
//! oldest files on, but if it is allowed to, it does so in every compaction, whether there is waste in
//! these files or not. So it is allowed to only while there is much waste, and then a compaction is asked
//! for, step by step: each keeps what it moves twice for a moment.

use rocksdb::{BottommostLevelCompaction, ColumnFamily, CompactOptions, DB, Error};

use crate::tables;

/// Less waste is left where it is.
const WORTH_BYTES: u64 = 4 << 20;

/// Of so many bytes in use and waste, one is waste when it is time.
const ONE_OF: u64 = 3;

/// Bytes of files that one step looks through.
const STEP_BYTES: u64 = 256 << 20;

/// Gives space back as long as there is much waste, and `go_on` says so; blocks.
///
/// # Errors
/// RocksDB refuses the change of its options, as it does when the disk is full.
pub(crate) fn collect(db: &DB, go_on: impl Fn() -> bool) -> Result<(), Error> {
    let family = tables::family(db, gossip_store_kv::Table::Runs);
    let mut steps = Waste::of(db, family)?.steps();
    while steps > 0 && go_on() {
        let waste = Waste::of(db, family)?;
        if !waste.is_much() {
            return Ok(());
        }
        step(db, family, waste.oldest())?;
        steps -= 1;
    }
    Ok(())
}

fn step(db: &DB, family: &ColumnFamily, oldest: f64) -> Result<(), Error> {
    let oldest = oldest.to_string();
    db.set_options_cf(family, &[(ALLOWED, "true"), ("blob_garbage_collection_age_cutoff", &oldest)])?;
    let mut options = CompactOptions::default();
    options.set_exclusive_manual_compaction(false);
    // Their keys are in the last level.
    options.set_bottommost_level_compaction(BottommostLevelCompaction::ForceOptimized);
    db.compact_range_cf_opt(family, None::<&[u8]>, None::<&[u8]>, &options);
    db.set_options_cf(family, &[(ALLOWED, "false")])
}

const ALLOWED: &str = "enable_blob_garbage_collection";

/// What the files of large runs hold.
#[derive(Debug, Clone, Copy)]
struct Waste {
    files: u64,
    bytes: u64,
    waste: u64,
}

impl Waste {
    fn of(db: &DB, family: &ColumnFamily) -> Result<Self, Error> {
        let number = |name: &str| Ok(db.property_int_value_cf(family, name)?.unwrap_or(0));
        Ok(Self {
            files: number("rocksdb.num-blob-files")?,
            bytes: number("rocksdb.live-blob-file-size")?,
            waste: number("rocksdb.live-blob-file-garbage-size")?,
        })
    }

    fn is_much(self) -> bool {
        self.waste >= WORTH_BYTES.max(self.bytes / ONE_OF)
    }

    /// As many as look through all files once.
    fn steps(self) -> u64 {
        self.bytes.div_ceil(STEP_BYTES)
    }

    /// The share of the files that is next; RocksDB rounds down to whole files.
    fn oldest(self) -> f64 {
        let files = (self.files * STEP_BYTES).div_ceil(self.bytes.max(1)) as f64 + 0.5;
        (files / self.files.max(1) as f64).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn much_is_a_third_and_some_megabytes() {
        let waste = |bytes: u64, waste: u64| Waste { files: 9, bytes: bytes << 20, waste: waste << 20 };
        assert!(!waste(6, 3).is_much());
        assert!(waste(12, 4).is_much());
        assert!(!waste(900, 299).is_much());
        assert!(waste(900, 300).is_much());
    }

    #[test]
    fn steps_go_once_through_all_files() {
        for (files, mib) in [(1, 5), (3, 300), (1000, 8000), (7, 100_000)] {
            let all = Waste { files, bytes: mib << 20, waste: 0 };
            let each = (all.oldest() * files as f64) as u64;
            assert!(each > 0 && each <= files, "{each} of {files}");
            assert!(all.steps() * each >= files, "{} times {each} of {files}", all.steps());
        }
    }
}
