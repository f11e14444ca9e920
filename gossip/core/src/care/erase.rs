//! Erasing payloads, and asking for more history.

use gossip_proto::EntryId;
use gossip_proto::node::{Command, Reply};

use crate::{Error, EventStream};

impl EventStream {
    /// Erases the payload of an entry here, and asks all peers to do the same; returns whether it was
    /// here. Its place in the log stays, with length and hash: order, ids, versions and digests do
    /// not change, and no peer sends it again.
    ///
    /// From then on the entry is read with its payload absent
    /// ([`LogEntry::bytes`](crate::LogEntry::bytes) is `None`), is sent and exported so, and counts as
    /// skipped in views. When this returns, the payload is gone from the store as durably as an
    /// append would be there; the blocks of the disk that held it are given back as the engine does.
    ///
    /// **It is a request, not a guarantee.** Others hold copies, and nobody can make them forget:
    ///
    /// - Nodes that run this code follow by themselves only where the *author* of an entry asks. For
    ///   entries of others they tell their application
    ///   ([`Event::EraseRequested`](crate::Event::EraseRequested)), which may erase them or not.
    /// - Who is out of reach is asked when met again. A changed program can ignore it.
    /// - Author ids can be forged in open channels: whoever claims to be the author of what others hold
    ///   is followed. Such a request reaches only what is written when it is made, and never what the
    ///   receiving node wrote itself; who does not want to follow at all sets
    ///   [`NodeConfig::follow_erasures`](crate::NodeConfig::follow_erasures) to false.
    /// - Backups and exports made before keep the payload. Importing one does not bring it back where
    ///   the entry is still held.
    /// - An entry that got another id because its log forked is found by either.
    /// - Views built before may still contain what they folded of it; open them anew.
    ///
    /// Cancel safety: once handed over it is carried out whole. Repeated calls change nothing.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// # let node = gossip_core::Coordinator::builder()
    /// #     .store(gossip_store_memory::MemoryStore::new()).node_id("ann").build().await.unwrap();
    /// let stream = node.channel("project").await?.stream("notes").await?;
    /// let id = stream.append("my password is…").await?;
    /// assert!(stream.erase(id).await?);
    /// let entry = stream.get(id).await?.expect("the entry stays");
    /// assert!(entry.bytes().is_none());
    /// # Ok::<_, gossip_core::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// [`Error::Command`]: the stream or entry is unknown, too many erasures are under way, the store
    /// failed.
    pub async fn erase(&self, id: EntryId) -> Result<bool, Error> {
        Ok(self.erase_all([id]).await? > 0)
    }

    /// As [`EventStream::erase`] for several entries; returns how many payloads were here. Ids that
    /// follow each other in a log cost as much as one. If any is unknown, none is erased; when the
    /// store fails in between, some may be erased, and erasing them again is safe.
    ///
    /// # Errors
    /// As [`EventStream::erase`].
    pub async fn erase_all(&self, ids: impl IntoIterator<Item = EntryId>) -> Result<u64, Error> {
        let (channel, stream) = (self.channel_id().clone(), self.id().clone());
        let entries = ids.into_iter().collect();
        match self.handle().command(Command::Erase { channel, stream, entries }).await? {
            Reply::Erased(payloads) => Ok(payloads),
            _ => Err(Error::Ended),
        }
    }

    /// Asks peers for the history of the stream that is not held here: what was pruned, or was never
    /// fetched because the node was new and began at a floor. For use after the retention was
    /// widened.
    ///
    /// Returns at once; what peers still keep comes as links and budgets allow, newest first, and
    /// is told by [`Event::HistoryRestored`](crate::Event::HistoryRestored). Peers may keep less than
    /// is asked for: what nobody keeps stays missing. It lasts while the node runs and ends when the
    /// stream is pruned; with a retention that is narrower than what is asked for, the next
    /// compaction drops it again.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// # let node = gossip_core::Coordinator::builder()
    /// #     .store(gossip_store_memory::MemoryStore::new()).node_id("ann").build().await.unwrap();
    /// use gossip_core::Retention;
    ///
    /// let stream = node.channel("project").await?.stream("notes").await?;
    /// stream.set_retention(Retention::KeepAll).await?;
    /// stream.ask_back().await?;
    /// # Ok::<_, gossip_core::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// [`Error::Command`] when the stream does not exist, [`Error::State`] after shutdown.
    pub async fn ask_back(&self) -> Result<(), Error> {
        let (channel, stream) = (self.channel_id().clone(), self.id().clone());
        self.handle().command(Command::AskBack { channel, stream }).await?;
        Ok(())
    }
}
