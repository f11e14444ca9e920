//! The group an application's node is part of.

use std::time::Duration;

use gossip_proto::node::{Command, MemberInfo, Query, Reply};

use crate::{Coordinator, Error};

impl Coordinator {
    /// All members of the group that are known, this node among them, also those that left a moment ago or do not
    /// answer. Those with whom a channel is shared tell of others: they need not be peers.
    ///
    /// # Errors
    /// [`Error::State`] after shutdown.
    pub async fn members(&self) -> Result<Vec<MemberInfo>, Error> {
        match self.handle().query(Query::Group).await? {
            Reply::Group(members) => Ok(members),
            _ => Ok(Vec::new()),
        }
    }

    /// Tells the group that this node will say nothing for so long, as when a phone is about to put the process to
    /// sleep: nobody takes its silence for a failure until then. What arrives meanwhile is handled as always. Told in whole
    /// seconds, and heeded for a week at most.
    ///
    /// # Errors
    /// [`Error::State`] after shutdown.
    pub async fn doze(&self, lasting: Duration) -> Result<(), Error> {
        self.handle().command(Command::Doze { lasting }).await.map(drop)
    }

    /// Ends what [`Coordinator::doze`] began.
    ///
    /// # Errors
    /// [`Error::State`] after shutdown.
    pub async fn wake(&self) -> Result<(), Error> {
        self.doze(Duration::ZERO).await
    }
}
