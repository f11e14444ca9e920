//! Beats tell whether both sides of a link hold the same: one hash over all channels they share. It announces what is
//! new where entries are not pushed, for nothing, and it is what makes delivery certain: whatever a push missed
//! comes out with the next beats, and is found as ever.

use std::time::Duration;

use super::super::{LinkId, Node, Timer};
use crate::{ChannelId, Tick};

/// Those who differ for so long compare even while entries keep coming.
const IMPATIENCE: Duration = Duration::from_secs(5);

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
}

impl Content {
    fn note(&mut self, mine: u64) {
        if self.past[self.changes % self.past.len()] != mine {
            self.changes += 1;
            self.past[self.changes % self.past.len()] = mine;
        }
    }

    fn agree(&mut self, on: Option<u64>) {
        (self.agreed, self.differ, self.since) = (on, None, None);
    }
}

impl Node {
    /// Hash of all that both sides of a link are to hold alike; 0 says nothing.
    pub(in crate::node) fn content(&self, id: LinkId) -> u64 {
        if !self.is_in_tree(id) {
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
            if again || !content.past.contains(&theirs) {
                content.since.get_or_insert(now);
                content.differ = Some([mine, theirs]);
                self.timers.ensure(Timer::Content(id), now + self.crossing(id));
            }
        } else if content.agreed != Some(mine) {
            content.agree(Some(mine));
            self.timers.cancel(&Timer::Content(id));
            self.agree_on_all(id);
        }
    }

    /// What differed had time to arrive: if it has not, it is looked for.
    pub(in crate::node) fn compare_content(&mut self, id: LinkId) {
        let mine = self.content(id);
        let Some(content) = self.links.get_mut(&id).map(|link| &mut link.limb.content) else { return };
        let Some([ours, theirs]) = content.differ.take() else { return };
        let is_old = content.since.is_some_and(|since| self.now.tick.since(since) >= IMPATIENCE);
        if mine == theirs {
            self.hear_content(id, theirs);
        } else if mine == ours || is_old {
            content.since = None;
            self.compare_link(id);
        }
    }

    fn agree_on_all(&mut self, id: LinkId) {
        let session = self.links.get(&id).and_then(|link| link.session.as_ref());
        let names: Vec<ChannelId> =
            session.into_iter().flat_map(|session| session.shared.keys().cloned()).collect();
        for name in names {
            if let Some(mine) = self.digest_on(id, &name) {
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
