//! Which hole to ask for next, and of whom.

use std::time::Duration;

use super::holes::keeps;
use super::ops::Op;
use super::refill::{AT_ONCE, OF_LINK, PAUSE_MAX, Refill, Step};
use super::{LinkId, Node, Timer};
use crate::{ChannelId, LogId, Seq, SeqRange, StoreRequest, Tick};

/// Holes of a log that take their turns; lower ones wait until these are filled.
const HOLES: usize = 64;
/// Logs looked at in one go,
const LOOKS: usize = 256;
/// and how soon it goes on with more of them.
const GO_ON: Duration = Duration::from_millis(5);

/// What a look at a log came to.
enum Look {
    Ask(LinkId, SeqRange),
    /// Whoever may be asked is busy.
    Busy,
    /// There is nobody to ask before that.
    Later(Tick),
    /// It has no hole.
    Whole,
}

impl Node {
    /// Has a log looked at if something of it is missing: what stood in the way may be gone.
    pub(super) fn suspect(&mut self, id: LogId) {
        if let Some(log) = self.logs.get(&id)
            && (log.rare().asks_back || !log.holes().gaps.is_empty())
            && let Some((channel, _)) = self.logs.place_of(log)
        {
            self.refills.holey.add(id, channel);
        }
    }

    /// Asks for holes after something changed for many logs: who may be asked, or for what.
    pub(super) fn refill_anew(&mut self) {
        self.refills.holey.wake_all();
        self.refill();
    }

    /// Asks for holes, as far as there are peers and room.
    pub(super) fn refill(&mut self) {
        let now = self.now.tick;
        if !self.is_active() || now < self.fetches.store_ready_at() {
            return;
        }
        self.refills.holey.wake_due(now);
        let (mut looks, mut settled) = (LOOKS, false);
        for channel in self.refills.holey.channels() {
            settled |= self.refill_channel(&channel, &mut looks);
        }
        if looks == 0 && settled {
            self.timers.bring_forward(Timer::Refill, now + GO_ON);
        }
        if let Some(next) = self.refills.holey.next_due() {
            self.timers.bring_forward(Timer::Refill, next);
        }
    }

    /// Looks at each log of a channel that is due, once, while somebody can be asked; returns whether
    /// fewer are due now.
    fn refill_channel(&mut self, channel: &ChannelId, looks: &mut usize) -> bool {
        let (links, mark, mut settled) = (self.speakers(channel), self.refills.holey.mark(), false);
        let is_free = |node: &Self| {
            let mut links = links.iter();
            node.refills.at_work.len() < AT_ONCE && links.any(|link| node.refills.of_link(*link) < OF_LINK)
        };
        while *looks > 0 && is_free(self) {
            let Some(id) = self.refills.holey.first(channel, mark) else { break };
            *looks -= 1;
            #[cfg(test)]
            (self.refills.looks += 1);
            let look = self.look_at(id, &links);
            settled |= !matches!(look, Look::Busy);
            match look {
                Look::Ask(link, hole) => {
                    let op = self.store(Op::Refill(id), StoreRequest::Head { log: id });
                    let step = Step::Reading { op, hole, after: false };
                    self.refills.begin(id, Refill { link, step });
                }
                Look::Busy => self.refills.holey.back(id),
                Look::Later(until) => self.refills.holey.put_off(id, until),
                Look::Whole => self.refills.holey.remove(&id),
            }
        }
        settled
    }

    fn look_at(&self, id: LogId, links: &[LinkId]) -> Look {
        let Some(holes) = self.holes_of(id) else { return Look::Whole };
        // Whatever else it waits for is told; this is for what is not.
        let (mut until, mut is_busy) = (self.now.tick + PAUSE_MAX, false);
        for hole in holes {
            match self.link_for(id, hole.last, links) {
                Look::Ask(link, _) => return Look::Ask(link, hole),
                Look::Later(again) => until = until.min(again),
                Look::Busy => is_busy = true,
                Look::Whole => {}
            }
        }
        if is_busy { Look::Busy } else { Look::Later(until) }
    }

    /// The holes of a log that are worth asking for, the uppermost first: none while the log is not at
    /// rest. `None` for one without holes.
    fn holes_of(&self, id: LogId) -> Option<Vec<SeqRange>> {
        let log = self.logs.get(&id)?;
        let (rare, holes) = (log.rare(), log.holes());
        let is_asked = rare.asks_back && holes.floor > 0;
        let below = is_asked.then_some(SeqRange { first: 1, last: holes.floor });
        if holes.gaps.is_empty() && below.is_none() {
            return None;
        }
        let (channel, stream) = self.logs.place_of(log)?;
        let channel = self.channels.get(channel).filter(|channel| !channel.removing);
        let stream = channel.and_then(|channel| channel.streams.get(stream));
        let Some(stream) = stream.filter(|stream| stream.is_open()) else { return Some(Vec::new()) };
        if rare.filling > 0 || rare.pruning > 0 || log.is_frozen() {
            return Some(Vec::new());
        }
        let (retention, height) = (&stream.record.retention, log.stored.height);
        let kept = |gap: &&SeqRange| keeps(retention, height.saturating_sub(gap.last), None, self.now.wall.0);
        Some(holes.gaps.iter().rev().filter(kept).copied().take(HOLES).chain(below).collect())
    }

    /// A link to ask for a hole; or when one may be asked again.
    fn link_for(&self, id: LogId, below: Seq, links: &[LinkId]) -> Look {
        let place = self.logs.get(&id).and_then(|log| self.logs.place_of(log));
        let Some((name, stream)) = place else { return Look::Whole };
        let Some(channel) = self.channels.get(name) else { return Look::Whole };
        let Some(stream) = channel.streams.get(stream) else { return Look::Whole };
        let mut best = Look::Whole;
        for link in links {
            let session = self.links.get(link).and_then(|link| link.session.as_ref());
            let shared = session.and_then(|session| session.shared.get(name));
            let Some(shared) = shared.filter(|_| channel.scopes.has(*link, &stream.key)) else { continue };
            let until = shared.spent_until(id, below);
            best = match best {
                _ if until <= self.now.tick && self.refills.of_link(*link) < OF_LINK => {
                    return Look::Ask(*link, SeqRange { first: 1, last: below });
                }
                _ if until <= self.now.tick => Look::Busy,
                Look::Busy => Look::Busy,
                Look::Later(again) => Look::Later(again.min(until)),
                Look::Ask(..) | Look::Whole => Look::Later(until),
            };
        }
        best
    }
}
