//! Looking after the data: checking it, mending it, taking it out and in, erasing.
//!
//! | module | idea |
//! |---|---|
//! | `report` | what a check found |
//! | `verify` | checking a scope, without writing |
//! | `chain` | walking one log |
//! | `unreadable` | how far damage reaches that makes reading fail |
//! | `arrivals` | one place in the order of arrival for everything held |
//! | `repair` | mending what a check found |
//! | `erase` | erasing payloads, asking for more history |
//! | `file` | a channel as one file |

mod arrivals;
mod chain;
mod erase;
mod file;
mod repair;
mod report;
pub(crate) mod unreadable;
mod verify;

use gossip_proto::Scope;

pub use self::file::{Exported, FileError, Imported};
pub use self::repair::Repaired;
pub(crate) use self::repair::mend_log;
pub use self::report::{Damage, DamageKind, Report};
pub(crate) use self::verify::again;
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

    /// Checks everything like [`Coordinator::verify`] and makes gaps of the damage it finds, again
    /// until a check finds nothing more that can be mended.
    ///
    /// What is isolated is fetched again from any peer that holds it, as links allow; that goes on
    /// after this returns and is told by [`Event::HistoryRestored`](crate::Event::HistoryRestored).
    /// Without such a peer the gap stays, and everything around it can be read, sent and exported.
    /// Nothing that can still be read is dropped. On a sound store it only reads.
    ///
    /// Cancel safety: each place is isolated whole or not at all, and it can be called again.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// # let node = gossip_core::Coordinator::builder()
    /// #     .store(gossip_store_memory::MemoryStore::new()).node_id("ann").build().await.unwrap();
    /// let repaired = node.repair().await?;
    /// for (log, range) in &repaired.isolated {
    ///     eprintln!("{} lost {range:?} in {}", log.author, log.stream);
    /// }
    /// assert!(repaired.report.is_sound());
    /// # Ok::<_, gossip_core::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// As [`Coordinator::verify`], and [`Error::Command`] when the store fails to isolate.
    pub async fn repair(&self) -> Result<Repaired, Error> {
        repair::repair(self.handle(), &Scope::All).await
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

    /// As [`Coordinator::repair`], over this channel.
    ///
    /// # Errors
    /// As [`Coordinator::repair`].
    pub async fn repair(&self) -> Result<Repaired, Error> {
        repair::repair(self.handle(), &Scope::Channel(self.id().clone())).await
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

    /// As [`Coordinator::repair`], over this stream.
    ///
    /// # Errors
    /// As [`Coordinator::repair`].
    pub async fn repair(&self) -> Result<Repaired, Error> {
        let scope = Scope::Stream(self.channel_id().clone(), self.id().clone());
        repair::repair(self.handle(), &scope).await
    }
}
