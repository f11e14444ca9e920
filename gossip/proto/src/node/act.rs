//! What follows from knowing which logs differ: who holds more gives it, who holds less asks for it.

use std::collections::BTreeSet;

use super::log::Log;
use super::outlook::Outlook;
use super::{LinkId, Node};
use crate::sketch::{self, Found, Kind, id40};
use crate::wire::SketchMessage;
use crate::{ChannelId, LogId, Seq};

/// Logs given for one sketch.
const GIVEN: usize = 4096;

/// The beginning of an id.
type Key = [u8; 5];

/// What to do about differences.
#[derive(Debug, Default)]
struct Plan {
    /// We hold more: each with what they hold.
    give: Vec<(LogId, Seq)>,
    /// They hold more: each with what they hold.
    lack: Vec<(LogId, Seq)>,
    /// Same height, another hash; or in any other way not to be explained.
    tell: Vec<LogId>,
    /// Logs of theirs we never heard of.
    ask: BTreeSet<Key>,
    /// Streams, theirs or ours.
    streams: BTreeSet<Key>,
    /// Of logs, if heights were compared.
    outlook: Outlook,
}

impl Plan {
    fn is_empty(&self) -> bool {
        self.give.is_empty()
            && self.lack.is_empty()
            && self.tell.is_empty()
            && self.ask.is_empty()
            && self.streams.is_empty()
    }
}

/// What found streams call for.
#[derive(Default)]
struct Streams {
    /// They do not know that we leave one out.
    left_out: bool,
    /// One of ours without logs is unknown to them.
    tell: bool,
    /// One of theirs is unknown to us.
    ask: bool,
}

impl Node {
    /// Does what there is to do about differences that a sketch of theirs made known.
    pub(super) fn act(&mut self, id: LinkId, name: &ChannelId, sketch: &SketchMessage, found: &[Found]) {
        let plan = self.plan_for(id, name, sketch.kind, found);
        let streams = self.weigh_streams(id, name, &plan.streams);
        if streams.left_out {
            return self.say_scope(id, name);
        }
        if plan.is_empty() {
            return match sketch.kind {
                // Same heights, as far as they can be the same: hashes tell the rest.
                Kind::Heights => self.probe_sketch(id, name, Kind::Hashes),
                Kind::Hashes => self.sketches_fail(id, name),
            };
        }
        self.end_exchange(id, name);
        self.has_compared(id, name);
        if sketch.kind == Kind::Heights {
            self.foresee(id, name, plan.outlook);
        }
        if streams.tell || streams.ask && plan.ask.is_empty() {
            self.offer_streams(id, name, streams.ask);
        }
        if !plan.give.is_empty() {
            // What comes within the room is there before it is worth telling.
            self.announce_gift(id, name, sketch, u64::from(sketch.room) << 10);
            self.give(id, name, sketch.serial, sketch.room, plan.give);
        }
        self.tell_heights(id, name, &plan.tell);
        self.want_found(id, name, plan.lack);
        self.ask_unknown(id, name, &plan.ask.into_iter().collect::<Vec<_>>());
        self.fetch(id);
    }

    /// They hold no log: gives them all of ours.
    pub(super) fn give_all(&mut self, id: LinkId, name: &ChannelId, sketch: &SketchMessage) {
        let Some(channel) = self.channels.get(name) else { return };
        let logs = channel.streams_on(id, true).flat_map(|stream| self.logs.of(stream.logs));
        let held = logs.filter(|log| log.is_written());
        let held: Vec<(LogId, Seq)> = held.take(GIVEN).map(|log| (log.id, 0)).collect();
        if held.is_empty() {
            return self.offer_all(id, name);
        }
        self.end_exchange(id, name);
        self.has_compared(id, name);
        let outlook = Outlook { get: 0, give: self.count_after(held.iter()) };
        self.foresee(id, name, outlook);
        self.announce_gift(id, name, sketch, 0);
        self.give(id, name, sketch.serial, sketch.room, held);
    }

    fn has_compared(&mut self, id: LinkId, name: &ChannelId) {
        let now = self.now.tick;
        self.shared(id, name).into_iter().for_each(|shared| shared.compared = now);
    }

    fn plan_for(&self, id: LinkId, name: &ChannelId, kind: Kind, found: &[Found]) -> Plan {
        let mut plan = Plan::default();
        let Some(channel) = self.channels.get(name) else { return plan };
        let session = self.links.get(&id).and_then(|link| link.session.as_ref());
        let Some(shared) = session.and_then(|session| session.shared.get(name)) else { return plan };
        let logs = found.iter().filter(|found| !sketch::is_stream(&channel.secret, found.x));
        plan.outlook = Outlook::of_logs(logs.map(|found| found.delta));
        for Found { x, delta } in found {
            let key = id40(*x);
            if sketch::is_stream(&channel.secret, *x) {
                plan.streams.insert(key);
                continue;
            }
            let logs = self.logs_by_key(name, &key);
            if logs.is_empty() && (kind == Kind::Hashes || *delta > 0) {
                plan.ask.insert(key);
            }
            for log in logs.into_iter().filter(|log| self.may_compare(id, log)) {
                let Some(height) = self.logs.get(&log).map(|log| log.stored.height) else { continue };
                match (kind, height.checked_add_signed(*delta)) {
                    (Kind::Heights, _) if shared.forks.contains(&log) => {}
                    (Kind::Hashes, _) | (_, None) => plan.tell.push(log),
                    (Kind::Heights, Some(theirs)) if theirs < height => plan.give.push((log, theirs)),
                    (Kind::Heights, Some(theirs)) => plan.lack.push((log, theirs)),
                }
            }
        }
        plan
    }

    fn weigh_streams(&self, id: LinkId, name: &ChannelId, found: &BTreeSet<Key>) -> Streams {
        let mut result = Streams::default();
        let Some(channel) = self.channels.get(name).filter(|_| !found.is_empty()) else { return result };
        let mut known = 0;
        let key = |key: &[u8; 8]| -> Key { [key[0], key[1], key[2], key[3], key[4]] };
        for stream in channel.streams.values().filter(|stream| found.contains(&key(&stream.key.0))) {
            known += 1;
            result.left_out |= channel.scopes.leaves_out(id, &stream.key);
            result.tell |= !self.logs.of(stream.logs).any(Log::is_written);
        }
        result.ask = known < found.len();
        result
    }

    /// They hold more of these logs.
    fn want_found(&mut self, id: LinkId, name: &ChannelId, logs: Vec<(LogId, Seq)>) {
        for (log, theirs) in logs {
            let pending = self.logs.get(&log).map_or(0, |log| log.pending().height);
            let end = self.reach(&log);
            let Some(shared) = self.shared(id, name) else { return };
            shared.note(log, theirs);
            // Whoever does not know yet that it forks tells of more than it ends with.
            if theirs.min(end) > pending {
                shared.todo.insert(log, (theirs.min(end), 0));
                if self.is_believed_ours(&log) {
                    self.disclaim(log);
                }
            }
        }
    }
}
