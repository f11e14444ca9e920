//! The logs of a node, small while they rest.
//!
//! A log at rest is a row of 96 bytes and a place in two orders: that of all logs, which finds it by its id,
//! and that of its channel, in which heights are offered. Ids of streams and authors are kept once, however
//! many logs there are of them. What only few logs have, or for a moment, lies in a box beside the row
//! ([`super::log::Rare`]); it is given up when what was handed out to be changed is put to rest.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::log::Log;
use super::model::{Channel, Stream};
use super::order::Order;
use super::slab::{At, Slab};
use crate::{ChannelId, LogId, LogName, NodeId, StreamId};

/// Changes between two rests that are counted without giving back room afterwards.
const TOUCHED: usize = 1024;

/// All logs.
#[derive(Debug, Default)]
pub(super) struct Logs {
    rows: Slab<Log>,
    order: Order,
    streams: Slab<Place>,
    authors: Authors,
    /// Handed out to be changed since they were last put to rest.
    touched: Vec<At>,
}

/// The stream of some logs.
#[derive(Debug)]
struct Place {
    channel: ChannelId,
    stream: StreamId,
    /// Each log knows the one before it.
    newest: Option<At>,
    logs: u32,
}

impl Logs {
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn contains(&self, id: &LogId) -> bool {
        self.order.find(&self.rows, id).is_some()
    }

    pub(super) fn get(&self, id: &LogId) -> Option<&Log> {
        self.rows.get(self.order.find(&self.rows, id)?)
    }

    /// To be changed.
    pub(super) fn get_mut(&mut self, id: &LogId) -> Option<&mut Log> {
        let at = self.order.find(&self.rows, id)?;
        if self.touched.last() != Some(&at) {
            self.touched.push(at);
        }
        self.rows.get_mut(at)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Log> {
        self.rows.values()
    }

    /// The full name of a log.
    pub(super) fn name(&self, id: &LogId) -> Option<Arc<LogName>> {
        self.get(id).and_then(|log| self.name_of(log)).map(Arc::new)
    }

    pub(super) fn name_of(&self, log: &Log) -> Option<LogName> {
        let (channel, stream) = self.place_of(log)?;
        let (channel, stream, author) = (channel.clone(), stream.clone(), self.author_of(log)?.clone());
        Some(LogName { channel, stream, author, epoch: log.epoch, branch: log.branch() })
    }

    pub(super) fn author_of(&self, log: &Log) -> Option<&NodeId> {
        self.authors.get(log.author)
    }

    pub(super) fn place_of(&self, log: &Log) -> Option<(&ChannelId, &StreamId)> {
        self.streams.get(log.stream).map(|place| (&place.channel, &place.stream))
    }

    /// The log, if it is of this channel.
    pub(super) fn inside(&self, channel: &ChannelId, id: &LogId) -> Option<&Log> {
        self.get(id).filter(|log| self.place_of(log).is_some_and(|(of, _)| of == channel))
    }

    /// Those of a stream, in no order that means anything.
    pub(super) fn of(&self, stream: Option<At>) -> impl Iterator<Item = &Log> {
        let newest = stream.and_then(|at| self.streams.get(at)?.newest);
        let at = |at: Option<At>| at.and_then(|at| self.rows.get(at));
        std::iter::successors(at(newest), move |log| at(log.next))
    }

    /// How many there are of a stream.
    pub(super) fn count(&self, stream: Option<At>) -> usize {
        stream.and_then(|at| self.streams.get(at)).map_or(0, |place| place.logs as usize)
    }

    pub(super) fn is_of(&self, stream: Option<At>, id: &LogId) -> bool {
        self.get(id).is_some_and(|log| stream == Some(log.stream))
    }

    /// Those of a channel in order of their ids, from a place on.
    pub(super) fn ordered<'a>(
        &'a self,
        channel: &'a Order,
        from: Bound<LogId>,
    ) -> impl Iterator<Item = &'a Log> {
        channel.from(&self.rows, from).filter_map(|at| self.rows.get(at))
    }

    /// Takes in an empty log, of a channel that has its stream; `None` where there is one already.
    pub(super) fn add(&mut self, channel: &mut Channel, name: &LogName) -> Option<&mut Log> {
        if self.contains(&name.id()) {
            return None;
        }
        let stream = channel.streams.get_mut(&name.stream)?;
        let at = *stream.logs.get_or_insert_with(|| {
            let (channel, stream) = (name.channel.clone(), stream.record.id.clone());
            self.streams.insert(Place { channel, stream, newest: None, logs: 0 })
        });
        let place = self.streams.get_mut(at)?;
        let log = Log::new(name, self.authors.add(&name.author), at, place.newest);
        let id = log.id;
        let row = self.rows.insert(log);
        (place.newest, place.logs) = (Some(row), place.logs + 1);
        for order in [&mut self.order, &mut channel.logs] {
            order.insert(&self.rows, &id, row);
        }
        self.touched.push(row);
        self.rows.get_mut(row)
    }

    /// Takes out all logs of a stream of the channel whose logs these are.
    pub(super) fn take(&mut self, channel: &mut Order, stream: &mut Stream) -> Vec<Log> {
        let ids: Vec<LogId> = self.of(stream.logs).map(|log| log.id).collect();
        stream.logs.take().and_then(|at| self.streams.remove(at));
        let taken = ids.into_iter().filter_map(|id| {
            channel.remove(&self.rows, &id);
            let at = self.order.remove(&self.rows, &id)?;
            let log = self.rows.remove(at)?;
            self.authors.release(log.author);
            Some(log)
        });
        taken.collect()
    }

    /// Gives up what those that were handed out do not need any more.
    pub(super) fn rest(&mut self) {
        for at in self.touched.drain(..) {
            self.rows.get_mut(at).into_iter().for_each(Log::rest);
        }
        self.touched.shrink_to(TOUCHED);
    }
}

/// Ids of authors, once each while there are logs of theirs.
#[derive(Debug, Default)]
struct Authors {
    known: BTreeMap<NodeId, At>,
    kept: Slab<(NodeId, u32)>,
}

impl Authors {
    fn get(&self, at: At) -> Option<&NodeId> {
        self.kept.get(at).map(|(author, _)| author)
    }

    /// For one log more.
    fn add(&mut self, author: &NodeId) -> At {
        if let Some(at) = self.known.get(author) {
            self.kept.get_mut(*at).into_iter().for_each(|(_, logs)| *logs += 1);
            return *at;
        }
        let at = self.kept.insert((author.clone(), 1));
        self.known.insert(author.clone(), at);
        at
    }

    /// For one log less.
    fn release(&mut self, at: At) {
        let Some((_, logs)) = self.kept.get_mut(at) else { return };
        *logs -= 1;
        if *logs == 0
            && let Some((author, _)) = self.kept.remove(at)
        {
            self.known.remove(&author);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ChannelRecord, Epoch, StreamRecord};

    fn name(stream: &str, author: &str) -> LogName {
        let (channel, stream) = (ChannelId::new("c").unwrap(), StreamId::new(stream).unwrap());
        let author = NodeId::new(author).unwrap();
        LogName { channel, stream, author, epoch: Epoch::new(1, 1), branch: None }
    }

    fn channel(streams: &[&str]) -> Channel {
        let (id, members) = (ChannelId::new("c").unwrap(), [].into());
        let mut channel = Channel::new(ChannelRecord { id, members, payload_limit: 1024 });
        for stream in streams {
            channel.put_stream(StreamRecord::new(StreamId::new(stream).unwrap()));
        }
        channel
    }

    #[test]
    fn a_log_at_rest_is_a_row_and_nothing_else() {
        let (mut logs, mut channel) = (Logs::default(), channel(&["s"]));
        let id = logs.add(&mut channel, &name("s", "ann")).unwrap().id;
        assert!(size_of::<Option<Log>>() <= 96, "{}", size_of::<Option<Log>>());
        let log = logs.get_mut(&id).unwrap();
        log.rare_mut().in_flight += 1;
        logs.rest();
        assert_eq!(logs.get(&id).unwrap().rare().in_flight, 1, "it is not at rest");
        logs.get_mut(&id).unwrap().rare_mut().in_flight = 0;
        assert!(logs.get(&id).unwrap().is_awake());
        logs.rest();
        assert!(!logs.get(&id).unwrap().is_awake() && logs.touched.is_empty());
    }

    #[test]
    fn streams_and_authors_go_with_their_logs() {
        let (mut logs, mut channel) = (Logs::default(), channel(&["s", "t"]));
        let names = [name("s", "ann"), name("s", "bob"), name("t", "ann")];
        for name in &names {
            assert!(logs.add(&mut channel, name).is_some() && logs.add(&mut channel, name).is_none());
            assert_eq!(*logs.name(&name.id()).unwrap(), *name);
        }
        let Channel { streams, logs: order, .. } = &mut channel;
        let [s, t] = ["s", "t"].map(|id| StreamId::new(id).unwrap());
        let held: Vec<LogId> = logs.of(streams[&s].logs).map(|log| log.id).collect();
        assert_eq!((held, logs.count(streams[&s].logs)), (vec![names[1].id(), names[0].id()], 2));
        assert!(!logs.is_of(streams[&s].logs, &names[2].id()));
        assert_eq!(logs.take(order, streams.get_mut(&s).unwrap()).len(), 2);
        assert_eq!((logs.len(), order.len(), logs.streams.len(), logs.authors.kept.len()), (1, 1, 1, 1));
        assert!(
            logs.authors.known.keys().eq([&names[2].author]) && logs.is_of(streams[&t].logs, &names[2].id())
        );
        assert!(logs.add(&mut channel, &names[0]).is_some());
    }
}
