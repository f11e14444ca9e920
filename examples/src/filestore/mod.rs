//! A complete store in one file, as an example of how to write one: `docs/plugins.md` walks through
//! it.
//!
//! Every change is one frame at the end of a file, synced before it is done to a [`MemoryStore`],
//! from which all reads are answered. Opening reads the frames and does them again. Nothing is ever
//! given back to the file system, and all that is kept is in memory: simple, sound, and for small
//! histories only.
//!
//! | module | idea |
//! |---|---|
//! | `journal` | frames in a file: added whole, cut off when torn, never believed when damaged |
//! | `change` | every change there is, as it is written down and as it is done |
//! | `store` | the store traits: writes become changes, reads ask the state |

mod change;
mod journal;
mod store;

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use gossip::proto::{StoreIncarnation, StoreStats};
use gossip::{EntryRepository, Fault, MemoryStore, NodeRepository, StoreResult};

use self::change::{Change, Outcome, VERSION};
pub use self::journal::Disk;
use self::journal::{Journal, because};

/// A store in one append-only file. Clones are the same store.
///
/// Dropping the future of a write leaves it whole or not begun. One process at a time may have it
/// open. Damage that a later sound frame proves is [`Fault::Corrupt`] on opening; damage in the very
/// last frame cannot be told from a torn write and is cut off.
#[derive(Clone)]
pub struct FileStore {
    state: MemoryStore,
    journal: Arc<Mutex<Journal>>,
    /// What the state counted while the file was read.
    replayed: StoreStats,
}

impl FileStore {
    /// Opens the store in this file, or creates it. Blocks while the file is read.
    ///
    /// # Errors
    /// `Rejected` when another process has it open, it is not ours to write, or is of a newer
    /// version; `Corrupt` when it is damaged; else as the disk says.
    pub fn open(path: &Path) -> StoreResult<Self> {
        Self::open_on(path, |file| Box::new(file))
    }

    /// The same, with something between the store and its file.
    ///
    /// # Errors
    /// As [`FileStore::open`].
    pub fn open_on(path: &Path, wrap: impl FnOnce(File) -> Box<dyn Disk>) -> StoreResult<Self> {
        let (mut journal, frames) = Journal::open(path, wrap)?;
        let mut changes = frames.iter().map(|frame| Change::decode(frame));
        let state = match changes.next().transpose()? {
            None => create(&mut journal)?,
            Some(Change::Created { version: VERSION, incarnation }) => {
                MemoryStore::with_incarnation(incarnation)
            }
            Some(Change::Created { version, .. }) => {
                let why = format!("the file is of version {version}, this program knows {VERSION}");
                return Err(because(Fault::Rejected, "opening the file", why));
            }
            Some(_) => return Err(because(Fault::Corrupt, "opening the file", "its beginning is missing")),
        };
        for change in changes {
            match ready(change?.apply(&state)) {
                // It was refused before as well, and then not taken back in time.
                Err(error) if error.fault != Fault::Rejected => return Err(error),
                _ => {}
            }
        }
        let replayed = ready(state.stats())?;
        Ok(Self { state, journal: Arc::new(Mutex::new(journal)), replayed })
    }

    /// Writes a change down, then does it. Runs to its end on a thread of its own, so that neither a
    /// slow disk nor a caller who gives up leaves it half done.
    async fn write(&self, change: Change) -> StoreResult<Outcome> {
        let Self { state, journal, .. } = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            // A panic elsewhere leaves a sound journal: its end moves only over durable frames.
            let mut journal = journal.lock().unwrap_or_else(PoisonError::into_inner);
            journal.append(&change.encode()?)?;
            let outcome = ready(change.apply(&state));
            if outcome.is_err() {
                journal.take_back();
            }
            outcome
        });
        done.await.map_err(|error| because(Fault::Unknown, "writing a change", error))?
    }
}

/// Begins a new file with an incarnation nobody else has.
fn create(journal: &mut Journal) -> StoreResult<MemoryStore> {
    let state = MemoryStore::new();
    let incarnation: StoreIncarnation = ready(state.incarnation())?;
    journal.append(&Change::Created { version: VERSION, incarnation }.encode()?)?;
    Ok(state)
}

/// Memory is asked under the lock of the journal: it never waits.
fn ready<T>(asked: impl Future<Output = T>) -> T {
    asked.now_or_never().expect("a memory store never waits")
}
