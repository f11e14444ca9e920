//! Live push: fresh runs go to every linked peer that is not known to hold them, at once.

use super::ops::{Landed, Landing};
use super::pieces::MESSAGE;
use super::{Class, LinkId, Node};
use crate::wire::{Delta, DeltaRun, Message};
use crate::{ChannelId, LogId, MAX_RUN_BYTES, NodeId, StreamId};

/// Larger news are announced; peers fetch them at their own pace.
const PUSH_BYTES: usize = MAX_RUN_BYTES;

impl Node {
    /// Passes on what was just stored; `from` sent it and needs it least.
    pub(super) fn spread(
        &mut self,
        channel: &ChannelId,
        stream: &StreamId,
        landings: &[Landing],
        from: Option<&NodeId>,
    ) {
        let now = self.now.tick;
        for id in self
            .links
            .iter()
            .filter(|(_, link)| Some(&link.peer) == from)
            .map(|(id, _)| *id)
            .collect::<Vec<_>>()
        {
            if let Some(shared) = self.shared(id, channel) {
                shared.moved = Some(now);
                landings.iter().for_each(|landing| shared.note(landing.log, landing.end.height));
            }
        }
        for id in self.primaries(channel) {
            self.spread_on(id, channel, stream, landings);
            self.compare_link_soon(id, channel);
        }
    }

    fn spread_on(&mut self, id: LinkId, name: &ChannelId, stream: &StreamId, landings: &[Landing]) {
        let now = self.now.tick;
        let Some(key) = self.channels.get(name).and_then(|c| c.streams.get(stream)).map(|stream| stream.key)
        else {
            return;
        };
        let Some(limit) = self.links.get(&id).map(|link| link.limits.max_frame) else { return };
        let Some(shared) = self.shared(id, name) else { return };
        if shared.refused.contains(&key) {
            return;
        }
        let news = landings.iter().filter(|landing| {
            let known = shared.knows.get(&landing.log).copied().unwrap_or(0);
            landing.end.height > known
        });
        let news: Vec<&Landing> = news.collect();
        if news.is_empty() {
            return;
        }
        let mut delta =
            Delta { tag: shared.tag, serial: 0, end: true, names: vec![], floors: vec![], runs: vec![] };
        let mut bytes = 0;
        for Landing { name, log, what, .. } in &news {
            let Landed::Run(run) = what else { continue };
            bytes += run.encoded().len();
            let key = (name.stream.clone(), name.author.clone(), name.epoch, name.branch);
            if !shared.knows.contains_key(log) && !delta.names.contains(&key) {
                delta.names.push(key);
            }
            delta.runs.push(DeltaRun { prev: None, run: run.clone() });
        }
        shared.moved = Some(now);
        if bytes > PUSH_BYTES || bytes + 1024 > limit.max(MESSAGE) && delta.runs.len() > 1 {
            let logs: std::collections::BTreeSet<LogId> = news.iter().map(|landing| landing.log).collect();
            let logs: Vec<LogId> = logs.into_iter().collect();
            return self.offer_some(id, name, &logs);
        }
        for landing in news {
            shared.note(landing.log, landing.end.height);
        }
        self.send(id, &Message::Delta(delta), Class::Live);
    }
}
