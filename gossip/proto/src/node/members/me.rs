//! What this node says of itself, and what it contradicts.

use std::time::Duration;

use super::MEMBERS;
use super::merge::AHEAD;
use super::pauses::Pauses;
use super::pulse::PERIOD;
use super::row::Details;
use crate::Tick;
use crate::member::{MAX_ADDRESS_BYTES, MAX_ADDRESSES};
use crate::node::admin::Job;
use crate::node::{Class, CommandError, CommandId, LinkId, Node, NodeState, Reply, Timer};
use crate::wire::{Message, Row, Table};

/// Of two nodes with one id each outranks the other so often.
const RIVALRY: Duration = Duration::from_secs(60);
/// Contradictions at once, and the pause between more. Each costs a write, and a message to all.
const REFUTATIONS: (u32, Duration) = (4, Duration::from_secs(1));
/// Pauses after which a node introduces itself again, from the second on.
const INTRODUCTIONS: Pauses = Pauses(PERIOD, Duration::from_secs(256));
/// So far one contradiction goes beyond what this node said itself: a fourth of what others believe at once, so that they
/// follow even if they missed some, and as many at once outrank whatever they were told.
pub(super) const CLIMB: u64 = AHEAD / REFUTATIONS.0 as u64;

/// Who knows no more members than these, itself among them, is told all there are.
const NOBODY: usize = 2;

impl Node {
    /// Begins a new incarnation: what was said of the one before counts no more.
    pub(in crate::node) fn begin_incarnation(&mut self) {
        let addresses = self.own_details().map(|details| details.addresses).unwrap_or_default();
        self.members.doze(self.members.me(), self.now.tick, Tick(0));
        self.raise(0, addresses);
    }

    /// Where this node can be dialled has changed.
    pub(in crate::node) fn set_addresses(&mut self, id: CommandId, addresses: Vec<String>) {
        let is_long = |address: &String| address.len() > MAX_ADDRESS_BYTES;
        if addresses.len() > MAX_ADDRESSES || addresses.iter().any(is_long) {
            let error = CommandError::Invalid("at most 8 addresses of at most 256 bytes");
            return self.reply(id, Err(error));
        }
        let addresses = addresses.into_boxed_slice();
        if self.own_details().is_some_and(|details| details.addresses != addresses) {
            self.raise(0, addresses);
        }
        self.reply(id, Ok(Reply::Done));
    }

    /// Says nothing for a while, and means to.
    pub(in crate::node) fn doze(&mut self, id: CommandId, lasting: Duration) {
        let seconds = lasting.as_secs().try_into().unwrap_or(u32::MAX);
        if seconds == 0 {
            return self.wake(id);
        }
        if !matches!(self.state, NodeState::Running | NodeState::Paused) {
            return self.reply(id, Err(CommandError::State { state: self.state }));
        }
        let me = self.members.me();
        self.members.doze(me, self.now.tick, self.now.tick + Duration::from_secs(u64::from(seconds)));
        self.flood(&Row::Doze { key: me.key, incarnation: self.record.incarnation, seconds }, None);
        self.reply(id, Ok(Reply::Done));
    }

    /// Speaks again if it dozed. What waited to be dialled again need not wait: there may be a network now.
    pub(in crate::node) fn wake(&mut self, id: CommandId) {
        if self.dozes() {
            // Who misses that it is back finds out as tables are compared.
            self.begin_incarnation();
            self.hurry_pulse();
        }
        if self.is_active() {
            self.members.hurry_dials(self.now.tick);
            self.members.dead.hurry(self.now.tick);
            self.members.senses.is_shaken = true;
            self.set_timer(Timer::Overlay, Duration::ZERO);
        }
        self.reply(id, Ok(Reply::Done));
    }

    /// Tells who just came, on a link where both know how, who this is.
    pub(in crate::node) fn introduce(&mut self, id: LinkId) {
        if self.spoken(id) >= MEMBERS {
            self.teach(id, &[self.members.me()]);
            let is_newcomer = self.members.live() <= NOBODY;
            self.links.get_mut(&id).into_iter().for_each(|link| link.watch.newcomer = is_newcomer);
            self.begin_pulse();
            self.expect_first_beat(id);
        }
    }

    /// Says goodbye to all.
    pub(in crate::node) fn leave(&mut self) {
        let row = Row::Left { key: self.members.me().key, incarnation: self.record.incarnation };
        self.flood(&row, None);
    }

    /// Something said of this node under such an incarnation is to be outranked, unless it is said again and again.
    /// Says whether it was.
    pub(super) fn refute(&mut self, least: u64) -> bool {
        let (at_once, pause) = REFUTATIONS;
        self.members.senses.sicken();
        let before = self.record.incarnation;
        while self.record.incarnation <= least.max(before)
            && self.members.refutations.take(self.now.tick, at_once, pause)
        {
            let addresses = self.own_details().map(|details| details.addresses).unwrap_or_default();
            self.raise(least.min(self.record.incarnation.saturating_add(CLIMB)), addresses);
        }
        self.record.incarnation > before
    }

    /// Somebody is wrong about this node. Who goes by what another node of this id said last hears of that in time, but
    /// not who says that it is gone.
    pub(super) fn contradict(&mut self, said: &Row) {
        let (_, incarnation) = said.about();
        let is_against = matches!(said, Row::Left { .. } | Row::Down { .. } | Row::Suspect { .. });
        let is_ahead = incarnation > self.record.incarnation && !is_against;
        let is_rivals = is_ahead && self.members.rivalry.is_spent(self.now.tick);
        if !is_rivals {
            self.refute(incarnation);
        }
    }

    /// Somebody else calls itself as this node does. It may be an earlier life of ours, which said what its store had
    /// not written when it ended, or has forgotten since: it is outranked. If it comes back again and again a person
    /// is told that there are two, and each outranks the other now and then only: one of them may be gone.
    pub(super) fn meet_namesake(&mut self, instance: u32, incarnation: u64) {
        let me = self.members.me();
        let is_twin = self.members.is_twin(me, instance);
        if is_twin {
            self.twin(me);
        }
        let may = !is_twin || self.members.rivalry.take(self.now.tick, 1, RIVALRY);
        if may && self.refute(incarnation) {
            self.members.outrank(instance);
        }
    }

    /// The other side does not know who this is, or has not told who it is: an introduction was lost.
    pub(super) fn introduce_again(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.watch.introduced = link.watch.introduced.saturating_add(1);
        let (peer, pause) = (link.peer.clone(), INTRODUCTIONS.doubled(link.watch.introduced));
        self.teach(id, &[self.members.me()]);
        self.ask_who(id);
        self.review(&peer);
        self.set_timer(Timer::Due(id), pause);
    }

    /// Asks the other side who it is now.
    pub(super) fn ask_who(&mut self, id: LinkId) {
        let Some(watch) = self.links.get(&id).map(|link| &link.watch) else { return };
        if watch.is_refused && !self.members.has_room() {
            return;
        }
        let key = watch.key;
        self.send(id, &Message::Table(Table::Want(vec![key])), Class::Urgent);
    }

    /// The incarnation after both the present one and this. It is written down, but nothing waits for that.
    fn raise(&mut self, above: u64, addresses: Box<[String]>) {
        let incarnation = self.record.incarnation.max(above).saturating_add(1);
        self.record.incarnation = incarnation;
        self.members.set_me(self.now.tick, incarnation, addresses);
        self.queue_job(Job::SaveNode);
        let me = self.members.get(self.members.me()).map(|member| self.row_of(member));
        me.into_iter().for_each(|row| self.flood(&row, None));
    }

    fn own_details(&self) -> Option<Details> {
        self.members.get(self.members.me()).map(|member| member.details.clone())
    }

    /// Tells everybody at once, but for who said it.
    pub(super) fn flood(&mut self, row: &Row, but: Option<LinkId>) {
        let (key, _) = row.about();
        let Some(slot) = self.members.find(key) else { return };
        let may = match row {
            // There are no more of these than of what they answer.
            Row::Vouch { .. } => true,
            // What is said of this node itself has its own bounds: contradictions, and what the application commands.
            _ if slot == self.members.me() => true,
            Row::Suspect { .. } | Row::Seek { .. } => self.members.may_accuse(slot, self.now.tick),
            _ => self.members.may_flood(slot, self.now.tick),
        };
        if !may {
            return;
        }
        for id in self.told_at_once(but) {
            match row {
                // Not everybody may know it by its name.
                Row::Live { .. } => self.teach(id, &[slot]),
                short => self.send(id, &Message::News(vec![short.clone()]), Class::Urgent),
            }
        }
    }

    /// Links on which what has happened is told at once: in a large group those that are watched reach everybody.
    pub(super) fn told_at_once(&self, but: Option<LinkId>) -> Vec<LinkId> {
        let is_large = self.members.is_large();
        let is_told = |id: &LinkId| self.spoken(*id) >= MEMBERS && (!is_large || self.is_watched(*id));
        self.established().filter(|id| Some(*id) != but && is_told(id)).collect()
    }
}
