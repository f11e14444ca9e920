//! The way out when the log is damaged: what is before the damage, as if it were a backup.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use gossip_core::StoreResult;
use gossip_core::proto::Fault;
use gossip_store_kv::{Engine, of_io, restored};
use rocksdb::{DB, Options};

use crate::fault::{OPENING, is_there_already, of_open, refuse, refused};
use crate::mark::sync_directory;
use crate::open::{is_there, open_database, open_files, path_of};
use crate::tuning::{Settings, Tuning};
use crate::wal;

/// There while salvaging is under way: what was saved must not be taken for everything.
const NAME: &str = "gossip-salvaging";

/// Makes a store that is refused because its log is damaged one that opens again: with everything up to the
/// first damage, each commit whole, and nothing of what came after it. It then is what a backup of that
/// moment would be: own logs go on under new epochs, so that no sequence ever names two entries, and what was
/// lost comes back from peers that hold it. Where tables on the disk are older than the rest, what is missing
/// is found by [`Coordinator::verify`](gossip_core::Coordinator::verify) and mended by `repair`.
///
/// Call it by hand, once, for a store that cannot be opened otherwise; entries that were acknowledged are given
/// up by it. A sound store loses nothing but its epochs. Blocks; ended in the midst it is to be called again,
/// and until then the store is refused as `Corrupt`.
///
/// Returns the damaged files, which are kept under names that end in `.damaged`.
///
/// # Errors
/// `Rejected`: there is no store, or it is open. `Corrupt`: more than the log is damaged. `Full` and `Transient`:
/// as [`OpenOptions::open`](crate::OpenOptions::open).
pub fn salvage(directory: impl AsRef<Path>) -> StoreResult<Vec<PathBuf>> {
    let path = path_of(directory.as_ref())?;
    if !is_there(&path)? {
        return refuse(Fault::Rejected, &path, &"there is no store to salvage");
    }
    refuse_open(&path)?;
    let failed = |error: io::Error| refused(of_io(&error), &path, &error);
    File::create(path.join(NAME)).and_then(|_| sync_directory(&path)).map_err(failed)?;
    // RocksDB does not come to an end with some damages: what is no record is cut off before it looks.
    let mut aside = cut_beyond_damage(&path, None, false).map_err(failed)?;
    aside.extend(cut_beyond_damage(&path, short_log(&path), true).map_err(failed)?);
    aside.sort_unstable();
    aside.dedup();
    let mut tuning = Tuning::new(&Settings::default());
    // What is missing is to be missing.
    tuning.database.set_track_and_verify_wals_in_manifest(false);
    let engine = open_database(path.clone(), tuning)?;
    let done = restored(&engine).and_then(|()| engine.close());
    done.map_err(|failure| failure.into_store_error(OPENING))?;
    fs::remove_file(path.join(NAME)).and_then(|()| sync_directory(&path)).map_err(failed)?;
    tracing::warn!(store = %path.display(), ?aside, "salvaged: the newest commits may be lost");
    Ok(aside)
}

/// Cuts off what is no record where that is lawful: the end of a log that was not synced, a batch that was being
/// written. RocksDB would pass over it, but for some damages it reads for ever instead.
pub(crate) fn drop_tail(path: &Path) -> io::Result<()> {
    for (file, keep) in wal::beyond_damage(path, None, false)? {
        tracing::warn!(file = %file.display(), keep, "the log ends in what is no commit, as after a loss of power");
        shorten(&file, keep)?;
    }
    Ok(())
}

/// Whether salvaging began and did not end.
pub(crate) fn is_under_way(path: &Path) -> io::Result<bool> {
    path.join(NAME).try_exists()
}

/// RocksDB looks for the lock before it says that it will not make what is there.
fn refuse_open(path: &Path) -> StoreResult<()> {
    let mut options = Options::default();
    options.set_error_if_exists(true);
    match DB::open(&options, path) {
        Err(error) if is_there_already(&error) => Ok(()),
        Err(error) => Err(of_open(path, &error)),
        Ok(_) => refuse(Fault::Rejected, path, &"there is no store to salvage"),
    }
}

/// The oldest log that is shorter than RocksDB remembers it, or gone: it checks that before anything else.
fn short_log(path: &Path) -> Option<u64> {
    let tuning = Tuning::new(&Settings::default());
    let error = open_files(&tuning, path, |options, path, families| {
        DB::open_cf_descriptors_read_only(options, path, families, false)
    });
    let text = error.err()?.into_string();
    let (_, number) = text.split_once("log number: ")?;
    number.split(|char: char| !char.is_ascii_digit()).next()?.parse().ok()
}

fn cut_beyond_damage(path: &Path, short: Option<u64>, tails: bool) -> io::Result<Vec<PathBuf>> {
    let cuts = wal::beyond_damage(path, short, tails)?;
    let aside = cuts.iter().map(|(file, keep)| cut(file, *keep)).collect::<io::Result<_>>()?;
    sync_directory(path)?;
    Ok(aside)
}

/// Cuts a file short; as it was it stays beside it, under a name RocksDB does not know.
fn cut(file: &Path, keep: u64) -> io::Result<PathBuf> {
    let mut aside = file.as_os_str().to_owned();
    aside.push(".damaged");
    let aside = PathBuf::from(aside);
    // One that is there is of an earlier cut.
    if !aside.try_exists()? {
        fs::copy(file, &aside)?;
        File::open(&aside)?.sync_all()?;
    }
    shorten(file, keep)?;
    Ok(aside)
}

fn shorten(file: &Path, keep: u64) -> io::Result<()> {
    let file = File::options().write(true).open(file)?;
    file.set_len(keep)?;
    file.sync_all()
}
