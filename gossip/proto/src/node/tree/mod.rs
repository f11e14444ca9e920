//! The tree of a channel: over which links fresh entries go at once, in groups too large for all of them.
//!
//! As in Plumtree (Leitao, Pereira, Rodrigues 2007): what came twice shows that a link is not needed, and both its
//! sides give it up; what came late, or a neighbour that may be gone, brings links back. Here one tree serves all
//! senders, as a link is given up in both directions. And nothing is repaired by waiting for what a sender of
//! announcements may have lost: who holds less than its neighbour learns that from the next beat.
//!
//! | file | idea |
//! |---|---|
//! | `prune` | links are given up and brought back |
//! | `purse` | a link is pushed no more than it carries |
//! | `content` | beats tell whether both sides of a link hold the same |
//! | `have` | heights announced where little can be lost by waiting |
//! | `rows` | news of members go along a tree of their own |

mod content;
mod have;
mod prune;
mod purse;
mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use self::content::Content;
pub(super) use self::content::IMPATIENCE;
use self::prune::busiest;
pub(super) use self::prune::{Grove, Season};
use self::purse::Purse;
use super::members::MEMBERS;
use super::session::Link;
use super::{DropReason, LinkId, Node};
use crate::wire::{Delta, DeltaRun, Fresh, NamedRun, Push};
use crate::{LogId, LogName, Seq, Tick};

/// A link, as far as trees are concerned.
#[derive(Debug, Default)]
pub(super) struct Limb {
    content: Content,
    purse: Purse,
    /// News of members are announced here by hashes alone.
    is_bare: bool,
    /// To the other side the group is small: it goes by rounds, and nothing but rounds compares on this link.
    is_small_there: bool,
}

/// A link and a channel.
#[derive(Debug, Default)]
pub(super) struct Edge {
    /// Fresh entries do not go over it.
    is_lazy: bool,
    /// When it became so.
    pruned: Tick,
    /// When the other side was told that it is wanted.
    grafted: Tick,
    /// It stays eager until then, as the other side wants it to.
    kept_until: Tick,
    /// Logs of which more is to be announced.
    untold: BTreeSet<LogId>,
    /// Heights that were announced, of logs whose ids begin so.
    awaited: BTreeMap<[u8; 5], Seq>,
}

impl Edge {
    pub(super) fn is_lazy(&self) -> bool {
        self.is_lazy
    }
}

impl Limb {
    /// The link says that it is full.
    pub(super) fn fill_up(&mut self, now: Tick) {
        self.purse.halve(now);
    }
}

impl Node {
    /// Whether entries go along trees on a link. In small groups they go over all of them.
    pub(super) fn is_in_tree(&self, id: LinkId) -> bool {
        self.may_be_in_tree(id) && self.links.get(&id).is_some_and(|link| !link.limb.is_small_there)
    }

    /// The same, as far as this side is concerned.
    fn may_be_in_tree(&self, id: LinkId) -> bool {
        self.members.is_large() && self.spoken(id) >= MEMBERS
    }

    /// Whether beats compare what both sides of a link hold, so that no rounds are needed for that.
    pub(super) fn beats_compare(&self, id: LinkId) -> bool {
        self.is_in_tree(id) && self.is_watched(id) && !self.is_calm(id)
    }

    /// Whether the next beats on a link tell what a push over it missed: nobody says any while one side dozes.
    pub(super) fn beats_tell(&self, id: LinkId) -> bool {
        self.beats_compare(id) && self.may_disturb(id)
    }

    /// Entries came along the tree. Of which channel, the logs tell: who sends them knows that they are known here.
    pub(super) fn on_fresh(&mut self, id: LinkId, fresh: Fresh) {
        if let Some(named) = fresh.named {
            self.on_named(id, named);
        }
        let log = fresh.runs.first().and_then(|run| self.logs.get(&run.log()));
        let Some((name, _)) = log.and_then(|log| self.logs.place_of(log)) else { return };
        let name = name.clone();
        if let Some(tag) = self.shared(id, &name).map(|shared| shared.tag) {
            self.on_delta(id, Push { tag, runs: fresh.runs }.into());
        }
    }

    /// The first run of a log that may be unknown here.
    fn on_named(&mut self, id: LinkId, named: NamedRun) {
        let Some((channel, shared)) = self.shared_by_tag(id, named.tag) else { return };
        let tag = shared.tag;
        let (stream, author, epoch) = (named.stream.clone(), named.author.clone(), named.epoch);
        let name = LogName { channel, stream, author, epoch, branch: None };
        match named.run(name.id()) {
            Ok(run) => {
                let names = vec![(name.stream, name.author, epoch, None)];
                let runs = vec![DeltaRun { prev: None, run }];
                self.on_delta(id, Delta { tag, serial: 0, end: true, names, floors: Vec::new(), runs });
            }
            Err(error) => {
                let peer = self.links.get(&id).map(|link| link.peer.clone());
                self.drop_from(peer, DropReason::Malformed, error);
            }
        }
    }

    /// A link is gone, and with it what came over it.
    pub(super) fn lost_limb(&mut self, link: &Link) {
        let shared = link.session.iter().flat_map(|session| &session.shared);
        self.alarm(&busiest(shared.filter(|(_, shared)| !shared.edge.is_lazy)));
        self.tend_row_tree();
    }

    /// Nothing comes over a link, although its member is there: it is no way on which others could be given up.
    pub(in crate::node) fn is_deaf(&self, id: LinkId) -> bool {
        self.links.get(&id).is_some_and(|link| link.watch.is_deaf)
    }

    /// Whether who is at the other end passes on what it gets.
    fn passes_on(&self, id: LinkId) -> bool {
        let Some(link) = self.links.get(&id) else { return false };
        let member = self.members.find(link.watch.key).and_then(|slot| self.members.get(slot));
        !self.is_paused_there(id)
            && !link.watch.is_deaf
            && !member.is_some_and(|member| self.is_dozing(member))
    }

    /// A round trip on a link, or what is assumed before any was measured.
    fn round_trip(&self, id: LinkId) -> Duration {
        let rtt = self.links.get(&id).map(|link| &link.rtt);
        rtt.map_or(Duration::ZERO, |rtt| rtt.smoothed().unwrap_or_else(|| rtt.timeout()))
    }
}
