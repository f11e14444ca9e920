//! Somebody does not say what was to be said: it is asked, and others are asked for it, before anything is said of it.
//!
//! SWIM's probe and indirect probes (Das, Gupta, Motivala 2002), with three things more. As often as the loss that was
//! *measured* demands is asked. **Silence counts only with a witness**: somebody else has answered in time what was asked
//! at or after the last try, so that who is paused or cut off accuses nobody. And any frame ends it, whichever try it
//! answers.

use std::time::Duration;

use super::pauses::Pauses;
use super::row::{Member, Slot};
use super::suspicion::PATIENCE;
use crate::node::{LinkId, Node, NodeState, Timer};
use crate::wire::{BeatFlags, Look};
use crate::{MemberKey, MemberState, Tick};

/// Doubts at once. Of more one is cut off.
const MOST: usize = 64;
/// Of those who can be asked for somebody these answer soonest.
pub(super) const WITNESSES: usize = 3;
/// Who has waited so much longer without a witness says nothing, and has its own opinion.
const LONGER: u32 = 3;
/// Nobody accuses alone sooner: the answers of those who were asked may take longer than all own tries.
const ALONE: Duration = Duration::from_millis(400);
/// Pauses between tries then.
const REST: Pauses = Pauses(Duration::from_secs(1), Duration::from_secs(60));
/// A member that was never heard, or has just come, is asked but not accused: it may be starting.
pub(super) const GRACE: Duration = Duration::from_secs(10);
/// Who dozes may be late.
pub(super) const DROWSY: Duration = Duration::from_secs(15);

/// One member that is asked.
#[derive(Debug)]
pub(super) struct Doubt {
    slot: Slot,
    since: Tick,
    last: Tick,
    tries: u32,
    /// Somebody else answered what was asked since the last try,
    witnessed: bool,
    /// or may, until then.
    witness_until: Tick,
    /// Nothing else is waited for.
    waits: bool,
    pub(super) helpers: Vec<Helper>,
    /// Who asked us.
    pub(super) askers: Vec<(LinkId, Look)>,
    opinion: Option<Opinion>,
    /// It is asked ever less: how often it was asked so.
    rests: Option<u32>,
}

/// Who was asked for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Helper {
    pub(super) link: LinkId,
    pub(super) serial: u16,
    /// Its own tries have failed.
    pub(super) denied: bool,
}

/// What this node thinks meanwhile, and tells nobody but the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opinion {
    /// It may be gone, or we are cut off.
    Suspected,
    /// It is gone, as far as we can know alone.
    Lost,
}

impl Doubt {
    fn new(slot: Slot, now: Tick) -> Self {
        Self {
            slot,
            since: now,
            last: now,
            tries: 0,
            witnessed: false,
            witness_until: now,
            helpers: Vec::new(),
            askers: Vec::new(),
            waits: false,
            opinion: None,
            rests: None,
        }
    }

    pub(super) fn since(&self) -> Tick {
        self.since
    }

    pub(super) fn opinion(&self) -> Option<Opinion> {
        self.opinion
    }

    /// Somebody else answered what was asked then; says whether that was waited for.
    pub(super) fn touch(&mut self, sent: Tick) -> bool {
        let counts = sent >= self.last;
        self.witnessed |= counts;
        counts && std::mem::take(&mut self.waits)
    }

    /// Begins again: what passed was our own delay.
    pub(super) fn restart(&mut self, now: Tick) {
        (self.since, self.last, self.tries, self.witnessed) = (now, now, 0, false);
        // They answer whether they heard it since then.
        self.helpers.clear();
    }
}

impl Node {
    /// A member may be gone: it is asked. Says whether it is now.
    pub(super) fn doubt_member(&mut self, slot: Slot) -> bool {
        let is_running = matches!(self.state, NodeState::Running | NodeState::Paused);
        let may = self.members.get(slot).is_some_and(|member| self.may_be_doubted(member));
        // Links that are deaf do not count, but that the last one is gone does.
        let may = may && (self.links_to(slot.key).is_empty() || !self.is_out_of_touch(slot.key));
        let doubts = &mut self.members.senses.doubts;
        if doubts.contains_key(&slot.key) || !may || !is_running || doubts.len() >= MOST {
            return doubts.contains_key(&slot.key);
        }
        doubts.insert(slot.key, Doubt::new(slot, self.now.tick));
        self.ask(slot.key);
        true
    }

    fn may_be_doubted(&self, member: &Member) -> bool {
        let dozes = self.is_dozing(member);
        member.state == MemberState::Live && member.key != self.members.me().key && !dozes && !self.dozes()
    }

    /// One try more, and a witness for it. From the second on others are asked, and the member hears that it is in
    /// doubt.
    fn ask(&mut self, key: MemberKey) {
        let links = self.links_to(key);
        let Some(doubt) = self.members.senses.doubts.get_mut(&key) else { return };
        (doubt.tries, doubt.last) = (doubt.tries.saturating_add(1), self.now.tick);
        (doubt.witnessed, doubt.waits) = (false, false);
        let (tries, is_lost) = (doubt.tries, links.is_empty());
        for link in &links {
            self.beat_now(*link, BeatFlags::ANSWER.with(BeatFlags::DOUBTED, tries > 1));
        }
        if tries == 2 {
            links.iter().for_each(|link| self.alarm_tree(*link));
        }
        if tries > 1 || is_lost {
            self.ask_others(key);
        }
        let witness = self.call_witness(key, tries);
        let patience = |links: &[LinkId]| self.patience_on(links);
        let (own, other) = (patience(&links), witness.map(|link| patience(&[link])));
        let wait = if is_lost { other.unwrap_or(own) } else { own };
        let Some(doubt) = self.members.senses.doubts.get_mut(&key) else { return };
        doubt.witness_until = other.map_or(self.now.tick, |other| self.now.tick + other);
        let rest = doubt.rests.map(|rests| REST.doubled(rests));
        let wait = wait.max(rest.unwrap_or_default());
        self.set_timer(Timer::Doubt(key), wait);
    }

    /// Asks somebody else something, to know whether silence is ours. Whoever answers fastest comes first, and others in turn.
    fn call_witness(&mut self, of: MemberKey, turn: u32) -> Option<LinkId> {
        let order = self.witnesses(of);
        let link = order.get(turn as usize % order.len().max(1)).copied()?;
        self.beat_now(link, BeatFlags::ANSWER);
        Some(link)
    }

    /// Three that can be asked about a member, those first that are likely to answer, and soon.
    pub(super) fn witnesses(&self, of: MemberKey) -> Vec<LinkId> {
        let others = self.links.iter().filter(|(id, link)| {
            link.watch.key != of && link.is_open() && self.spoken(**id) >= super::MEMBERS
        });
        let order = others.map(|(id, link)| {
            let is_silent = link.watch.is_deaf || self.is_in_question(link.watch.key);
            (is_silent, link.rtt.smoothed().unwrap_or(Duration::MAX), *id)
        });
        let mut order: Vec<_> = order.collect();
        order.sort_unstable();
        let mut keys = Vec::new();
        // Two links to one member are one witness.
        let is_new = |id: &LinkId| {
            let key = self.links.get(id).map(|link| link.watch.key);
            let is_new = !keys.contains(&key);
            keys.push(key);
            is_new
        };
        order.into_iter().map(|(_, _, link)| link).filter(is_new).take(WITNESSES).collect()
    }

    fn is_in_question(&self, key: MemberKey) -> bool {
        let senses = &self.members.senses;
        let member = self.members.find(key).and_then(|slot| self.members.get(slot));
        let is_live = member.is_some_and(|member| member.state == MemberState::Live);
        !is_live || senses.doubts.contains_key(&key) || senses.suspicions.contains_key(&key)
    }

    /// Time has passed, or an answer of somebody else came.
    pub(in crate::node) fn step_doubt(&mut self, key: MemberKey) {
        let now = self.now.tick;
        let tries = self.members.senses.tries();
        let Some(doubt) = self.members.senses.doubts.get_mut(&key) else { return };
        let slot = doubt.slot;
        if self.members.get(slot).is_none_or(|member| !self.may_be_doubted(member)) {
            return self.forget_doubt(slot);
        }
        let is_alone = self.is_alone();
        let Some(doubt) = self.members.senses.doubts.get_mut(&key) else { return };
        if doubt.rests.is_some() && !is_alone {
            if !doubt.witnessed {
                return self.rest(slot, Opinion::Suspected);
            }
            // There is one again.
            doubt.rests = None;
            doubt.restart(now);
        }
        if doubt.tries < tries.few {
            return self.ask(key);
        }
        if is_alone {
            return self.judge_alone(slot, tries.many);
        }
        if doubt.witnessed {
            return self.conclude(slot, tries.many);
        }
        if now < doubt.witness_until {
            doubt.waits = true;
            return self.timers.set(Timer::Doubt(key), doubt.witness_until);
        }
        if doubt.tries < LONGER * tries.many { self.ask(key) } else { self.rest(slot, Opinion::Suspected) }
    }

    /// Silence is the member's, not ours.
    fn conclude(&mut self, slot: Slot, many: u32) {
        self.answer_askers(slot.key, false);
        let is_new = self.members.get(slot).is_some_and(|member| self.is_new(member));
        let Some(doubt) = self.members.senses.doubts.get_mut(&slot.key) else { return };
        let denied = doubt.helpers.iter().find(|helper| helper.denied).map(|helper| helper.link);
        let since = doubt.since;
        let is_enough = denied.is_some() || doubt.tries >= many && self.now.tick.since(since) >= ALONE;
        if !is_enough {
            return self.ask(slot.key);
        }
        if is_new {
            // Asked again and again, but not accused.
            self.go_on(slot, Opinion::Suspected);
            return self.set_timer(Timer::Doubt(slot.key), REST.0);
        }
        if denied.is_none() && !doubt.helpers.is_empty() {
            self.members.senses.sicken();
        }
        let second = denied.and_then(|link| self.links.get(&link)).map(|link| link.watch.key);
        self.drop_doubt(slot.key);
        self.accuse_myself(slot, since, second);
    }

    /// There is nobody to prove anything: only time tells, and only us.
    fn judge_alone(&mut self, slot: Slot, many: u32) {
        if self.links_to(slot.key).is_empty() {
            return self.forget_doubt(slot);
        }
        let Some(doubt) = self.members.senses.doubts.get(&slot.key) else { return };
        let is_long = self.now.tick.since(doubt.since) >= PATIENCE * LONGER;
        match doubt.opinion {
            None if doubt.tries < many => self.ask(slot.key),
            None => self.go_on(slot, Opinion::Suspected),
            Some(Opinion::Suspected) if doubt.tries < LONGER * many || !is_long => self.ask(slot.key),
            Some(_) => self.rest(slot, Opinion::Lost),
        }
    }

    /// Goes on asking, with an opinion.
    fn go_on(&mut self, slot: Slot, opinion: Opinion) {
        let Some(doubt) = self.members.senses.doubts.get_mut(&slot.key) else { return };
        doubt.opinion = Some(opinion);
        self.ask(slot.key);
        self.settle_status(slot);
    }

    /// Goes on asking ever less. Where only a witness was missing, one changes that.
    fn rest(&mut self, slot: Slot, opinion: Opinion) {
        let Some(doubt) = self.members.senses.doubts.get_mut(&slot.key) else { return };
        doubt.rests = Some(doubt.rests.map_or(0, |rests| rests.saturating_add(1)));
        let (was_alone, since) = (!doubt.witnessed, doubt.since);
        self.members.senses.sicken();
        self.renew_silent(since);
        self.go_on(slot, opinion);
        if let Some(doubt) = self.members.senses.doubts.get_mut(&slot.key) {
            doubt.waits = was_alone;
        }
    }

    /// Nobody has heard the member yet.
    pub(super) fn is_new(&self, member: &Member) -> bool {
        member.heard == Tick(0) && self.now.tick.since(member.since) < GRACE
    }

    /// Whoever asked is answered, once.
    fn answer_askers(&mut self, key: MemberKey, heard: bool) {
        let Some(doubt) = self.members.senses.doubts.get_mut(&key) else { return };
        for (link, look) in std::mem::take(&mut doubt.askers) {
            self.answer_look(link, &look, heard);
        }
    }

    /// The member answers, here or to somebody else.
    pub(super) fn end_doubt(&mut self, key: MemberKey, heard: bool) {
        if heard && self.members.senses.doubts.contains_key(&key) {
            self.answer_askers(key, true);
            self.members.senses.recover();
        }
        self.drop_doubt(key);
    }

    fn forget_doubt(&mut self, slot: Slot) {
        self.drop_doubt(slot.key);
        self.settle_status(slot);
    }

    pub(in crate::node) fn drop_doubt(&mut self, key: MemberKey) {
        if self.members.senses.doubts.remove(&key).is_some() {
            self.timers.cancel(&Timer::Doubt(key));
        }
    }
}
