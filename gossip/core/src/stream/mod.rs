//! A stream as an application holds it: appends through the node, reads from the store.

mod branches;
mod buffer;
mod cursors;
mod delivered;
mod merge;
mod names;
mod page;
mod source;
mod subscribe;

use std::sync::Arc;

use bytes::Bytes;
use gossip_proto::node::{Command, CommandError, Query, Reply};
use gossip_proto::{
    ChannelId, Cursor, EntryId, Fault, LogEntry, NewPayload, Pruned, Retention, Scope, StreamId, Usage,
    VersionVector,
};

pub(crate) use self::branches::{branch_from, head_of, lacks, moved, moved_from};
pub use self::cursors::NamedCursor;
pub(crate) use self::cursors::{forget as forget_cursors, saved_places};
pub(crate) use self::merge::{Cut, Merge, heads};
pub(crate) use self::names::Names;
pub use self::page::{Direction, EntryPage, Incomplete, PageQuery, Pager, Place};
pub use self::subscribe::{Delivered, From, Subscription};
use crate::handle::{Handle, Shared};
use crate::retention::{Pace, RetentionPolicy, decide, prune};
use crate::{Error, StateMaterializer, View};

/// One append-only log of events by many authors. A cheap handle.
///
/// Appends go through the node; reads go straight to the store, where everything that was
/// acknowledged is. Calls on a stream that was removed fail with
/// [`CommandError::UnknownStream`] or find nothing.
#[derive(Clone)]
pub struct EventStream {
    handle: Handle,
    at: Arc<StreamRef>,
}

/// Which stream, and how to read it.
pub(crate) struct StreamRef {
    pub(crate) channel: ChannelId,
    pub(crate) stream: StreamId,
    pub(crate) scope: Scope,
    pub(crate) shared: Arc<Shared>,
}

impl EventStream {
    pub(crate) fn new(handle: Handle, channel: ChannelId, stream: StreamId) -> Self {
        let scope = Scope::Stream(channel.clone(), stream.clone());
        let shared = handle.shared().clone();
        Self { handle, at: Arc::new(StreamRef { channel, stream, scope, shared }) }
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> &StreamId {
        &self.at.stream
    }

    /// The channel it belongs to.
    #[must_use]
    pub fn channel_id(&self) -> &ChannelId {
        &self.at.channel
    }

    /// Appends one entry and returns its id once it is as durable as the store promises.
    ///
    /// Any number of appends may be under way at once, from any task; entries of one node get
    /// consecutive sequences. Waits while the append queue is full.
    ///
    /// Cancel safety: a dropped append is written whole or not at all.
    ///
    /// # Errors
    /// [`Error::Command`]: payload too large, stream or channel unknown, the store failed.
    pub async fn append(&self, payload: impl Into<Bytes>) -> Result<EntryId, Error> {
        let ids = self.append_all([payload]).await?;
        ids.first().copied().ok_or(Error::Ended)
    }

    /// Appends several entries, all or none, as consecutive entries of one log.
    ///
    /// # Errors
    /// As [`EventStream::append`]; an empty batch is [`CommandError::BatchSize`].
    pub async fn append_all<P: Into<Bytes>>(
        &self,
        payloads: impl IntoIterator<Item = P>,
    ) -> Result<Vec<EntryId>, Error> {
        let payloads: Vec<_> = payloads.into_iter().map(NewPayload::new).collect();
        let (channel, stream) = (self.at.channel.clone(), self.at.stream.clone());
        let bytes = payloads.iter().map(|payload| payload.bytes().len()).sum();
        let command = Command::Append { channel, stream, payloads };
        match self.handle.append(command, bytes).await? {
            Reply::Appended(ids) => Ok(ids),
            _ => Err(Error::Ended),
        }
    }

    /// The entry of this id; `None` when this stream does not hold it (any more). One whose log forked
    /// before it is found by the id it had here, and tells the one it has now.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::State`] after shutdown.
    pub async fn get(&self, id: EntryId) -> Result<Option<LogEntry>, Error> {
        self.at.shared.check_open()?;
        self.at.entry(id).await
    }

    /// Part of the stream, in stream order, at most [`PageQuery::limit`] entries and about
    /// [`PageQuery::bytes`] bytes.
    ///
    /// # Errors
    /// [`Error::UnknownEntry`] when the page is asked for at an entry that is not held,
    /// [`Error::Store`], [`Error::State`] after shutdown.
    pub async fn page(&self, query: PageQuery) -> Result<EntryPage, Error> {
        self.at.shared.check_open()?;
        page::page(&self.at, query).await
    }

    /// All entries held when it is called, in stream order, read page by page as it is drawn on.
    ///
    /// # Errors
    /// As [`EventStream::page`].
    pub async fn read_all(&self) -> Result<Pager, Error> {
        self.at.shared.check_open()?;
        Pager::open(self.at.clone()).await
    }

    /// Entries as they arrive here: what is stored after `from`, then what comes.
    ///
    /// # Errors
    /// [`Error::ForeignCursor`], [`Error::CursorBeyondEnd`], [`Error::Command`] when the stream
    /// does not exist, [`Error::Store`].
    pub async fn subscribe(&self, from: From) -> Result<Subscription, Error> {
        // Watched before it is looked up: a removal in between is not missed.
        let waiting = Subscription::waiting(&self.at)?;
        self.version().await?;
        Subscription::open(self.at.clone(), from, waiting).await
    }

    /// How far each log of the stream reaches here.
    ///
    /// # Errors
    /// [`Error::Command`] when the stream does not exist.
    pub async fn version(&self) -> Result<VersionVector, Error> {
        let query = Query::Version(self.at.channel.clone(), self.at.stream.clone());
        match self.handle.query(query).await? {
            Reply::Version(version) => Ok(version),
            _ => Err(Error::Ended),
        }
    }

    /// What the stream keeps here.
    ///
    /// # Errors
    /// [`Error::Command`] when the stream does not exist.
    pub async fn retention(&self) -> Result<Retention, Error> {
        let unknown = || CommandError::UnknownStream(self.at.channel.clone(), self.at.stream.clone());
        match self.handle.query(Query::Streams(self.at.channel.clone())).await? {
            Reply::Streams(infos) => {
                let info = infos.into_iter().find(|info| info.id == self.at.stream);
                Ok(info.ok_or_else(unknown)?.retention)
            }
            _ => Err(Error::Ended),
        }
    }

    /// Changes what the stream keeps here. What it does not keep any more is dropped within about
    /// [`Config::retention_every`](crate::Config::retention_every), unless that is switched off, or by
    /// [`EventStream::compact`].
    ///
    /// # Errors
    /// [`Error::Invalid`] for a retention that makes no sense, [`Error::Command`].
    pub async fn set_retention(&self, retention: Retention) -> Result<(), Error> {
        crate::retention::check(&retention)?;
        let (channel, stream) = (self.at.channel.clone(), self.at.stream.clone());
        self.handle.command(Command::SetRetention { channel, stream, retention }).await?;
        Ok(())
    }

    /// Lets a policy of the app decide what the stream keeps here, in place of its retention, from
    /// now on until `None` is set, the stream is removed or the node shut down: it is not saved, so
    /// set it again after every start, before [`Coordinator::start`](crate::Coordinator::start).
    pub fn set_retention_policy(&self, policy: Option<Arc<dyn RetentionPolicy>>) {
        self.at.shared.policies.set(&self.at.channel, &self.at.stream, policy);
    }

    /// Drops at once what the stream's retention, or policy, does not keep. Heights stay, so nothing
    /// is fetched again. Subscriptions and views that are behind find a gap; what saved cursors still
    /// need is kept, see [`NamedCursor`].
    ///
    /// It goes in steps with other writes in between, and is told as one
    /// [`Event::StreamCompacted`](gossip_proto::node::Event::StreamCompacted).
    ///
    /// Cancel safety: dropped, it ends after a step; what was freed until then is told.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Command`]; steps done before stay done.
    pub async fn compact(&self) -> Result<Pruned, Error> {
        let retention = self.retention().await?;
        let decision = decide(self.handle.commands(), &self.at, &retention, false).await?;
        prune(self.handle.commands(), &self.at, &decision, Pace::Brisk).await
    }

    /// The cursor of this name, saved or not. A name is 1 to 128 bytes without control characters.
    ///
    /// # Errors
    /// [`Error::Id`] for a name that breaks the rules.
    pub fn cursor(&self, name: &str) -> Result<NamedCursor, Error> {
        let name = StreamId::new(name)?;
        Ok(NamedCursor::new(self.at.clone(), name))
    }

    /// The saved cursors, by name: at most 64.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::State`] after shutdown.
    pub async fn cursors(&self) -> Result<Vec<(String, Cursor)>, Error> {
        cursors::list(&self.at).await
    }

    /// A running result over the stream: everything held is folded when this returns, and what
    /// arrives later as it arrives. Several views on one stream may exist.
    ///
    /// # Errors
    /// As [`EventStream::subscribe`].
    pub async fn view<M: StateMaterializer>(&self, materializer: M) -> Result<View<M::State>, Error> {
        let waiting = Subscription::waiting(&self.at)?;
        self.version().await?;
        View::open(self.at.clone(), materializer, waiting).await
    }

    /// What the stream occupies here.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::State`] after shutdown.
    pub async fn usage(&self) -> Result<Usage, Error> {
        self.at.shared.check_open()?;
        Ok(self.at.shared.store.usage(&self.at.scope).await?)
    }
}

impl std::fmt::Debug for EventStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("EventStream").field(&self.at.channel).field(&self.at.stream).finish()
    }
}

impl StreamRef {
    /// One entry, if this stream holds it.
    pub(crate) async fn entry(&self, id: EntryId) -> Result<Option<LogEntry>, Error> {
        let Some(name) = self.shared.names.resolve(&*self.shared.store, id.log).await? else {
            return Ok(None);
        };
        if name.channel != self.channel || name.stream != self.stream {
            return Ok(None);
        }
        let runs = self.shared.store.read(id.log, id.sequence, 1).await.inspect_err(|error| {
            if error.fault == Fault::Corrupt {
                self.shared.damage.report(id.log, id.sequence);
            }
        })?;
        match runs.first().and_then(|stored| stored.run.entry(id.sequence)) {
            Some(entry) => Ok(Some(LogEntry::new(name, id.log, entry))),
            None => self.moved_entry(id).await,
        }
    }

    /// An entry that has another id since its log forked.
    async fn moved_entry(&self, id: EntryId) -> Result<Option<LogEntry>, Error> {
        let store = &*self.shared.store;
        let now = branches::moved(store, id).await?;
        let name = if now == id { None } else { self.shared.names.resolve(store, now.log).await? };
        let Some(name) = name else { return Ok(None) };
        let runs = store.read(now.log, now.sequence, 1).await?;
        let entry = runs.first().and_then(|stored| stored.run.entry(now.sequence));
        Ok(entry.map(|entry| LogEntry::new(name, now.log, entry)))
    }
}
