//! Heights announced on links that do not push: where frames are lost, where a neighbour may be gone, and where
//! there was more to push than the link carries. Who is behind waits for the push a moment, and asks then.

use std::time::Duration;

use super::super::fetch::key;
use super::super::{Class, LinkId, Node, Timer};
use crate::wire::{Have, Message};
use crate::{ChannelId, LogId, Seq};

/// Announcements are gathered for half a round trip, and at least so long.
const GATHER: Duration = Duration::from_millis(10);
/// Logs of one announcement: it fits a small frame.
const LOGS: usize = 128;
/// Logs to be announced, or awaited, on a link and of a channel. What is beyond comes out with the next beat.
const MOST: usize = 4 * LOGS;

impl Node {
    /// Whether fresh runs may be pushed on a link now. If not they are announced.
    pub(in crate::node) fn pays(&mut self, id: LinkId, bytes: usize) -> bool {
        let now = self.now.tick;
        if !self.is_in_tree(id) {
            return true;
        }
        self.links.get_mut(&id).is_some_and(|link| link.limb.purse.pay(now, bytes))
    }

    /// Announces logs on a link that does not push, if that is of use.
    pub(in crate::node) fn announce_lazily(&mut self, id: LinkId, name: &ChannelId, logs: &[LogId]) {
        let now = self.now.tick;
        if let Some(shared) = self.shared(id, name) {
            shared.moved = Some(now);
        }
        if now < self.grove.foul_until {
            self.announce_later(id, name, logs);
        }
    }

    /// Announces logs on a link, together with what comes meanwhile.
    pub(in crate::node) fn announce_later(&mut self, id: LinkId, name: &ChannelId, logs: &[LogId]) {
        let at = self.now.tick + (self.round_trip(id) / 2).max(GATHER);
        let Some(shared) = self.shared(id, name) else { return };
        let room = MOST.saturating_sub(shared.edge.untold.len());
        shared.edge.untold.extend(logs.iter().take(room));
        self.timers.ensure(Timer::Have(id), at);
    }

    /// Says what was gathered, as far as it is not known to be held there meanwhile.
    pub(in crate::node) fn say_have(&mut self, id: LinkId) {
        let session = self.links.get_mut(&id).and_then(|link| link.session.as_mut());
        let Some(session) = session else { return };
        let mut said = Vec::new();
        for shared in session.shared.values_mut() {
            let untold = std::mem::take(&mut shared.edge.untold).into_iter();
            let height = |log| self.logs.get(&log).map(|found| (log, found.stored.height));
            let is_new =
                |(log, height): &(LogId, Seq)| shared.knows.get(log).is_none_or(|known| known < height);
            let logs: Vec<_> = untold.filter_map(height).filter(is_new).collect();
            said.extend(logs.chunks(LOGS).map(|logs| {
                let logs = logs.iter().map(|(log, height)| (key(*log), *height)).collect();
                Message::Have(Have { tag: shared.tag, logs })
            }));
        }
        said.iter().for_each(|have| self.send(id, have, Class::Live));
    }

    /// The other side holds this much. What is missing here may be on its way.
    pub(in crate::node) fn on_have(&mut self, id: LinkId, have: Have) {
        let Some((name, _)) = self.shared_by_tag(id, have.tag) else { return };
        let mut awaited = Vec::new();
        for (key, height) in have.logs {
            let alike = self.logs_by_key(&name, &key);
            let holds = |log: &LogId| self.logs.get(log).is_some_and(|log| log.pending().height >= height);
            match alike[..] {
                [log] if holds(&log) => {
                    self.shared(id, &name).into_iter().for_each(|shared| shared.note(log, height))
                }
                _ if !alike.is_empty() && alike.iter().all(holds) => {}
                _ => awaited.push((key, height)),
            }
        }
        let (now, wait) =
            (self.now.tick, self.links.get(&id).map_or(Duration::ZERO, |link| link.rtt.timeout()));
        let Some(shared) = self.shared(id, &name).filter(|_| !awaited.is_empty()) else { return };
        let room = MOST.saturating_sub(shared.edge.awaited.len());
        shared.edge.awaited.extend(awaited.into_iter().take(room));
        self.timers.ensure(Timer::Missing(id), now + wait);
    }

    /// What was announced and has not come is asked for.
    pub(in crate::node) fn ask_announced(&mut self, id: LinkId) {
        let session = self.links.get_mut(&id).and_then(|link| link.session.as_mut());
        let shared = session.into_iter().flat_map(|session| session.shared.iter_mut());
        let awaited = shared.map(|(name, shared)| (name.clone(), std::mem::take(&mut shared.edge.awaited)));
        let awaited: Vec<_> = awaited.filter(|(_, awaited)| !awaited.is_empty()).collect();
        for (name, awaited) in awaited {
            let mut unknown = Vec::new();
            for (key, height) in awaited {
                let alike = self.logs_by_key(&name, &key);
                if alike.is_empty() {
                    unknown.push(key);
                }
                let Some(shared) = self.shared(id, &name) else { continue };
                for log in alike {
                    let told = shared.todo.entry(log).or_insert((height, 0));
                    told.0 = told.0.max(height);
                }
            }
            self.ask_unknown(id, &name, &unknown);
        }
        self.fetch(id);
    }
}
