//! The group an application's node is part of.

use std::time::Duration;

use gossip_proto::node::{Command, MemberInfo, Query, Reply};
use gossip_proto::{IdError, NodeId};

use crate::{Coordinator, Error};

impl Coordinator {
    /// All members of the group that are known, this node among them, also those that left a moment ago or do not
    /// answer. Those with whom a channel is shared tell of others: they need not be peers, and a channel's list of
    /// members ([`Channel::members`](crate::Channel::members)) is another thing.
    ///
    /// # Errors
    /// [`Error::State`] after shutdown.
    pub async fn members(&self) -> Result<Vec<MemberInfo>, Error> {
        self.group(Query::Group).await
    }

    /// One of [`Coordinator::members`], if it is known.
    ///
    /// # Errors
    /// [`Error::Id`], [`Error::State`] after shutdown.
    pub async fn member<I>(&self, id: I) -> Result<Option<MemberInfo>, Error>
    where
        I: TryInto<NodeId>,
        I::Error: Into<IdError>,
    {
        let id = id.try_into().map_err(Into::into)?;
        Ok(self.group(Query::Member(id)).await?.pop())
    }

    async fn group(&self, query: Query) -> Result<Vec<MemberInfo>, Error> {
        match self.handle().query(query).await? {
            Reply::Group(members) => Ok(members),
            _ => Ok(Vec::new()),
        }
    }

    /// Tells the group that this node will say nothing for so long, as when a phone is about to put the process to
    /// sleep: nobody takes its silence for a failure until then. What arrives meanwhile is handled as always. Told in whole
    /// seconds, and heeded for a week at most; less than a second means [`Coordinator::wake`].
    ///
    /// When it returns the word is in the queues of all links, and not yet at the others: leave it a moment before the
    /// process is frozen. Who links up later is told then. It ends with its time, with [`Coordinator::wake`], and with
    /// the next [`Coordinator::start`].
    ///
    /// # Errors
    /// [`Error::State`] unless running or paused.
    pub async fn doze(&self, lasting: Duration) -> Result<(), Error> {
        if lasting.as_secs() == 0 {
            return self.wake().await;
        }
        self.handle().command(Command::Doze { lasting }).await.map(drop)
    }

    /// The application came to the foreground, or the network changed: call it whenever one of these is so. It ends
    /// what [`Coordinator::doze`] began, and whoever waits to be dialled again after failures is dialled now:
    /// addresses given to [`Coordinator::connect`], peers, and members next to this one. Nothing happens where nothing
    /// waits. A link that is up but leads nowhere any more is given up by its transport when it has been silent for
    /// long enough.
    ///
    /// # Errors
    /// [`Error::State`] after shutdown.
    pub async fn wake(&self) -> Result<(), Error> {
        let ports = self.handle().shared().ports().clone();
        ports.iter().for_each(|port| port.hurry());
        self.handle().command(Command::Wake).await.map(drop)
    }
}
