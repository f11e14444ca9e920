//! Logs whose authors are keys: what no seal vouches for does not get in.
//!
//! One message, or one part of an import, is judged for each log as a whole. Its runs are chained as in
//! plain logs, and every seal met on the way is checked where it stands, because a later reader may be
//! sent just so much. The last good seal is the new height; what follows it is dropped, and a bad one
//! drops all the message says of the log. So the height of such a log is always a checked seal, and
//! nothing unsealed is kept anywhere: whoever sends ends at a seal.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::accept::Batch;
use super::forks::Seen;
use super::log::{Log, Tip};
use super::ops::Landing;
use super::{CommandError, DropReason, LinkId, Node};
use crate::{CommitItem, LogId, LogName, NodeId, PublicKey, Seal, Tick, seal_message};

/// After so many messages in a row that brought nothing sealed where seals are due,
const STRIKES: u32 = 16;
/// within this time,
const STRIKES_WITHIN: Duration = Duration::from_secs(10);
/// the runs of a link are ignored for so long.
const DEAF: Duration = Duration::from_secs(60);

/// What is wrong with a seal.
const FOREIGN: &str = "a seal that is not the author's";

/// Steps of one log in one message.
#[derive(Debug)]
pub(super) struct Staged {
    /// Where the log stood before.
    before: Tip,
    steps: Vec<(CommitItem, Landing)>,
    /// So many of the steps end at a good seal.
    sound: usize,
    /// There was a seal that is not the author's.
    is_bad: bool,
}

/// By log.
pub(super) type Staging = BTreeMap<LogId, Staged>;

/// What a seal says of a place in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vouch {
    Good,
    /// There is none.
    Nothing,
    Bad,
}

/// Whether a link brings what it should.
#[derive(Debug, Default)]
pub(super) struct Strikes {
    count: u32,
    since: Tick,
    deaf_until: Tick,
}

impl Strikes {
    pub(super) fn is_deaf(&self, now: Tick) -> bool {
        now < self.deaf_until
    }

    fn strike(&mut self, now: Tick) {
        if self.count == 0 || now.since(self.since) > STRIKES_WITHIN {
            (self.count, self.since) = (0, now);
        }
        self.count += 1;
        if self.count >= STRIKES {
            (self.count, self.deaf_until) = (0, now + DEAF);
        }
    }
}

impl Staged {
    /// Nothing more of the log is looked at.
    pub(super) fn is_bad(&self) -> bool {
        self.is_bad
    }

    /// Leaves what is vouched for; false when that is not all.
    fn cut(&mut self) -> bool {
        let (all, sound) = (self.steps.len(), if self.is_bad { 0 } else { self.sound });
        self.steps.truncate(sound);
        sound == all
    }
}

/// Leaves, of runs in the order in which they are sent unasked, those that a seal of their log follows. Each is
/// told as its log, whether that is sealed, and whether this run is.
pub(super) fn keep_sealed<T>(runs: &mut Vec<T>, what: impl Fn(&T) -> (LogId, bool, bool)) {
    let is_whole = |(_, is_due, is_sealed): (LogId, bool, bool)| !is_due || is_sealed;
    if runs.iter().all(|run| is_whole(what(run))) {
        return;
    }
    let mut vouched = BTreeSet::new();
    let mut kept: Vec<T> = Vec::with_capacity(runs.len());
    for run in runs.drain(..).rev() {
        let (log, is_due, is_sealed) = what(&run);
        if is_sealed {
            vouched.insert(log);
        }
        if !is_due || vouched.contains(&log) {
            kept.push(run);
        }
    }
    kept.reverse();
    *runs = kept;
}

impl Node {
    /// Queues a step of a log that stood at `before`: at once, or until a seal vouches for it.
    pub(super) fn queue_step(&mut self, batch: &mut Batch, before: Tip, item: CommitItem, landing: Landing) {
        if !landing.name.author.is_key() {
            return self.queue(batch, item, landing);
        }
        let vouch = match &item {
            CommitItem::Run { run, .. } | CommitItem::Fill { run, .. } => {
                self.vouch(&landing.name, landing.end, run.seal().map(|seal| Seal::from_slice(seal)))
            }
            CommitItem::Adopt { seal, .. } => self.vouch(&landing.name, landing.end, seal.map(Some)),
        };
        let new = Staged { before, steps: Vec::new(), sound: 0, is_bad: false };
        // The end of a log that forks may lie between two seals: that of a branch vouches for it.
        let ends =
            |log: &Log| log.turn().is_some_and(|turn| turn.ends(landing.end.height, &landing.end.hash));
        let is_end = self.logs.get(&landing.log).is_some_and(ends);
        let vouch = if vouch == Vouch::Nothing && is_end { Vouch::Good } else { vouch };
        let staged = batch.staged.entry(landing.log).or_insert(new);
        staged.steps.push((item, landing));
        match vouch {
            Vouch::Good => staged.sound = staged.steps.len(),
            Vouch::Nothing => {}
            Vouch::Bad => staged.is_bad = true,
        }
    }

    /// Whether the author vouches for this end of its log. `Some(None)` is a seal of a form that no
    /// author makes.
    pub(super) fn vouch(&mut self, name: &LogName, end: Tip, seal: Option<Option<Seal>>) -> Vouch {
        let Some(seal) = seal else { return Vouch::Nothing };
        let (Some(key), Some(seal)) = (PublicKey::of(&name.author), seal) else { return Vouch::Bad };
        let message = seal_message(&name.unbranched_hash(), end.height, &end.hash);
        if self.check.check(&key, &message, &seal) { Vouch::Good } else { Vouch::Bad }
    }

    /// Ends a message of a link: of each sealed log is queued what a seal vouches for.
    pub(super) fn settle_seals(&mut self, id: LinkId, peer: &NodeId, batch: &mut Batch) {
        let staged = std::mem::take(&mut batch.staged);
        if staged.is_empty() {
            return;
        }
        let (mut any, mut refused) = (false, None);
        for (log, mut staged) in staged {
            let end = staged.steps.last().map(|(_, landing)| landing.end);
            let is_whole = staged.cut();
            let turn = end.filter(|_| !is_whole && !staged.is_bad).and_then(|end| self.left_at(&log, end));
            if !is_whole && turn.is_none() && (staged.is_bad || refused.is_none()) {
                refused = Some(if staged.is_bad { FOREIGN } else { "entries without a seal behind them" });
            }
            any |= !staged.steps.is_empty() || turn.is_some();
            self.settle_log(log, staged, batch);
            // What vouches for the end of it is a branch: it comes again when the store knows, and has what came
            // before it.
            if let Some(turn) = turn {
                self.end_below(Seen::Link(id), log, turn);
            }
        }
        let now = self.now.tick;
        if let Some(link) = self.links.get_mut(&id) {
            match any {
                true => link.strikes.count = 0,
                false => link.strikes.strike(now),
            }
        }
        if let Some(why) = refused {
            self.drop_from(Some(peer.clone()), DropReason::Seal, why);
        }
    }

    /// Queues what is left of the steps of a log.
    fn settle_log(&mut self, id: LogId, staged: Staged, batch: &mut Batch) {
        let Staged { before, steps, .. } = staged;
        // Sealed entries of our own current log that we do not hold: our memory is short. They come
        // back like anyone's, once the store knows that what we write next is a new epoch.
        let is_ours = !steps.is_empty() && self.is_claimed(&id);
        let kept = if is_ours { Vec::new() } else { steps };
        if let Some(log) = self.logs.get_mut(&id) {
            log.set_pending(kept.last().map_or(before, |(_, landing)| landing.end));
        }
        if is_ours {
            return self.disclaim(id);
        }
        kept.into_iter().for_each(|(item, landing)| self.queue(batch, item, landing));
    }

    /// Ends a part of an import: what a seal vouches for is taken, and what ends without one before a
    /// gap is part of the gap; where a branch begins at its end the log ends first. A floor alone without a
    /// seal says nothing.
    pub(super) fn settle_part(&mut self, id: LogId, batch: &mut Batch) -> Result<(), CommandError> {
        let Some(mut staged) = batch.staged.remove(&id) else { return Ok(()) };
        let only_floor = matches!(&staged.steps[..], [(CommitItem::Adopt { .. }, _)]);
        let end = staged.steps.last().map(|(_, landing)| landing.end);
        let at = end.map_or(0, |end| end.height);
        let is_whole = staged.cut();
        if let Some(turn) = end.filter(|_| !is_whole && !staged.is_bad).and_then(|end| self.left_at(&id, end))
        {
            self.logs.get_mut(&id).into_iter().for_each(|log| log.set_pending(staged.before));
            self.end_below(Seen::Hand, id, turn);
            return Err(CommandError::Busy);
        }
        if staged.is_bad || staged.steps.is_empty() && !only_floor {
            return Err(CommandError::Unsealed { log: id, at });
        }
        self.settle_log(id, staged, batch);
        Ok(())
    }
}
