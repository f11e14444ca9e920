//! Cursors that are kept under a name, across restarts.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use gossip_proto::{Arrival, ChannelId, Cursor, Fault, StoreIncarnation, StreamId, WallMs};
use serde::{Deserialize, Serialize};

use super::{From, StreamRef, Subscription};
use crate::handle::Shared;
use crate::{Error, StoreError};

/// Named cursors a stream may have.
const MAX: usize = 64;

/// A place in the arrivals of a stream that the store keeps under a name; from
/// [`EventStream::cursor`](crate::EventStream::cursor). A cheap handle.
///
/// Read with [`NamedCursor::subscribe`], and call [`NamedCursor::save`] with the subscription's
/// [`cursor`](Subscription::cursor) once what it delivered is dealt with: after a restart
/// everything that came later is delivered again, and nothing is left out (at-least-once).
///
/// What comes after a saved place is not pruned, up to a cap: a cursor more than
/// [`Config::hold_entries`](crate::Config::hold_entries) arrivals of the whole store behind, or not
/// saved for longer than [`Config::hold_age`](crate::Config::hold_age), is passed by, and its
/// subscription yields a gap.
#[derive(Clone)]
pub struct NamedCursor {
    at: Arc<StreamRef>,
    name: StreamId,
}

/// Saved places of one stream by name: the record in the store.
type Table = BTreeMap<String, Saved>;

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Saved {
    incarnation: StoreIncarnation,
    arrival: Arrival,
    /// When, by the wall clock of that time.
    wall: u64,
}

impl NamedCursor {
    /// `name` follows the rules of stream ids.
    pub(super) fn new(at: Arc<StreamRef>, name: StreamId) -> Self {
        Self { at, name }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// The place that was saved last; `None` when none was.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::State`] after shutdown.
    pub async fn load(&self) -> Result<Option<Cursor>, Error> {
        self.at.shared.check_open()?;
        let table = load(&self.at.shared, &self.at.channel, &self.at.stream).await?;
        Ok(table.get(self.name()).map(Saved::cursor))
    }

    /// Saves a place, durably when it returns: one small write, so rather after every batch than
    /// after every entry. It may lie before the one saved last; then the entries in between come
    /// again.
    ///
    /// Cancel safety: a dropped save happens whole or not at all.
    ///
    /// # Errors
    /// [`Error::ForeignCursor`], [`Error::CursorBeyondEnd`]; [`Error::Invalid`] when the stream has
    /// 64 cursors of other names; [`Error::Store`]; [`Error::State`] after shutdown.
    pub async fn save(&self, cursor: Cursor) -> Result<(), Error> {
        super::subscribe::check(&self.at, cursor).await?;
        let wall = self.at.shared.timer.now().wall.0;
        let saved = Saved { incarnation: cursor.incarnation, arrival: cursor.arrival, wall };
        let name = self.name().to_owned();
        let add = |table: &mut Table| match table.len() < MAX || table.contains_key(&name) {
            true => {
                table.insert(name, saved);
                Ok(true)
            }
            false => Err(Error::Invalid("a stream has at most 64 named cursors")),
        };
        change(&self.at, add).await?;
        Ok(())
    }

    /// Forgets the place; `false` when none was saved. Nothing is held back for it any more.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::State`] after shutdown.
    pub async fn delete(&self) -> Result<bool, Error> {
        change(&self.at, |table| Ok(table.remove(self.name()).is_some())).await
    }

    /// What arrived after the place saved last, or everything held when none was saved, then what
    /// comes. Saves nothing by itself.
    ///
    /// # Errors
    /// As [`EventStream::subscribe`](crate::EventStream::subscribe): [`Error::ForeignCursor`] when
    /// the place was saved under another store, as in a database that was copied together from two.
    pub async fn subscribe(&self) -> Result<Subscription, Error> {
        let waiting = Subscription::waiting(&self.at)?;
        let from = self.load().await?.map_or(From::Start, From::Cursor);
        Subscription::open(self.at.clone(), from, waiting).await
    }
}

impl std::fmt::Debug for NamedCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("NamedCursor").field(&self.at.scope).field(&self.name).finish()
    }
}

impl Saved {
    fn cursor(&self) -> Cursor {
        Cursor { incarnation: self.incarnation, arrival: self.arrival }
    }
}

/// All saved cursors of a stream.
pub(super) async fn list(at: &StreamRef) -> Result<Vec<(String, Cursor)>, Error> {
    at.shared.check_open()?;
    let table = load(&at.shared, &at.channel, &at.stream).await?;
    Ok(table.iter().map(|(name, saved)| (name.clone(), saved.cursor())).collect())
}

/// Saved places that may hold pruning back now.
pub(crate) async fn saved_places(at: &StreamRef, now: WallMs) -> Result<Vec<Arrival>, Error> {
    let oldest =
        now.0.saturating_sub(u64::try_from(at.shared.config.hold_age.as_millis()).unwrap_or(u64::MAX));
    let table = load(&at.shared, &at.channel, &at.stream).await?;
    let counts = |saved: &&Saved| saved.wall >= oldest && saved.incarnation == at.shared.incarnation;
    Ok(table.values().filter(counts).map(|saved| saved.arrival).collect())
}

/// Forgets the cursors of a stream that was removed.
pub(crate) async fn forget(shared: &Shared, channel: &ChannelId, stream: &StreamId) -> Result<(), Error> {
    let _turn = shared.cursors.acquire().await.map_err(|_| Error::Ended)?;
    Ok(shared.store.delete_snapshot(&key(channel, stream)).await?)
}

/// The length tells where the channel ends: both may contain a slash.
fn key(channel: &ChannelId, stream: &StreamId) -> String {
    format!("cursors/{}/{channel}/{stream}", channel.as_str().len())
}

/// Reads, changes and writes the record; one at a time, or the second would undo the first.
async fn change(at: &StreamRef, edit: impl FnOnce(&mut Table) -> Result<bool, Error>) -> Result<bool, Error> {
    let shared = &at.shared;
    let _turn = shared.cursors.acquire().await.map_err(|_| Error::Ended)?;
    shared.check_open()?;
    let mut table = load(shared, &at.channel, &at.stream).await?;
    if !edit(&mut table)? {
        return Ok(false);
    }
    let mut bytes = Vec::new();
    ciborium::into_writer(&table, &mut bytes)
        .map_err(|error| StoreError::new(Fault::Rejected, "saving a cursor", error.to_string()))?;
    // The node may have ended since: callers hear of that rather than of a closed store.
    shared.check_open()?;
    shared.store.save_snapshot(&key(&at.channel, &at.stream), Bytes::from(bytes)).await?;
    Ok(true)
}

async fn load(shared: &Shared, channel: &ChannelId, stream: &StreamId) -> Result<Table, Error> {
    let Some(bytes) = shared.store.load_snapshot(&key(channel, stream)).await? else {
        return Ok(Table::new());
    };
    let table = ciborium::from_reader(&bytes[..]);
    Ok(table
        .map_err(|error| StoreError::new(Fault::Corrupt, "reading the saved cursors", error.to_string()))?)
}
