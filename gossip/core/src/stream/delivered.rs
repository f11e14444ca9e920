//! Who holds an entry.

use gossip_proto::node::{Command, CommandError, Reply};
use gossip_proto::{EntryId, NodeId};

use super::{EventStream, branches};
use crate::Error;

impl EventStream {
    /// The linked peers that proved, within two seconds, to hold an entry: they told its chain hash, or one
    /// further up its log, or agreed on the whole channel. It answers for this entry, however much both
    /// sides go on writing, and at once when every peer said what it holds; one that does not hold the entry
    /// yet, or says nothing, is waited for. Whoever holds only what follows, up to where the log ends here now,
    /// counts: it pruned the entry, or began above it and never had it, which nothing tells apart. Whoever
    /// refuses the stream does not.
    /// While the node is paused nobody is asked, and those known to hold it are told. Peers of wire version 1
    /// can only prove it by agreeing on the whole channel.
    ///
    /// Over links without authentication a peer may claim to be another one, and to hold what it does not.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// [`Error::State`] after shutdown, [`Error::UnknownEntry`] for an entry that was never held here, and
    /// [`CommandError::Busy`] while 1,024 calls wait already.
    pub async fn delivered_to(&self, id: EntryId) -> Result<Vec<NodeId>, Error> {
        self.at.shared.check_open()?;
        let entry = branches::moved(&*self.at.shared.store, id).await?;
        if self.version().await?.height(&entry.log) < entry.sequence {
            return Err(Error::UnknownEntry(id));
        }
        let channel = self.at.channel.clone();
        match self.handle.command(Command::FindHolders { channel, entry }).await {
            Ok(Reply::Members(peers)) => Ok(peers),
            Ok(_) => Ok(Vec::new()),
            Err(Error::Command(CommandError::UnknownEntry(_))) => Err(Error::UnknownEntry(id)),
            Err(error) => Err(error),
        }
    }
}
