//! One beat in a little more than a second, to all that are watched in turn: what it costs to be seen does not
//! grow with the group. Each beat says when the next one comes at the latest, so that its listener knows when to
//! miss it (as in the fixed observers of Rapid: Suresh and others 2018).

use std::time::Duration;

use super::MEMBERS;
use crate::node::session::Link;
use crate::node::{LinkId, Node, NodeState, Timer};
use crate::wire::BeatFlags;
use crate::{MemberKey, MemberState, Tick};

/// Every node says one beat in this time.
pub(super) const PERIOD: Duration = Duration::from_millis(1_050);
/// Up to so many links have their turn in as many periods; with more of them beats come faster.
const FULL: usize = 7;
/// Paces are said in this unit.
pub(super) const STEP: Duration = Duration::from_millis(50);
/// After a long silence of ours all are told within this time that we are back.
const BACK: Duration = Duration::from_secs(1);

/// Who is watched, as it was when the last beat was said.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    /// Links that have their turn.
    count: usize,
    /// There are so few that all of them have.
    all: bool,
    /// Else links to these, and those the other side wants.
    next: [Option<MemberKey>; 3],
    /// Beats that are said sooner than usual.
    hurried: usize,
}

impl Pulse {
    fn pause(&self) -> Duration {
        let count = u32::try_from(self.count.max(1)).unwrap_or(u32::MAX);
        let usual = match self.count {
            ..=FULL => PERIOD,
            _ => PERIOD * FULL as u32 / count,
        };
        if self.hurried > 0 { usual.min(BACK / count) } else { usual }
    }

    /// In which time every link has its turn once.
    fn round(&self) -> Duration {
        PERIOD * self.count.clamp(1, FULL) as u32
    }

    /// Whether we want the link, whatever the other side does.
    fn wants(&self, link: &Link) -> bool {
        self.all || self.next.contains(&Some(link.watch.key))
    }
}

impl Node {
    /// Says a beat where it is due first.
    pub(in crate::node) fn pulse(&mut self) {
        let Some(next) = self.look_around() else { return };
        self.links.get_mut(&next).into_iter().for_each(|link| link.watch.said = self.now.tick);
        if self.may_disturb(next) {
            self.beat_now(next, BeatFlags::default());
        }
        let pulse = &mut self.members.senses.pulse;
        let pause = pulse.pause();
        pulse.hurried = pulse.hurried.saturating_sub(1);
        self.set_timer(Timer::Beat, pause);
    }

    /// Whether a beat that nobody asked for is said on a link: neither side has announced a pause.
    pub(in crate::node) fn may_disturb(&self, id: LinkId) -> bool {
        let key = self.links.get(&id).map(|link| link.watch.key);
        let member = key.and_then(|key| self.members.find(key)).and_then(|slot| self.members.get(slot));
        !self.dozes() && !member.is_some_and(|member| self.is_dozing(member))
    }

    /// There is another link: somebody may be watched now.
    pub(super) fn begin_pulse(&mut self) {
        let next = self.look_around();
        let calm = self.calm_links();
        if calm.len() == 1 {
            self.settle_all();
        }
        // The first is said when both know what that is.
        calm.into_iter().for_each(|id| self.timers.ensure(Timer::Calm(id), self.now.tick + BACK));
        if next.is_some() {
            if self.members.senses.pulse.count == 1 {
                self.settle_all();
            }
            // Nodes that start together do not speak together.
            let phase = Duration::from_micros(self.members.me().key.0 % PERIOD.as_micros() as u64);
            self.timers.ensure(Timer::Beat, self.now.tick + phase);
        }
    }

    /// Everybody is told soon that we are back.
    pub(super) fn hurry_pulse(&mut self) {
        let next = self.look_around();
        let calm = self.calm_links();
        calm.into_iter().for_each(|id| self.timers.bring_forward(Timer::Calm(id), self.now.tick + BACK));
        if next.is_some() {
            self.members.senses.pulse.hurried = self.members.senses.pulse.count;
            self.timers.set(Timer::Beat, self.now.tick);
        }
    }

    /// Whether beats are said on a link without being asked for.
    pub(in crate::node) fn is_watched(&self, id: LinkId) -> bool {
        let link = self.links.get(&id).filter(|link| self.may_be_watched(link));
        link.is_some_and(|link| self.has_turn(link))
    }

    /// Whether at least every second beat of this node goes on one of so many links.
    pub(in crate::node) fn has_every_second_beat(&self, links: usize) -> bool {
        links > 0 && links * 2 >= self.members.senses.pulse.count
    }

    /// Whether nothing is to be said on a link: in a large group others see whether its member is there.
    pub(in crate::node) fn is_idle(&self, id: LinkId) -> bool {
        let is_known = self.links.get(&id).is_some_and(|link| self.may_be_watched(link));
        is_known && self.members.is_large() && !self.is_watched(id)
    }

    /// What a beat on this link says of its next turn, whatever is said between, and whether we want the link.
    pub(super) fn pace_on(&self, id: LinkId) -> (u16, bool) {
        let pulse = &self.members.senses.pulse;
        let Some(link) = self.links.get(&id) else { return (0, false) };
        let waits =
            if link.watch.said > Tick(0) { self.now.tick.since(link.watch.said) } else { Duration::ZERO };
        let left = match self.is_calm(id) {
            true => Self::calm_pause(link),
            false => pulse.round().saturating_sub(waits).max(PERIOD),
        };
        let steps = left.as_millis().div_ceil(STEP.as_millis());
        (if self.is_watched(id) { u16::try_from(steps).unwrap_or(u16::MAX) } else { 0 }, pulse.wants(link))
    }

    /// Whether this node has said that it says nothing for a while.
    pub(super) fn dozes(&self) -> bool {
        self.members.get(self.members.me()).is_some_and(|me| me.doze_until > self.now.tick)
    }

    fn has_turn(&self, link: &Link) -> bool {
        link.watch.wanted_there || self.members.senses.pulse.wants(link)
    }

    /// Whether a link leads to a member that is alive, and both sides know what that is.
    fn may_be_watched(&self, link: &Link) -> bool {
        let is_known = link.session.as_ref().is_some_and(|session| session.version >= MEMBERS);
        let member = self.members.find(link.watch.key).and_then(|slot| self.members.get(slot));
        is_known && member.is_some_and(|member| member.state == MemberState::Live)
    }

    /// Sees which links are watched now; answers which of them waits longest for a beat.
    fn look_around(&mut self) -> Option<LinkId> {
        if !matches!(self.state, NodeState::Running | NodeState::Paused) {
            return None;
        }
        let open = self.links.values().filter(|link| self.may_be_watched(link)).count();
        let mut next = [None; 3];
        let neighbours = self.members.neighbours().map(|slot| slot.key);
        next.iter_mut().zip(neighbours).for_each(|(place, key)| *place = Some(key));
        let all = !self.members.is_large() || open <= FULL;
        let pulse = &mut self.members.senses.pulse;
        (pulse.all, pulse.next) = (all, next);
        let mut first: Option<(Tick, LinkId)> = None;
        let mut count = 0;
        for (id, link) in &self.links {
            if self.has_turn(link) && self.may_be_watched(link) && !link.limits.notices_loss {
                let turn = (link.watch.said, *id);
                first = Some(first.map_or(turn, |first| first.min(turn)));
                count += 1;
            }
        }
        self.members.senses.pulse.count = count;
        first.map(|(_, id)| id)
    }
}
