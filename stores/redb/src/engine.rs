//! redb as an engine: write transactions, the journal of unsynced ones, and giving space back.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gossip_core::proto::Fault;
use gossip_store_kv::{Edit, Edits, Engine, EngineStats, Failure, Opener, Table, of_io};
use redb::{Database, Durability, ReadableDatabase, WriteTransaction};

use crate::disk::Ledger;
use crate::fault::{before, committing};
use crate::journal::{FULL, Journal};
use crate::options::Tuning;
use crate::view::{Definition, RedbView, definition};

/// What redb itself has to remember: the generation of the journal.
pub(crate) const OWN: Definition = Definition::new("redb");
const GENERATION: &[u8] = b"journal";

/// So much live data at most is moved about to give space back.
const MOST_MOVED: u64 = 256 << 20;

/// redb in one file, with a journal beside it for what was committed without a sync.
pub struct Redb {
    database: Database,
    ledger: Arc<Ledger>,
    /// Made with the first commit that is not synced.
    journal: Mutex<Option<Journal>>,
    path: Option<PathBuf>,
    /// Bytes of rows taken away since it was opened.
    freed: AtomicU64,
}

impl Redb {
    /// Over an open database. What a journal at `path` holds beyond it is brought in.
    pub(crate) fn new(
        database: Database,
        ledger: Arc<Ledger>,
        path: Option<PathBuf>,
    ) -> Result<Self, Failure> {
        let redb = Self { database, ledger, journal: Mutex::default(), path, freed: AtomicU64::new(0) };
        if redb.path.as_ref().is_some_and(|path| path.exists()) {
            redb.replay()?;
        }
        Ok(redb)
    }

    fn replay(&self) -> Result<(), Failure> {
        let mut journal = self.journal();
        let (open, edits) = self.open_journal()?;
        let empty = open.is_empty();
        *journal = Some(open);
        if empty {
            return Ok(());
        }
        tracing::info!(commits = edits.len(), "bringing in what was not synced");
        self.transact(&edits, Some(&mut journal))
    }

    fn open_journal(&self) -> Result<(Journal, Vec<Edits>), Failure> {
        let path = self.path.clone().unwrap_or_default();
        let generation = self.generation()?;
        Journal::open(&path, generation).map_err(|error| Failure::engine(of_io(&error), error))
    }

    fn generation(&self) -> Result<u64, Failure> {
        let reading = self.database.begin_read().map_err(before)?;
        let table = match reading.open_table(OWN) {
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(0),
            table => table.map_err(before)?,
        };
        let number = table.get(GENERATION).map_err(before)?;
        let number = number.and_then(|number| number.value().try_into().ok());
        Ok(number.map_or(0, u64::from_be_bytes))
    }

    fn journal(&self) -> MutexGuard<'_, Option<Journal>> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One synced transaction; what the journal holds is in it and the journal begins anew.
    fn transact(&self, batches: &[Edits], journal: Option<&mut Option<Journal>>) -> Result<(), Failure> {
        let journal = journal.and_then(Option::as_mut).filter(|journal| !journal.is_empty());
        let next = journal.as_ref().map(|journal| journal.generation() + 1);
        let writing = self.begin(Durability::Immediate)?;
        self.fill(&writing, batches)?;
        if let Some(next) = next {
            let mut own = writing.open_table(OWN).map_err(before)?;
            own.insert(GENERATION, &next.to_be_bytes()[..]).map_err(before)?;
        }
        writing.commit().map_err(|error| committing(error, self.ledger.is_suspect()))?;
        if let (Some(journal), Some(next)) = (journal, next) {
            journal.begin(next);
        }
        Ok(())
    }

    /// One transaction that redb keeps in memory, and the journal on the disk.
    fn transact_unsynced(&self, edits: Edits) -> Result<(), Failure> {
        let mut slot = self.journal();
        if slot.is_none() {
            *slot = Some(self.open_journal()?.0);
        }
        let Some(journal) = slot.as_mut() else { return Ok(()) };
        if journal.len() >= FULL {
            return self.transact(&[edits], Some(&mut slot));
        }
        let before_it = journal.len();
        let applied = match journal.append(&edits) {
            Ok(_) => self.commit_unsynced(edits),
            Err(error) => Err(Failure::engine(of_io(&error), error)),
        };
        let Err(failure) = applied else { return Ok(()) };
        // What stays in the journal would come back when the file is opened again.
        if let Err(error) = journal.take_back(before_it) {
            return Err(Failure::broken(Fault::Unknown, error));
        }
        Err(failure)
    }

    fn commit_unsynced(&self, edits: Edits) -> Result<(), Failure> {
        let writing = self.begin(Durability::None)?;
        self.fill(&writing, &[edits])?;
        // It lies in memory only: what fails here has not happened once the file is opened again.
        writing.commit().map_err(before)
    }

    fn begin(&self, durability: Durability) -> Result<WriteTransaction, Failure> {
        let mut writing = self.database.begin_write().map_err(before)?;
        let set = writing.set_durability(durability);
        set.map_err(|error| Failure::corrupt(error.to_string()))?;
        Ok(writing)
    }

    /// Puts changes into a transaction; dropping it takes them back.
    fn fill(&self, writing: &WriteTransaction, batches: &[Edits]) -> Result<(), Failure> {
        let mut tables: [Option<redb::Table<'_, &[u8], &[u8]>>; Table::ALL.len()] = Default::default();
        let mut freed = 0;
        for edit in batches.iter().flat_map(Edits::iter) {
            let (Edit::Put { table, .. } | Edit::Delete { table, .. } | Edit::DeleteRange { table, .. }) =
                edit;
            let place = &mut tables[*table as usize];
            let table = match place {
                Some(table) => table,
                None => place.insert(writing.open_table(definition(*table)).map_err(before)?),
            };
            match edit {
                Edit::Put { key, value, .. } => {
                    // Copied once, into the page.
                    let mut room = table.insert_reserve(&key[..], value.len()).map_err(before)?;
                    value.write_to(room.as_mut());
                }
                Edit::Delete { key, .. } => {
                    let gone = table.remove(&key[..]).map_err(before)?;
                    freed += gone.map_or(0, |value| value.value().len());
                }
                Edit::DeleteRange { from, to, .. } => {
                    let gone = |_: &[u8], value: &[u8]| {
                        freed += value.len();
                        false
                    };
                    table.retain_in(&from[..]..&to[..], gone).map_err(before)?;
                }
            }
        }
        self.freed.fetch_add(freed as u64, Relaxed);
        Ok(())
    }

    /// Gives space back when more than half of the file is free. Looked at only when enough was taken
    /// away for that, and done only while there is not much to move: closing must not take long.
    fn compact(&mut self) -> Result<(), Failure> {
        let len = self.ledger.len.load(Relaxed);
        if self.freed.load(Relaxed) < len / 4 {
            return Ok(());
        }
        let writing = self.database.begin_write().map_err(before)?;
        let stats = writing.stats().map_err(before)?;
        writing.abort().map_err(before)?;
        let used = stats.allocated_pages() * stats.page_size() as u64;
        if used > len / 2 || used > MOST_MOVED {
            return Ok(());
        }
        let compacted = self.database.compact();
        compacted.map(drop).map_err(|error| Failure::broken(Fault::Transient, error))
    }
}

impl Engine for Redb {
    const NAME: &'static str = "redb";
    type Options = Tuning;
    type View<'e> = RedbView;

    fn opener(directory: PathBuf, options: Tuning) -> Opener<Self> {
        crate::open::opener(directory, options)
    }

    fn view(&self) -> Result<RedbView, Failure> {
        Ok(RedbView::new(self.database.begin_read().map_err(before)?))
    }

    fn apply(&self, edits: Edits, sync: bool) -> Result<(), Failure> {
        if sync || self.path.is_none() {
            return self.transact(&[edits], Some(&mut self.journal()));
        }
        self.transact_unsynced(edits)
    }

    fn sync(&self) -> Result<(), Failure> {
        self.transact(&[], Some(&mut self.journal()))
    }

    fn stats(&self) -> Result<EngineStats, Failure> {
        let journal = self.journal().as_ref().map_or(0, Journal::len);
        Ok(EngineStats {
            disk_bytes: self.ledger.len.load(Relaxed) + journal,
            memory_bytes: self.database.cache_stats().used_bytes() as u64,
            written_bytes: self.ledger.written.load(Relaxed),
        })
    }

    fn close(mut self) -> Result<(), Failure> {
        self.sync()?;
        if let Err(failure) = self.compact() {
            // Nothing is lost by it but space.
            tracing::warn!(?failure, "space could not be given back");
        }
        self.database.close().map_err(|error| Failure::broken(Fault::Unknown, error))
    }
}

impl fmt::Debug for Redb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redb").finish_non_exhaustive()
    }
}
