//! Beats tell whether both sides of a link hold the same: one hash over all channels they share. It announces what is
//! new where entries are not pushed, for nothing, and it is what makes delivery certain: whatever a push missed
//! comes out with the next beats, and is found as ever.

use std::time::Duration;

use super::super::members::Pauses;
use super::super::shared::Shared;
use super::super::{LinkId, Node, Timer};
use crate::{ChannelId, Tick};

/// Those who differ for so long compare even while entries keep coming.
pub(in crate::node) const IMPATIENCE: Duration = Duration::from_secs(3);
/// Between comparisons of a link; those that changed nothing are repeated ever less.
const PAUSES: Pauses = Pauses(Duration::from_secs(1), Duration::from_secs(64));
/// Of so many comparisons one is of all channels, not only of those that are known to have changed.
const ALL: u32 = 4;

/// What beats told of a link.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// What we held, the last times it changed.
    past: [u64; 16],
    changes: usize,
    /// What they held when they said so last.
    heard: Option<u64>,
    /// Both had this when they agreed last.
    agreed: Option<u64>,
    /// Ours and theirs, as long as they differ,
    differ: Option<[u64; 2]>,
    /// and since when.
    since: Option<Tick>,
    /// When it was compared last, of what, and how often in a row in vain.
    tried: Option<(Tick, [u64; 2])>,
    in_vain: u32,
}

impl Content {
    fn note(&mut self, mine: u64) {
        if self.past[self.changes % self.past.len()] != mine {
            self.changes += 1;
            self.past[self.changes % self.past.len()] = mine;
        }
    }

    fn agree(&mut self, on: Option<u64>) {
        (self.agreed, self.differ, self.since, self.in_vain) = (on, None, None, 0);
    }

    /// No comparison before.
    fn rests_until(&self, state: [u64; 2]) -> Tick {
        let Some((at, of)) = self.tried else { return Tick(0) };
        at + PAUSES.doubled(if of == state { self.in_vain } else { 0 })
    }

    /// Compared now; answers how often so in a row.
    fn tries(&mut self, now: Tick, state: [u64; 2]) -> u32 {
        let is_again = self.tried.is_some_and(|(_, of)| of == state);
        self.in_vain = if is_again { self.in_vain.saturating_add(1) } else { 0 };
        (self.tried, self.since) = (Some((now, state)), None);
        self.in_vain
    }
}

impl Node {
    /// Hash of all that both sides of a link are to hold alike; 0 says nothing.
    pub(in crate::node) fn content(&self, id: LinkId) -> u64 {
        if !self.may_be_in_tree(id) {
            return 0;
        }
        let session = self.links.get(&id).and_then(|link| link.session.as_ref());
        let mut hasher = blake3::Hasher::new_derive_key("gossip 1 content of a link");
        for (name, shared) in session.iter().flat_map(|session| &session.shared) {
            if let Some(channel) = self.channels.get(name) {
                hasher.update(&shared.tag.0).update(&shared.digest_of(channel).0);
            }
        }
        let [first, ..] = *hasher.finalize().as_bytes().as_chunks::<8>().0 else { return 0 };
        u64::from_le_bytes(first)
    }

    /// Whether both sides held the same when the last beat came.
    pub(in crate::node) fn beats_agree(&self, id: LinkId) -> bool {
        let agreed = self.links.get(&id).and_then(|link| link.limb.content.agreed);
        self.beats_compare(id) && agreed.is_some()
    }

    /// What both hold has changed here.
    pub(in crate::node) fn note_content(&mut self, id: LinkId) {
        let mine = self.content(id);
        self.links.get_mut(&id).into_iter().for_each(|link| link.limb.content.note(mine));
    }

    /// The other side holds this. If we held the same a moment ago it is behind, or was when it said so: it will
    /// notice itself when it hears of us.
    pub(in crate::node) fn hear_content(&mut self, id: LinkId, theirs: u64) {
        let (mine, now) = (self.content(id), self.now.tick);
        let Some(content) = self.links.get_mut(&id).map(|link| &mut link.limb.content) else { return };
        content.note(mine);
        if mine == 0 || theirs == 0 {
            content.agree(None);
        } else if mine != theirs {
            content.agreed = None;
            // Whoever says so twice has not noticed.
            let again = content.heard.replace(theirs) == Some(theirs);
            if !again && content.past.contains(&theirs) {
                // They are behind by what is on its way to them, and we by nothing.
                content.since = None;
            } else {
                content.since.get_or_insert(now);
                content.differ = Some([mine, theirs]);
                let rests_until = content.rests_until([mine, theirs]);
                self.timers.bring_forward(Timer::Content(id), rests_until.max(now + self.crossing(id)));
            }
        } else if content.agreed != Some(mine) {
            content.agree(Some(mine));
            self.timers.cancel(&Timer::Content(id));
            self.agree_on_all(id);
        }
    }

    /// To the other side the group is small, or is not any more.
    pub(in crate::node) fn hear_size(&mut self, id: LinkId, is_small: bool) {
        let was_small =
            self.links.get_mut(&id).map(|link| std::mem::replace(&mut link.limb.is_small_there, is_small));
        if was_small.is_some_and(|was_small| was_small != is_small) && self.members.is_large() {
            self.compare_link(id);
        }
    }

    /// What differed had time to arrive: if it has not, it is looked for.
    pub(in crate::node) fn compare_content(&mut self, id: LinkId) {
        let (mine, now) = (self.content(id), self.now.tick);
        let is_paused = !self.is_active() || self.is_paused_there(id);
        let Some(content) = self.links.get_mut(&id).map(|link| &mut link.limb.content) else { return };
        let Some([ours, theirs]) = content.differ.take() else { return };
        let old = content.since.unwrap_or(now) + IMPATIENCE;
        if mine == theirs {
            self.hear_content(id, theirs);
        } else if mine != ours && content.past.contains(&theirs) {
            // They were ahead, for as long as what they had was on its way.
            content.since = None;
        } else if is_paused {
            // Who goes on compares.
        } else if mine == ours || now >= old {
            let tries = content.tries(now, [mine, theirs]);
            self.compare_moved(id, tries % ALL == ALL - 1);
        } else {
            // What they said is of before; if it never comes to be the same something is missing.
            content.differ = Some([ours, theirs]);
            self.timers.set(Timer::Content(id), old);
        }
    }

    /// A round of channels on a link in which one side may have more: they have changed here since both agreed, or
    /// never did. Where it is the other side that has more they have changed there.
    fn compare_moved(&mut self, id: LinkId, all: bool) {
        let session = self.links.get(&id).and_then(|link| link.session.as_ref());
        let shared = session.into_iter().flat_map(|session| &session.shared);
        let differs = |(name, shared): &(&ChannelId, &Shared)| {
            let mine = self.channels.get(*name).map(|channel| shared.digest_of(channel));
            all || shared.theirs.is_none() || shared.theirs != mine
        };
        let names: Vec<ChannelId> = shared.filter(differs).map(|(name, _)| name.clone()).collect();
        for name in names {
            self.timers.bring_forward(Timer::Round(id, name), self.now.tick);
        }
    }

    fn agree_on_all(&mut self, id: LinkId) {
        let session = self.links.get(&id).and_then(|link| link.session.as_ref());
        let names: Vec<ChannelId> =
            session.into_iter().flat_map(|session| session.shared.keys().cloned()).collect();
        for name in names {
            let mine = self.digest_on(id, &name);
            if let Some(mine) = mine.filter(|mine| !self.has_agreed(id, &name, *mine)) {
                self.hear_digest(id, &name, mine);
            }
        }
    }

    /// How long an entry may take from one side of a link to the other by way of the tree: that is as deep as the
    /// logarithm of the group, and made of links like ours.
    fn crossing(&self, id: LinkId) -> Duration {
        let links = self.links.values().filter_map(|link| link.rtt.smoothed());
        let mut times: Vec<Duration> = links.collect();
        let middle = times.len() / 2;
        let usual = if times.is_empty() { Duration::ZERO } else { *times.select_nth_unstable(middle).1 };
        let depth = self.members.live().max(1).ilog2() + 1;
        self.settle_time(id).max(usual + usual * depth / 2)
    }
}
