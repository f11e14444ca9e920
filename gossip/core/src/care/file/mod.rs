//! A channel as one file.
//!
//! | module | idea |
//! |---|---|
//! | `format` | frames, records and their checks |
//! | `export` | from the store to a writer |
//! | `parse` | from a reader to checked parts |
//! | `import` | from checked parts to the node |
//! | `back` | the same into holes of what is held |
//! | `error` | what can be wrong with a file |

mod back;
mod error;
mod export;
mod format;
mod import;
mod parse;
#[cfg(test)]
mod tests;

use std::io::{Read, Write};

use gossip_proto::Fault;

pub use self::error::FileError;
use self::import::Target;
use crate::{Channel, Coordinator, Error, StoreError};

/// What an export wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Exported {
    /// Streams.
    pub streams: u64,
    /// Logs in them.
    pub logs: u64,
    /// Entries, hollow ones included.
    pub entries: u64,
    /// Bytes written.
    pub bytes: u64,
}

/// What an import brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Imported {
    /// Streams that did not exist here.
    pub streams: u64,
    /// Logs in the file.
    pub logs: u64,
    /// Entries that are new here, or were missing in a gap.
    pub entries: u64,
    /// Entries that were held here already, that this node does not want, as below a floor it
    /// has pruned to, or of logs that were left out.
    pub skipped: u64,
    /// Logs left out, in whole or from some entry on: branches of a fork that is not known here and that
    /// nothing in the file shows, as where their beginning was pruned; and ends of logs that such a branch
    /// alone would vouch for.
    pub left_out: u64,
}

impl Channel {
    /// Writes the whole channel, as it is held here, to one file: all streams with their retention,
    /// all logs with what is held of them, and checks over everything.
    ///
    /// The file can be read by [`Coordinator::import`] and [`Channel::import`], on any node and any
    /// store. It holds entries as they are stored, with the seals of authors who sign: an erased payload stays
    /// erased, a gap a gap. It does not hold the list of members, which is local. What is appended meanwhile
    /// may be left out; nothing is that moves meanwhile, where a log forks. It is a copy: whoever can read the
    /// file can read the channel, and what is erased later stays in it.
    ///
    /// Memory: some pages, the heads of branches and the largest run. The writer is used on a thread of its own
    /// and given back flushed; a file is on disk only after its `sync_all`. A dropped export leaves a part of
    /// a file behind, which no import takes for a whole.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// # let node = gossip_core::Coordinator::builder()
    /// #     .store(gossip_store_memory::MemoryStore::new()).node_id("ann").build().await.unwrap();
    /// # let other = gossip_core::Coordinator::builder()
    /// #     .store(gossip_store_memory::MemoryStore::new()).node_id("bob").build().await.unwrap();
    /// # let path = std::env::temp_dir().join(format!("export-{}", std::process::id()));
    /// use std::fs::File;
    ///
    /// let channel = node.channel("project").await?;
    /// channel.stream("notes").await?.append("hello").await?;
    /// let (exported, file) = channel.export(File::create(&path)?).await?;
    /// file.sync_all()?;
    /// assert_eq!(exported.entries, 1);
    ///
    /// // On another node:
    /// let (channel, imported) = other.import(File::open(&path)?).await?;
    /// assert_eq!((channel.id().as_str(), imported.entries), ("project", 1));
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<_, Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// [`Error::File`] from the writer, [`Error::Store`] (of damaged data too: see
    /// [`Coordinator::repair`]), [`Error::Command`] for an unknown channel, [`Error::State`] after
    /// shutdown.
    pub async fn export<W: Write + Send + 'static>(&self, writer: W) -> Result<(Exported, W), Error> {
        export::export(self.handle().shared(), self.id(), writer).await
    }

    /// Takes in what an exported file holds of this channel, beside what is here: as if a peer had
    /// sent it. Importing the same file again brings nothing new.
    ///
    /// Nothing in the file is believed: every entry is checked against its chain before it is stored, and
    /// against the seals if its author signs; branches of forks have to show where they part, or are left out
    /// ([`Imported::left_out`]). A file that is damaged, cut off or too long in any part fails at that place.
    /// What came before it was sound and has been imported. Streams in the file are created here if they do not
    /// exist, also those that were removed here. Entries are pruned as the streams' retention *here* says.
    /// Holes of what is held, damaged or never received, are filled too, where the file has them up to their
    /// upper end: of one of more than 16 MiB the upper part, and the next by importing again. What was pruned
    /// stays away.
    ///
    /// Memory: some parts of at most 256 KiB or one run each, and what fills a hole, whatever the file says. The
    /// reader is used on a thread of its own. A dropped import has taken in a part of the file; it can be
    /// repeated.
    ///
    /// # Errors
    /// [`Error::File`]: [`FileError::OtherChannel`], and what is wrong with the file.
    /// [`Error::Command`] when the node refuses a part: [`CommandError::Unsealed`](crate::CommandError::Unsealed)
    /// where a seal is missing or wrong, busy when its store took nothing for a minute. [`Error::State`]
    /// after shutdown.
    pub async fn import<R: Read + Send + 'static>(&self, reader: R) -> Result<Imported, Error> {
        let (_, imported) = import::import(self.handle(), Target::Only(self.id()), reader).await?;
        Ok(imported)
    }
}

impl Coordinator {
    /// As [`Channel::import`], into the channel that the file holds, which is created with the
    /// payload limit of the file if it does not exist. See [`Channel::export`] for an example.
    ///
    /// # Errors
    /// As [`Channel::import`].
    pub async fn import<R: Read + Send + 'static>(&self, reader: R) -> Result<(Channel, Imported), Error> {
        let (channel, imported) = import::import(self.handle(), Target::Any, reader).await?;
        Ok((Channel::new(self.handle().clone(), channel), imported))
    }
}

/// The outcome of the thread that reads or writes; a plugin that panics there is an I/O error.
fn joined<T>(outcome: Result<Result<T, FileError>, tokio::task::JoinError>) -> Result<T, Error> {
    let outcome = outcome.map_err(|error| FileError::Io(std::io::Error::other(error)))?;
    Ok(outcome?)
}

fn damaged_run() -> StoreError {
    StoreError::new(Fault::Corrupt, "exporting a run", "it does not match its own check")
}
