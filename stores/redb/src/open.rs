//! Finding, creating and recognising the file.

use std::fs::{self, File, TryLockError};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gossip_core::proto::Fault;
use gossip_core::{StoreError, StoreResult};
use gossip_store_kv::{Engine, Failure, Opener, Opening, Table, lay_out, of_io};
use redb::backends::FileBackend;
use redb::{Builder, Database, DatabaseError, ReadableDatabase, StorageBackend, StorageError, TableHandle};

use crate::disk::{Disk, Ledger};
use crate::engine::Redb;
use crate::fault::before;
use crate::options::Tuning;

/// Name of the file inside the store's directory.
pub const FILE_NAME: &str = "gossip.redb";

/// A store that is being made; whoever makes it holds the lock.
const UNFINISHED: &str = "gossip.redb.new";
const LOCK: &str = "gossip.redb.lock";

/// What was committed and not synced yet.
const JOURNAL: &str = "gossip.redb.journal";

/// There while a sync failed and what was to be synced was not yet written again.
const DOUBT: &str = "gossip.redb.doubt";

const OPENING: &str = "opening the store";

/// Opens the file in a directory, both made when they do not exist the first time. A disk that went
/// away must not come back as an empty store.
pub(crate) fn opener(directory: PathBuf, options: Tuning) -> Opener<Redb> {
    opener_on(directory, options, |file| file)
}

/// The same with something between redb and its file: tests let it fail.
pub(crate) fn opener_on<B: StorageBackend>(
    directory: PathBuf,
    options: Tuning,
    between: impl Fn(FileBackend) -> B + Send + 'static,
) -> Opener<Redb> {
    let ledger = Arc::new(Ledger::new(directory.join(DOUBT)));
    let place = Place { directory, options, ledger, between };
    Box::new(move |opening| match opening {
        Opening::First => place.open(),
        Opening::Again => place.open_again(),
    })
}

struct Place<F> {
    directory: PathBuf,
    options: Tuning,
    ledger: Arc<Ledger>,
    between: F,
}

impl<B: StorageBackend, F: Fn(FileBackend) -> B> Place<F> {
    fn open(&self) -> StoreResult<Redb> {
        let directory = &self.directory;
        make(directory).map_err(|error| refused(of_directory(&error), directory, &error))?;
        let path = directory.join(FILE_NAME);
        if !exists(&path)? {
            make_file(directory, &path)?;
        }
        self.open_file(&path)
    }

    fn open_again(&self) -> StoreResult<Redb> {
        let path = self.directory.join(FILE_NAME);
        if !exists(&path)? {
            return Err(refused(Fault::Transient, &path, &"the file of the store is gone"));
        }
        self.open_file(&path)
    }

    fn open_file(&self, path: &Path) -> StoreResult<Redb> {
        let journal = Some(self.directory.join(JOURNAL));
        open_file(path, &self.options, &self.ledger, journal, &self.between)
    }
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
        remove(&unfinished).map_err(failed)?;
        // A journal left by a store that was here before is not of this one.
        remove(&directory.join(JOURNAL)).map_err(failed)?;
        let redb = open_file(&unfinished, &Tuning::default(), &Arc::default(), None, &|file| file)?;
        let made = lay_out(&redb).and_then(|()| redb.close());
        made.map_err(|failure| failure.into_store_error(OPENING))?;
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

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn open_file<B: StorageBackend>(
    path: &Path,
    options: &Tuning,
    ledger: &Arc<Ledger>,
    journal: Option<PathBuf>,
    between: &impl Fn(FileBackend) -> B,
) -> StoreResult<Redb> {
    // redb checks what it reads, but not everywhere without a panic; a damaged file is foreign
    // input and must not end the process.
    let opened = catch_unwind(AssertUnwindSafe(|| {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path);
        let file = file.map_err(|error| refused(of_io(&error), path, &error))?;
        let file = FileBackend::new(file).map_err(|error| of_database(path, error))?;
        let database =
            open_database(between(file), options, ledger).map_err(|error| of_database(path, error))?;
        let redb = recognise(&database).and_then(|()| Redb::new(database, ledger.clone(), journal));
        redb.map_err(|failure| failure.into_store_error(OPENING))
    }));
    opened.unwrap_or_else(|_| Err(refused(Fault::Corrupt, path, &"the file is damaged")))
}

/// Opens the database in a file, whatever kind of file that is.
pub(crate) fn open_database(
    file: impl StorageBackend,
    options: &Tuning,
    ledger: &Arc<Ledger>,
) -> Result<Database, DatabaseError> {
    let disk = Disk::new(file, ledger.clone());
    Builder::new().set_cache_size(options.cache_bytes).create_with_backend(disk)
}

fn recognise(database: &Database) -> Result<(), Failure> {
    let reading = database.begin_read().map_err(before)?;
    let mut tables = reading.list_tables().map_err(before)?.map(|table| table.name().to_owned()).peekable();
    let empty = tables.peek().is_none();
    if empty || tables.any(|name| name == Table::Meta.name()) {
        return Ok(());
    }
    Err(Failure::rejected("the file is a redb database, but not of gossip"))
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
