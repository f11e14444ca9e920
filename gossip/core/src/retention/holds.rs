//! Who still needs entries: readers hold pruning back, up to a cap.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gossip_proto::{Arrival, ChannelId, LogId, Seq, StreamId};

use crate::Error;
use crate::handle::Shared;
use crate::stream::{StreamRef, saved_places};

/// How far each live reader of a stream has read.
#[derive(Debug, Default)]
pub(crate) struct Holds(Mutex<BTreeMap<(ChannelId, StreamId, u64), Arc<AtomicU64>>>);

/// The place of one live reader; forgotten when it is dropped.
pub(crate) struct Hold {
    shared: Arc<Shared>,
    key: (ChannelId, StreamId, u64),
    place: Arc<AtomicU64>,
}

impl Holds {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(ChannelId, StreamId, u64), Arc<AtomicU64>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the reader of a stream stands that is furthest behind.
    fn last_reader(&self, channel: &ChannelId, stream: &StreamId) -> Option<Arrival> {
        let holds = self.lock();
        let range = (channel.clone(), stream.clone(), 0)..=(channel.clone(), stream.clone(), u64::MAX);
        holds.range(range).map(|(_, place)| Arrival(place.load(Ordering::Relaxed))).min()
    }
}

impl Hold {
    /// Notes a reader that has everything up to `place`.
    pub(crate) fn new(at: &StreamRef, place: Arrival) -> Self {
        let place = Arc::new(AtomicU64::new(place.0));
        let mut holds = at.shared.holds.lock();
        let all =
            (at.channel.clone(), at.stream.clone(), 0)..=(at.channel.clone(), at.stream.clone(), u64::MAX);
        let number = holds.range(all).next_back().map_or(0, |((_, _, number), _)| number + 1);
        let key = (at.channel.clone(), at.stream.clone(), number);
        holds.insert(key.clone(), place.clone());
        Self { shared: at.shared.clone(), key, place }
    }

    /// It has read on.
    pub(crate) fn advance(&self, place: Arrival) {
        self.place.store(place.0, Ordering::Relaxed);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.shared.holds.lock().remove(&self.key);
    }
}

/// Lowers floors to what readers have read: named cursors, and with `live` also subscriptions and
/// views. A reader further behind than [`Config::hold_entries`](crate::Config::hold_entries) holds
/// back only so much. Returns whether anything was held back.
pub(super) async fn lower(at: &StreamRef, floors: &mut [(LogId, Seq)], live: bool) -> Result<bool, Error> {
    let (shared, wall) = (&at.shared, at.shared.timer.now().wall);
    let reader = if live { shared.holds.last_reader(&at.channel, &at.stream) } else { None };
    let saved = saved_places(at, wall).await?;
    let Some(behind) = saved.into_iter().chain(reader).min() else { return Ok(false) };
    let newest = shared.store.last_arrival().await?;
    let capped = Arrival(newest.0.saturating_sub(shared.config.hold_entries));
    lower_to(at, floors, behind.max(capped)).await
}

/// Keeps what arrived after `place`. Of each log only the first row after it counts, so that the
/// reading ends early: what was filled in below it later is not waited for.
async fn lower_to(at: &StreamRef, floors: &mut [(LogId, Seq)], place: Arrival) -> Result<bool, Error> {
    let mut open: BTreeMap<LogId, &mut Seq> = floors.iter_mut().map(|(log, floor)| (*log, floor)).collect();
    let (mut after, mut held) = (place, false);
    while !open.is_empty() {
        let page = at.shared.store.arrivals(&at.scope, after, at.shared.config.page_bytes).await?;
        for row in &page.items {
            if let Some(floor) = open.remove(&row.log)
                && *floor >= row.range.first
            {
                *floor = row.range.first - 1;
                held = true;
            }
        }
        match page.next {
            Some(next) if next > after => after = next,
            _ => break,
        }
    }
    Ok(held)
}
