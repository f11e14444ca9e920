//! Who was to say a beat and has not.

use std::time::Duration;

use super::pulse::{PERIOD, STEP};
use crate::node::{LinkId, Node, Timer};
use crate::wire::{Beat, BeatFlags};
use crate::{MemberState, Tick};

/// Who was asked is asked again after this time if it still says nothing.
const AGAIN: Duration = Duration::from_secs(6);
/// Who was given up and comes back after such a silence may have stood still.
const STILL: Duration = Duration::from_secs(2);
/// Nobody is believed that it says nothing for longer.
pub(super) const LONGEST: Duration = Duration::from_secs(75);

impl Node {
    /// There is a new link: a beat is missed if none comes.
    pub(super) fn expect_first_beat(&mut self, id: LinkId) {
        self.timers.ensure(Timer::Due(id), self.now.tick + PERIOD);
    }

    /// A beat came with a promise of the next.
    pub(super) fn expect_beat(&mut self, id: LinkId, beat: &Beat) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let is_known = self.members.find(link.watch.key).is_some();
        link.watch.wanted_there = beat.flags.has(BeatFlags::WANTED);
        let key = link.watch.key;
        let is_promised = beat.pace > 0;
        let due = self.now.tick + (u32::from(beat.pace) * STEP).min(LONGEST) + link.rtt.slack();
        match is_promised {
            // Nor is it for ever that it dozes.
            true if beat.flags.has(BeatFlags::DOZING) => {
                self.timers.set(Timer::Due(id), self.awake_at(key).unwrap_or(due))
            }
            true => self.timers.set(Timer::Due(id), due),
            false if is_known => self.timers.cancel(&Timer::Due(id)),
            // Its introduction may be lost more than once.
            false => self.expect_first_beat(id),
        }
    }

    /// The next beat is overdue: its member is asked, unless it was heard in another way a moment ago.
    pub(in crate::node) fn miss_beat(&mut self, id: LinkId) {
        let Some(link) = self.links.get(&id) else { return };
        let (key, slack) = (link.watch.key, link.rtt.slack());
        let Some(slot) = self.members.find(key) else { return self.introduce_again(id) };
        let is_live = self.members.get(slot).is_some_and(|member| member.state == MemberState::Live);
        if !is_live {
            return;
        }
        if let Some(awake) = self.awake_at(key) {
            return self.timers.set(Timer::Due(id), awake);
        }
        // Not a whole pace later: then who was busy when it went would be missed last.
        let due = self.last_heard(slot.key) + PERIOD + slack;
        if due > self.now.tick {
            return self.timers.set(Timer::Due(id), due);
        }
        // In case it is heard by others only.
        self.timers.set(Timer::Due(id), self.now.tick + AGAIN);
        self.doubt_member(slot);
    }

    /// Something comes on a link. If its member was given up after a silence its process may have been stopped,
    /// and answers now what was asked meanwhile, all of it: as round trips these would make us wait for its next
    /// silence as long. If it is the network that takes so long now, what is asked from now on tells.
    pub(in crate::node) fn hear_after_silence(&mut self, id: LinkId) {
        let Some(link) = self.links.get(&id).filter(|link| self.now.tick.since(link.heard) >= STILL) else {
            return;
        };
        let key = link.watch.key;
        let doubt = self.members.senses.doubts.get(&key);
        let is_given_up = doubt.is_some_and(|doubt| doubt.opinion().is_some());
        if is_given_up || self.down_since(&link.peer).is_some() {
            let link = self.links.get_mut(&id).into_iter();
            link.for_each(|link| {
                link.watch.forget_sent();
                link.ping = None;
            });
        }
    }

    /// When a member was heard last on any link.
    pub(super) fn last_heard(&self, key: crate::MemberKey) -> Tick {
        let links = self.links_to(key);
        let heard = links.iter().filter_map(|id| self.links.get(id)).map(|link| link.heard);
        heard.max().unwrap_or(Tick(0))
    }
}
