//! What this node says of itself, and what it contradicts.

use std::time::Duration;

use super::MEMBERS;
use super::merge::AHEAD;
use super::row::Details;
use crate::member::{MAX_ADDRESS_BYTES, MAX_ADDRESSES};
use crate::node::admin::Job;
use crate::node::{Class, CommandError, CommandId, LinkId, Node, Reply};
use crate::wire::{Message, Row};

/// Contradictions at once, and the pause between more. Each costs a write, and a message to all.
const REFUTATIONS: (u32, Duration) = (4, Duration::from_secs(1));
/// So far one contradiction goes beyond what this node said itself: a sixteenth of what others believe at once, so
/// that they follow even if they missed some. To outrank more takes several.
const CLIMB: u64 = AHEAD / 16;

impl Node {
    /// Begins a new incarnation: what was said of the one before counts no more.
    pub(in crate::node) fn begin_incarnation(&mut self) {
        let addresses = self.own_details().map(|details| details.addresses).unwrap_or_default();
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
        let me = self.members.me();
        self.members.doze(me, self.now.tick, self.now.tick + Duration::from_secs(u64::from(seconds)));
        let row = Row::Doze { key: me.key, incarnation: self.record.incarnation, seconds };
        self.flood(&row, None);
        if seconds == 0 {
            self.hurry_pulse();
        }
        self.reply(id, Ok(Reply::Done));
    }

    /// Tells who just came, on a link where both know how, who this is.
    pub(in crate::node) fn introduce(&mut self, id: LinkId) {
        if self.spoken(id) >= MEMBERS {
            self.teach(id, &[self.members.me()]);
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
    pub(super) fn refute(&mut self, least: u64) {
        let (at_once, pause) = REFUTATIONS;
        self.members.senses.sicken();
        if !self.members.refutations.take(self.now.tick, at_once, pause) {
            return;
        }
        let addresses = self.own_details().map(|details| details.addresses).unwrap_or_default();
        self.raise(least.min(self.record.incarnation.saturating_add(CLIMB)), addresses);
    }

    /// The incarnation after both the present one and this. It is written down, but nothing waits for that.
    fn raise(&mut self, above: u64, addresses: Box<[String]>) {
        let incarnation = self.record.incarnation.max(above).saturating_add(1);
        self.record.incarnation = incarnation;
        self.members.set_me(self.now.tick, incarnation, addresses);
        self.queue_job(Job::SaveNode);
        let me = self.members.get(self.members.me()).map(|member| self.row_of(member, true));
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
