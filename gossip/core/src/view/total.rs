//! Folding in stream order, going back when an entry arrives late.

use std::collections::BTreeMap;

use gossip_proto::{LogEntry, LogHead, LogId, OrderKey, Seq, Stamp};

use super::ViewReport;
use super::checkpoint::Checkpoints;
use super::progress::Progress;
use crate::StateMaterializer;

/// A state that is always the fold, in stream order, of exactly the entries taken so far.
pub(super) struct Total<M: StateMaterializer> {
    rules: M,
    pub(super) head: Progress<M::State>,
    checkpoints: Checkpoints<M::State>,
    /// How far each log was taken. Refolding reads no further: what lies beyond comes as arrival.
    pub(super) known: BTreeMap<LogId, Seq>,
    /// Sequence before the first one of each log that was ever folded.
    origins: BTreeMap<LogId, Seq>,
    /// Keys of entries taken that sort before the head: to be folded by going back.
    behind: Vec<OrderKey>,
    late: u64,
    pub(super) partial: bool,
    /// Entries to fold until caught up.
    remaining: u64,
}

impl<M: StateMaterializer> Total<M> {
    /// A long fold leaves checkpoints on its way, at halving distances down to this one.
    const NEAREST: u64 = 16;

    pub(super) fn new(rules: M) -> Self {
        let head = Progress::new(rules.initial());
        Self {
            rules,
            checkpoints: Checkpoints::new(head.clone()),
            head,
            known: BTreeMap::new(),
            origins: BTreeMap::new(),
            behind: Vec::new(),
            late: 0,
            partial: false,
            remaining: 0,
        }
    }

    /// Takes arrivals. If all sort after the head they are folded now; otherwise it must go back:
    /// [`Total::is_behind`].
    pub(super) fn take(&mut self, entries: &[LogEntry], future: Stamp) {
        let mut fresh: Vec<(OrderKey, &LogEntry)> = Vec::new();
        for entry in entries {
            let known = self.known.entry(entry.id().log).or_insert(0);
            if entry.sequence() > *known {
                *known = entry.sequence();
                fresh.push((entry.key(), entry));
            }
        }
        fresh.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let Some((first, _)) = fresh.first() else { return };
        if !self.behind.is_empty() || Some(first) <= self.head.key.as_ref() {
            self.behind.extend(fresh.into_iter().map(|(key, _)| key));
            return;
        }
        for (_, entry) in fresh {
            self.fold(entry, future);
        }
        self.checkpoint();
    }

    /// Whether entries wait to be folded by [`Total::rewind`].
    pub(super) fn is_behind(&self) -> bool {
        !self.behind.is_empty()
    }

    /// The heads, cut to what was taken: the store may be ahead of the arrivals.
    pub(super) fn reachable(&self, heads: &[LogHead]) -> Vec<LogHead> {
        let mut heads = heads.to_vec();
        for head in &mut heads {
            head.height = head.height.min(self.known.get(&head.name.id()).copied().unwrap_or(0));
        }
        heads
    }

    /// To be called before everything after the head is folded, in stream order.
    pub(super) fn begin(&mut self) {
        let missing = |(log, known): (&LogId, &Seq)| known.saturating_sub(self.head.height(log));
        self.remaining = self.known.iter().map(missing).sum();
    }

    /// Goes back to before the earliest entry that waits. Then every entry after the key of the
    /// head, up to [`Total::known`], is to be given to [`Total::fold`], between [`Total::begin`] and
    /// [`Total::caught_up`]. `false`: nothing to fold. May be repeated when reading failed in between.
    pub(super) fn rewind(&mut self, heads: &[LogHead]) -> bool {
        self.forget_useless(heads);
        let horizon = self.checkpoints.oldest().and_then(|oldest| oldest.key.clone());
        let waiting = self.behind.len();
        self.behind.retain(|key| Some(key) > horizon.as_ref());
        self.late += (waiting - self.behind.len()) as u64;
        self.partial |= self.late > 0;
        let Some(earliest) = self.behind.iter().min() else { return false };
        if let Some(back) = self.checkpoints.rewind(earliest)
            && self.head.key.as_ref() >= Some(earliest)
        {
            self.head = back;
        }
        true
    }

    /// Folds the next entry in stream order.
    pub(super) fn fold(&mut self, entry: &LogEntry, future: Stamp) {
        if entry.stamp() > future && self.head.key.as_ref().is_none_or(|key| key.stamp <= future) {
            // Whatever is written now sorts before entries from the future: it shall not cost more.
            self.checkpoints.pin(self.head.clone());
        }
        self.origins.entry(entry.id().log).or_insert(entry.sequence() - 1);
        self.head.fold(&self.rules, entry);
        self.remaining = self.remaining.saturating_sub(1);
        if self.remaining >= Self::NEAREST && self.remaining.is_power_of_two() {
            self.checkpoint();
        }
    }

    /// Everything taken is folded.
    pub(super) fn caught_up(&mut self) {
        self.behind.clear();
        self.remaining = 0;
        self.checkpoint();
    }

    pub(super) fn report(&self) -> ViewReport {
        self.head.report(self.late, self.partial)
    }

    fn checkpoint(&mut self) {
        self.checkpoints.push(self.head.clone());
    }

    /// A checkpoint is of no use when entries folded after it were pruned since.
    fn forget_useless(&mut self, heads: &[LogHead]) {
        let (head, origins) = (&self.head, &self.origins);
        let floors: Vec<(LogId, Seq)> =
            heads.iter().filter(|log| log.floor > 0).map(|log| (log.name.id(), log.floor)).collect();
        self.checkpoints.drop_front(|at| {
            floors.iter().any(|(log, floor)| {
                let origin = origins.get(log).copied().unwrap_or(Seq::MAX);
                (*floor).min(head.height(log)) > at.height(log).max(origin)
            })
        });
        self.checkpoints.restart(self.head.clone());
    }
}
