//! Looking after the data: checking it, mending it, taking it out and in, erasing.
//!
//! | module | idea |
//! |---|---|
//! | `report` | what a check found |
//! | `verify` | checking a scope, without writing |
//! | `chain` | walking one log |
//! | `unreadable` | how far damage reaches that makes reading fail |
//! | `arrivals` | one place in the order of arrival for everything held |

mod arrivals;
mod chain;
mod report;
mod unreadable;
mod verify;

use gossip_proto::Scope;

pub use self::report::{Damage, DamageKind, Report};
use crate::{Channel, Coordinator, Error, EventStream};

impl Coordinator {
    /// Checks everything this node holds: walks the chain of every log and the order of arrival, page
    /// by page, and reports damage.
    ///
    /// It never writes and uses memory for one page and a few numbers for each log; all that is
    /// stored is read twice, so it takes a while and competes with other readers. The node goes on
    /// working meanwhile: what is appended after it began is not looked at, and what is pruned or
    /// filled while it reads is no damage. It may be dropped at any time.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// # let node = gossip_core::Coordinator::builder()
    /// #     .store(gossip_store_memory::MemoryStore::new()).node_id("ann").build().await.unwrap();
    /// let stream = node.channel("project").await?.stream("notes").await?;
    /// stream.append("hello").await?;
    /// let report = node.verify().await?;
    /// assert!(report.is_sound());
    /// assert_eq!((report.logs, report.entries), (1, 1));
    /// # Ok::<_, gossip_core::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// [`Error::Store`] when the store fails otherwise than by damage to entries, [`Error::State`]
    /// after shutdown.
    pub async fn verify(&self) -> Result<Report, Error> {
        verify::verify(self.handle().shared(), &Scope::All).await
    }
}

impl Channel {
    /// As [`Coordinator::verify`], over this channel.
    ///
    /// # Errors
    /// As [`Coordinator::verify`]. A channel that does not exist has no logs.
    pub async fn verify(&self) -> Result<Report, Error> {
        verify::verify(self.handle().shared(), &Scope::Channel(self.id().clone())).await
    }
}

impl EventStream {
    /// As [`Coordinator::verify`], over this stream.
    ///
    /// # Errors
    /// As [`Coordinator::verify`]. A stream that does not exist has no logs.
    pub async fn verify(&self) -> Result<Report, Error> {
        let scope = Scope::Stream(self.channel_id().clone(), self.id().clone());
        verify::verify(self.handle().shared(), &scope).await
    }
}
