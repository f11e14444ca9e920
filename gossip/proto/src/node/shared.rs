//! What a link knows of a channel that both its sides take part in.

use std::collections::{BTreeMap, BTreeSet};

use super::LinkId;
use super::model::Channel;
use super::outlook::Outlook;
use super::refill::Spent;
use super::status::Told;
use super::tell::Telling;
use super::tree::Edge;
use crate::wire::{ChannelTag, DigestTag};
use crate::{LogId, Seq, Tick};

/// A channel that both sides of a link take part in.
#[derive(Debug)]
pub(super) struct Shared {
    link: LinkId,
    pub(super) tag: ChannelTag,
    /// Their digest as last heard.
    pub(super) theirs: Option<DigestTag>,
    /// Whether we began the handshake of this session.
    initiator: bool,
    /// When they were last told what we leave out.
    pub(super) said_scope: Option<Tick>,
    /// They are not heard before when they leave out something else.
    pub(super) scope_until: Tick,
    /// Logs they hold more of, and from where: height, floor.
    pub(super) todo: BTreeMap<LogId, (Seq, Seq)>,
    /// How far they are known to be, as far as remembered.
    pub(super) knows: BTreeMap<LogId, Seq>,
    /// Logs with numbers below this they know by name.
    pub(super) named: u32,
    /// How much is missing on either side, as comparisons told.
    pub(super) outlook: Outlook,
    /// How far they are, as the application was told.
    pub(super) told: Told,
    /// Rounds since anything changed.
    pub(super) tries: u32,
    /// When runs last went either way, if they ever did.
    pub(super) moved: Option<Tick>,
    /// When their digest was last heard.
    pub(super) heard: Tick,
    /// Sketches in a row that came to nothing; until when they are not looked at.
    pub(super) failures: (u32, Tick),
    /// When our digest was last told.
    pub(super) looked: Tick,
    /// When a comparison came to something last: both hold the same, or it is known what differs.
    pub(super) compared: Tick,
    /// Where offering all heights goes on, if they were too many for one round.
    pub(super) offer_from: Option<LogId>,
    /// When all heights were last offered.
    pub(super) offered: Option<Tick>,
    /// Holes they had nothing for, each until when.
    pub(super) spent: BTreeMap<(LogId, Seq), Spent>,
    /// Not asked for holes before.
    pub(super) rests_until: Tick,
    /// Erasures they have to be told of.
    pub(super) telling: Telling,
    /// Forks already reported.
    pub(super) forks: BTreeSet<LogId>,
    /// What came of them did not continue our chain: they are asked for by what we hold.
    pub(super) unchained: BTreeSet<LogId>,
    /// How fresh entries go.
    pub(super) edge: Edge,
}

impl Shared {
    pub(super) fn new(link: LinkId, tag: ChannelTag, initiator: bool, now: Tick) -> Self {
        Self {
            link,
            tag,
            theirs: None,
            initiator,
            said_scope: None,
            scope_until: Tick(0),
            todo: BTreeMap::new(),
            knows: BTreeMap::new(),
            named: 0,
            outlook: Outlook::default(),
            told: Told::default(),
            tries: 0,
            moved: None,
            heard: now,
            failures: (0, Tick(0)),
            looked: now,
            compared: now,
            offer_from: None,
            offered: None,
            spent: BTreeMap::new(),
            rests_until: Tick(0),
            telling: Telling::default(),
            forks: BTreeSet::new(),
            unchained: BTreeSet::new(),
            edge: Edge::default(),
        }
    }

    /// Until when they are not asked for a hole that ends there.
    pub(super) fn spent_until(&self, log: LogId, below: Seq) -> Tick {
        self.spent.get(&(log, below)).map_or(Tick(0), Spent::until).max(self.rests_until)
    }

    /// Digest of what we hold of the streams that neither side leaves out, and of who leaves out what.
    pub(super) fn digest_of(&self, channel: &Channel) -> DigestTag {
        channel.digest_on(self.link, self.initiator)
    }

    /// The peer may have forgotten what it held, or may hear of streams it did not hear of before.
    pub(super) fn begin_anew(&mut self) {
        self.knows.clear();
        self.named = 0;
        self.telling.forget();
    }

    /// Remembers how far the peer is with a log, within a bound.
    pub(super) fn note(&mut self, log: LogId, height: Seq) {
        const REMEMBERED: usize = 1024;
        if self.knows.len() >= REMEMBERED && !self.knows.contains_key(&log) {
            self.knows.clear();
        }
        let known = self.knows.entry(log).or_insert(0);
        *known = (*known).max(height);
    }
}
