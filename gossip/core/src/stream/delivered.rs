//! Who holds an entry.

use std::time::Duration;

use futures_util::future::{Either, join_all, select};
use gossip_proto::node::{Command, Query, Reply};
use gossip_proto::{EntryId, NodeId};

use super::EventStream;
use crate::Error;

/// How long peers are given to prove it.
const PATIENCE: Duration = Duration::from_secs(2);

impl EventStream {
    /// The linked peers that proved, within two seconds, to hold an entry: what they hold of the channel was
    /// the same as here, by a digest exchanged after the call. A peer that holds the entry and differs in
    /// something else all that time is left out. Whoever pruned it since counts; whoever refuses
    /// the stream does not. Over links without authentication a peer may claim to be another
    /// one, and to hold what it does not. An entry that got another id because its log forked is found by
    /// either.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// [`Error::State`] after shutdown, [`Error::UnknownEntry`] for an entry
    /// that was never held here.
    pub async fn delivered_to(&self, id: EntryId) -> Result<Vec<NodeId>, Error> {
        let held = self.version().await?.height(&id.log) >= id.sequence;
        if !held && self.get(id).await?.is_none() {
            return Err(Error::UnknownEntry(id));
        }
        let asked = self.sharers().await?;
        let agreed = join_all(asked.iter().map(|peer| self.agrees(peer))).await;
        // Only now is it certain who refuses what.
        let mut proven = self.sharers().await?;
        let agreed: Vec<&NodeId> =
            asked.iter().zip(agreed).filter(|(_, agreed)| *agreed).map(|(peer, _)| peer).collect();
        proven.retain(|peer| agreed.contains(&peer));
        Ok(proven)
    }

    /// Linked peers that take part in the stream, as far as is known.
    async fn sharers(&self) -> Result<Vec<NodeId>, Error> {
        let query = Query::Sharers(self.at.channel.clone(), self.at.stream.clone());
        match self.handle.query(query).await? {
            Reply::Members(peers) => Ok(peers),
            _ => Ok(Vec::new()),
        }
    }

    async fn agrees(&self, peer: &NodeId) -> bool {
        let command = Command::WaitSynced { channel: self.at.channel.clone(), peer: Some(peer.clone()) };
        let timer = &self.at.shared.timer;
        let limit = timer.sleep_until(timer.now().tick + PATIENCE);
        let agreed = std::pin::pin!(self.handle.command(command));
        matches!(select(agreed, limit).await, Either::Left((Ok(_), _)))
    }
}
