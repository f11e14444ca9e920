//! Finding, creating and recognising the file.

use std::fs::{self, File, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use gossip_core::proto::Fault;
use gossip_core::{StoreError, StoreResult};
use redb::{Builder, Database, DatabaseError, ReadableDatabase, StorageError, TableHandle};

use crate::fault::{Failure, of_io};
use crate::tables::{ALL, META, META_FORMAT, META_INCARNATION, meta_number};

/// Name of the file inside the store's directory.
pub const FILE_NAME: &str = "gossip.redb";

/// A store that is being made; whoever makes it holds the lock.
const UNFINISHED: &str = "gossip.redb.new";
const LOCK: &str = "gossip.redb.lock";

/// Version of what lies where in the file. A store of another version is refused.
pub const FORMAT: u64 = 1;

/// Most memory redb keeps pages in; its own default of 1 GiB is not for phones.
const CACHE_BYTES: usize = 32 << 20;

const OPENING: &str = "opening the store";

/// Opens the file in `directory`, both made when they do not exist.
pub(crate) fn open(directory: &Path) -> StoreResult<Database> {
    make(directory).map_err(|error| refused(of_directory(&error), directory, &error))?;
    let path = directory.join(FILE_NAME);
    if !exists(&path)? {
        make_file(directory, &path)?;
    }
    open_file(&path)
}

/// Opens the file again that was open before. A disk that went away must not come back as an
/// empty store.
pub(crate) fn open_again(directory: &Path) -> StoreResult<Database> {
    let path = directory.join(FILE_NAME);
    if !exists(&path)? {
        return Err(refused(Fault::Transient, &path, &"the file of the store is gone"));
    }
    open_file(&path)
}

/// A failure to look is not a "no": a store must not be made over one that is there.
fn exists(path: &Path) -> StoreResult<bool> {
    path.try_exists().map_err(|error| refused(of_io(&error), path, &error))
}

/// Makes the file beside its place and moves it there when it is whole: redb takes a file that it
/// could not finish, because the process was killed, for one of somebody else.
fn make_file(directory: &Path, path: &Path) -> StoreResult<()> {
    let failed = |error: io::Error| refused(of_io(&error), directory, &error);
    let (unfinished, lock) = (directory.join(UNFINISHED), directory.join(LOCK));
    let maker = File::create(&lock).map_err(failed)?;
    // Where files cannot be locked this is left to redb.
    if let Err(TryLockError::WouldBlock) = maker.try_lock() {
        return Err(refused(Fault::Rejected, path, &"it is just being made by someone else"));
    }
    if !exists(path)? {
        match fs::remove_file(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => drop(open_file(&unfinished)?),
        }
        fs::rename(&unfinished, path).map_err(failed)?;
    }
    // A new file is there after power loss only once its directory says so.
    if cfg!(unix) {
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)?;
    }
    // Whoever waits with it finds the file when it gets it.
    let _ = fs::remove_file(&lock);
    Ok(())
}

fn open_file(path: &Path) -> StoreResult<Database> {
    // redb checks what it reads, but not everywhere without a panic; a damaged file is foreign
    // input and must not end the process.
    let opened = catch_unwind(AssertUnwindSafe(|| {
        let database = Builder::new().set_cache_size(CACHE_BYTES).create(path);
        let database = database.map_err(|error| of_database(path, error))?;
        prepare(&database).map_err(|failure| failure.into_store_error(OPENING))?;
        Ok(database)
    }));
    opened.unwrap_or_else(|_| Err(refused(Fault::Corrupt, path, &"the file is damaged")))
}

fn make(directory: &Path) -> io::Result<()> {
    if directory.exists() && !directory.is_dir() {
        let why = "there is a file where the store's directory should be";
        return Err(io::Error::new(io::ErrorKind::NotADirectory, why));
    }
    fs::create_dir_all(directory)
}

fn of_directory(error: &io::Error) -> Fault {
    use io::ErrorKind::{AlreadyExists, InvalidInput, NotADirectory, NotFound};
    match error.kind() {
        NotADirectory | AlreadyExists | InvalidInput | NotFound => Fault::Rejected,
        _ => of_io(error),
    }
}

fn of_database(path: &Path, error: DatabaseError) -> StoreError {
    match &error {
        DatabaseError::DatabaseAlreadyOpen => {
            let why = "it is open already, in another process or by another handle of this one";
            refused(Fault::Rejected, path, &why)
        }
        DatabaseError::UpgradeRequired(version) => {
            let why = format!("redb file format {version} is from another time than this program");
            refused(Fault::Rejected, path, &why)
        }
        DatabaseError::RepairAborted | DatabaseError::Storage(StorageError::Corrupted(_)) => {
            refused(Fault::Corrupt, path, &error)
        }
        DatabaseError::Storage(StorageError::Io(cause)) => refused(of_io(cause), path, &error),
        _ => refused(Fault::Transient, path, &error),
    }
}

fn refused(fault: Fault, path: &Path, why: &dyn std::fmt::Display) -> StoreError {
    StoreError::new(fault, OPENING, format!("{}: {why}", path.display()))
}

/// Checks the format of a store, or lays out a new one.
pub(crate) fn prepare(database: &Database) -> Result<(), Failure> {
    let reading = database.begin_read()?;
    let tables: Vec<_> = reading.list_tables()?.map(|table| table.name().to_owned()).collect();
    if tables.is_empty() {
        return lay_out(database);
    }
    if !tables.iter().any(|table| table == META.name()) {
        return Err(Failure::rejected("the file is a redb database, but not of gossip"));
    }
    match meta_number(&reading.open_table(META)?, META_FORMAT)? {
        FORMAT => Ok(()),
        other => Err(Failure::rejected(format!(
            "the store has format {other}, this version of gossip reads format {FORMAT}"
        ))),
    }
}

fn lay_out(database: &Database) -> Result<(), Failure> {
    // The standard library seeds these keys from the operating system: random enough to tell
    // stores apart, without a further crate and without a way to fail.
    let incarnation = RandomState::new().hash_one("store incarnation");
    let writing = database.begin_write()?;
    for table in ALL {
        writing.open_table(table)?;
    }
    {
        let mut meta = writing.open_table(META)?;
        meta.insert(META_FORMAT, &FORMAT.to_be_bytes()[..])?;
        meta.insert(META_INCARNATION, &incarnation.to_be_bytes()[..])?;
    }
    writing.commit()?;
    Ok(())
}
