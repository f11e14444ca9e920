//! Live push: fresh runs go to every linked peer that is not known to hold them, at once; in large groups along
//! the tree of their channel.

use std::collections::BTreeSet;

use super::ops::{Landed, Landing};
use super::pieces::MESSAGE;
use super::sealed::keep_sealed;
use super::shared::Shared;
use super::{Class, LinkId, Node};
use crate::wire::{Delta, DeltaRun, Fresh, Message, NamedRun, Push};
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
        let Some(found) = self.channels.get(channel) else { return };
        let Some(key) = found.streams.get(stream).map(|stream| stream.key) else { return };
        let speakers = self.speakers(channel).into_iter();
        let speakers: Vec<LinkId> = speakers.filter(|id| found.scopes.has(*id, &key)).collect();
        let told = speakers.iter().filter(|id| self.beats_tell(**id)).count();
        // Of a channel that few neighbours share beats tell late, and to those who hear none of these nothing.
        let is_compared = self.has_every_second_beat(told);
        for id in speakers {
            let is_lazy = self.is_lazy(id, channel);
            if is_lazy {
                let logs: Vec<LogId> = landings.iter().map(|landing| landing.log).collect();
                self.announce_lazily(id, channel, &logs);
            } else if self.carries(id, channel, &key) {
                self.spread_on(id, channel, landings);
            } else if let Some(shared) = self.shared(id, channel) {
                // It comes over another link.
                shared.moved = Some(now);
            }
            if self.is_in_tree(id) {
                // The next beat tells whether it arrived.
                self.note_content(id);
            } else {
                self.tell_status(id, channel);
            }
            match is_compared && self.is_in_tree(id) && self.may_disturb(id) {
                _ if is_lazy => {}
                true if self.beats_tell(id) => {}
                true => self.compare_link_later(id, channel),
                false => self.compare_link_soon(id, channel),
            }
        }
    }

    fn spread_on(&mut self, id: LinkId, name: &ChannelId, landings: &[Landing]) {
        let now = self.now.tick;
        let Some(limit) = self.links.get(&id).map(|link| link.limits.max_frame) else { return };
        let Some(shared) = self.shared(id, name) else { return };
        let news = landings.iter().filter(|landing| {
            let known = shared.knows.get(&landing.log).copied().unwrap_or(0);
            landing.end.height > known
        });
        let mut news: Vec<&Landing> = news.collect();
        // Where a log forks it may end without a seal: whoever knows of that asks for it.
        keep_sealed(&mut news, |Landing { name, log, what, .. }| match what {
            Landed::Run(run) => (*log, name.author.is_key(), run.seal().is_some()),
            _ => (*log, false, false),
        });
        if news.is_empty() {
            return;
        }
        shared.moved = Some(now);
        let runs = news.iter().filter(|landing| matches!(landing.what, Landed::Run(_))).count();
        let bytes: usize = news.iter().map(|landing| landing.what.bytes()).sum();
        if bytes > PUSH_BYTES || bytes + 1024 > limit.max(MESSAGE) && runs > 1 {
            let logs: BTreeSet<LogId> = news.iter().map(|landing| landing.log).collect();
            let logs: Vec<LogId> = logs.into_iter().collect();
            return self.offer_some(id, name, &logs);
        }
        if !self.pays(id, bytes) {
            let logs: Vec<LogId> = news.iter().map(|landing| landing.log).collect();
            return self.announce_later(id, name, &logs);
        }
        let Some(delta) = self.fresh(id, name, &news) else { return };
        if let Some(shared) = self.shared(id, name) {
            news.iter().for_each(|landing| shared.note(landing.log, landing.end.height));
        }
        self.push(id, delta);
    }

    /// What landed as a message, with the names of logs they may not know.
    fn fresh(&self, id: LinkId, name: &ChannelId, news: &[&Landing]) -> Option<Delta> {
        let session = self.links.get(&id)?.session.as_ref()?;
        let shared = session.shared.get(name)?;
        let (mut names, mut runs) = (Vec::new(), Vec::new());
        for Landing { name, log, what, .. } in news {
            let Landed::Run(run) = what else { continue };
            let key = (name.stream.clone(), name.author.clone(), name.epoch, name.branch);
            if !self.is_named(session.version, shared, log) && !names.contains(&key) {
                names.push(key);
            }
            runs.push(DeltaRun { prev: None, run: run.clone() });
        }
        Some(Delta { tag: shared.tag, serial: 0, end: true, names, floors: Vec::new(), runs })
    }

    /// Whether they know a log by name: they told of it, were told of it, or held it when digests
    /// agreed.
    fn is_named(&self, version: u8, shared: &Shared, log: &LogId) -> bool {
        let old = || version > 1 && self.logs.get(log).is_some_and(|log| log.number < shared.named);
        shared.knows.contains_key(log) || old()
    }

    /// Sends runs that nobody asked for, with as little around them as the link's version allows.
    pub(super) fn push(&mut self, id: LinkId, delta: Delta) {
        let is_in_tree = self.is_in_tree(id);
        let message = match self.spoken(id) {
            1 => Message::Delta(delta),
            _ if delta.names.is_empty() => {
                let runs = delta.runs.into_iter().map(|run| run.run).collect();
                match is_in_tree {
                    true => Message::Fresh(Fresh { named: None, runs }),
                    false => Message::Push(Push { tag: delta.tag, runs }),
                }
            }
            _ => match first_of_log(&delta).filter(|_| is_in_tree) {
                named @ Some(_) => Message::Fresh(Fresh { named, runs: Vec::new() }),
                None => Message::Runs(delta),
            },
        };
        self.send(id, &message, Class::Live);
    }
}

/// One run with the name of its log, as most first ones of a writer are.
fn first_of_log(delta: &Delta) -> Option<NamedRun> {
    let ([(stream, author, epoch, None)], [DeltaRun { prev: None, run }]) =
        (&delta.names[..], &delta.runs[..])
    else {
        return None;
    };
    NamedRun::new(delta.tag, (stream.clone(), author.clone(), *epoch), run)
}
