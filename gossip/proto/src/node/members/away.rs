//! Who heard nobody for a while knows what was so before. Until it has found out what is so now it says of nobody that it
//! is there unless it was heard or heard of since, and believes those who say that somebody is not.

use std::time::Duration;

use super::due::LONGEST;
use super::row::{Member, Slot};
use crate::node::session::Link;
use crate::node::{LinkId, Node};
use crate::{MemberState, Tick};

/// Who is in touch with anybody hears a beat at least this often.
const SILENCE: Duration = Duration::from_secs(8);
/// Tables are compared several times meanwhile, and who is gone is found to be.
const BACK: Duration = Duration::from_secs(30);
/// Those who know who is there have said so by then: what a newcomer lacks before says nothing.
const TOLD: Duration = Duration::from_secs(8);

/// When this node was in touch with others.
#[derive(Debug, Default)]
pub(super) struct Touch {
    /// When it heard anybody last; 0: never.
    pub(super) last: Tick,
    /// Since when it does again; 0: it always did.
    pub(super) back: Tick,
}

impl Node {
    /// Somebody was heard.
    pub(in crate::node) fn keep_touch(&mut self) {
        let (now, touch) = (self.now.tick, &mut self.members.senses.touch);
        let last = std::mem::replace(&mut touch.last, now);
        let is_long = last > Tick(0) && now.since(last) >= SILENCE;
        if is_long && (now.since(last) >= LONGEST || !self.is_quiet_by_design()) {
            self.members.senses.touch.back = now;
        }
    }

    /// Whether silence of some seconds is by design: on all links beats are rare, or their members doze.
    fn is_quiet_by_design(&self) -> bool {
        let is_quiet = |(id, link): (&LinkId, &Link)| {
            let member = self.members.find(link.watch.key).and_then(|slot| self.members.get(slot));
            self.is_calm(*id) || member.is_some_and(|member| member.doze_until > Tick(0))
        };
        let mut watched = self.links.iter().filter(|(id, _)| self.is_watched(**id)).peekable();
        watched.peek().is_some() && watched.all(is_quiet)
    }

    /// Whether what is held of a member is from before this node was away.
    pub(super) fn is_outdated(&self, member: &Member) -> bool {
        let back = self.members.senses.touch.back;
        let is_back = back > Tick(0) && self.now.tick.since(back) < BACK;
        is_back
            && member.state == MemberState::Live
            && member.key != self.members.me().key
            && member.since < back
            && self.heard_at(member) < back
    }

    /// Those of whom this node can speak.
    pub(super) fn in_date(&self, slots: &[Slot]) -> Vec<Slot> {
        let is_it = |slot: &Slot| self.members.get(*slot).is_some_and(|member| !self.is_outdated(member));
        slots.iter().copied().filter(is_it).collect()
    }

    /// Others hold nothing of these. If nothing was heard of them since this node is back, and others had the time to tell
    /// of them, they count as gone: they may have left. Whoever is there comes back, tried like all that are down.
    pub(super) fn give_up_outdated(&mut self, slots: &[Slot]) {
        if self.now.tick.since(self.members.senses.touch.back) < TOLD {
            return;
        }
        for slot in slots {
            let Some(member) = self.members.get(*slot).filter(|member| self.is_outdated(member)) else {
                continue;
            };
            let incarnation = member.incarnation;
            self.members.set_state(*slot, MemberState::Down, incarnation, self.now.tick);
            self.settle_status(*slot);
            self.table_changed();
        }
    }

    /// Others hold the same to be there: nothing is outdated any more.
    pub(super) fn is_up_to_date(&mut self) {
        self.members.senses.touch.back = Tick(0);
    }
}
