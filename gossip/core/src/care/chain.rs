//! Walking the chain of one log.

use gossip_proto::{
    ChainHash, Ed25519Check, Fault, LogHead, LogId, PublicKey, SealCheck, Seq, SeqRange, StoredRun,
    seal_message,
};

use super::report::{DamageKind, Report};
use super::unreadable;
use crate::Error;
use crate::handle::Shared;

/// One walk along a log, from its floor to the height it had when the walk began.
pub(super) struct Walk<'a> {
    shared: &'a Shared,
    head: &'a LogHead,
    log: LogId,
    /// Everything up to here was looked at.
    at: Seq,
    /// Chain hash there, unless it is lost in damage or a gap.
    hash: Option<ChainHash>,
    pub(super) report: Report,
}

impl<'a> Walk<'a> {
    pub(super) fn new(shared: &'a Shared, head: &'a LogHead) -> Self {
        let (at, hash) = (head.floor, Some(head.floor_hash));
        let report = Report { logs: 1, ..Report::default() };
        Self { shared, head, log: head.name.id(), at, hash, report }
    }

    /// Reads everything that should be held.
    pub(super) async fn run(&mut self) -> Result<(), Error> {
        for gap in self.head.gaps.iter().filter(|gap| gap.last > self.head.floor) {
            self.held_until(gap.first.saturating_sub(1)).await?;
            self.report.gaps += 1;
            self.report.gap_entries += gap.count();
            if gap.last > self.at {
                (self.at, self.hash) = (gap.last, None);
            }
        }
        self.held_until(self.head.height).await?;
        let at_end = self.hash.is_none_or(|hash| hash == self.head.hash);
        if !at_end || !is_consistent(self.head) || !is_sealed(self.head) {
            let height = self.head.height;
            self.report.found(self.head, SeqRange { first: height, last: height }, DamageKind::Head);
        }
        Ok(())
    }

    async fn held_until(&mut self, last: Seq) -> Result<(), Error> {
        while self.at < last {
            self.shared.check_open()?;
            let store = &*self.shared.store;
            let runs = store.read(self.log, self.at + 1, self.shared.config.page_bytes).await;
            match runs {
                Ok(runs) => self.page(&runs, last),
                Err(error) if error.fault == Fault::Corrupt => {
                    let upto = unreadable::end(store, self.log, self.at + 1, last).await?;
                    self.bad(upto, DamageKind::Unreadable);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn page(&mut self, runs: &[StoredRun], last: Seq) {
        let before = self.at;
        for stored in runs {
            if self.at >= last {
                return;
            }
            self.take(stored, last);
        }
        if self.at == before {
            // Nothing more is stored: the rest is missing.
            self.bad(last, DamageKind::Missing);
        }
    }

    fn take(&mut self, stored: &StoredRun, last: Seq) {
        let run = &stored.run;
        if run.first() > self.at + 1 {
            self.bad(last.min(run.first() - 1), DamageKind::Missing);
            if self.at >= last {
                return;
            }
        }
        let upto = run.last().min(last);
        if upto <= self.at {
            return;
        }
        let joins = self.hash.is_none_or(|hash| stored.hash_at(self.at).is_ok_and(|there| there == hash));
        if run.log() != self.log || !joins || run.verify(stored.prev).is_err() {
            self.bad(upto, DamageKind::BrokenChain);
            return;
        }
        let fresh = run.entries().filter(|entry| entry.sequence > self.at && entry.sequence <= upto);
        for entry in fresh {
            self.report.entries += 1;
            self.report.hollow += u64::from(entry.payload.bytes().is_none());
        }
        self.report.bytes += run.encoded().len() as u64;
        self.check_seal(stored);
        (self.at, self.hash) = (upto, stored.hash_at(upto).ok());
    }

    /// A run up to the height may not carry a newer seal than the head knows.
    fn check_seal(&mut self, stored: &StoredRun) {
        let at = stored.run.last();
        let newest = self.head.seal.as_ref().map_or(0, |(at, _)| *at);
        // That of a log which forked went with what followed the fork.
        let is_known = self.head.turn.is_none() && stored.run.seal().is_some();
        if is_known && at > newest && at <= self.head.height {
            self.report.found(self.head, SeqRange { first: at, last: at }, DamageKind::Head);
        }
    }

    fn bad(&mut self, upto: Seq, what: DamageKind) {
        self.report.found(self.head, SeqRange { first: self.at + 1, last: upto }, what);
        (self.at, self.hash) = (upto, None);
    }
}

/// Whether a head can be true at all.
fn is_consistent(head: &LogHead) -> bool {
    let root = head.name.root();
    let rooted = |at: Seq, hash: ChainHash| at != 0 || hash == root;
    let mut below = head.floor;
    let apart = head.gaps.iter().all(|gap| {
        let fits = gap.first > below && gap.first <= gap.last && gap.last <= head.height;
        // A gap that begins where another ends would have been joined to it.
        below = gap.last + 1;
        fits
    });
    let sealed = head.seal.as_ref().is_none_or(|(at, _)| (1..=head.height).contains(at));
    let empty = head.floor < head.height || head.floor_hash == head.hash;
    apart
        && sealed
        && empty
        && head.floor <= head.height
        && rooted(head.floor, head.floor_hash)
        && rooted(head.height, head.hash)
}

/// Whether the author vouches for the end of its log, if its id is a key: nothing else gets into a store.
/// Where a branch turned off there need be no seal: that of the branch vouches for it.
fn is_sealed(head: &LogHead) -> bool {
    let Some(key) = PublicKey::of(&head.name.author).filter(|_| head.height > 0) else { return true };
    if head.turn.is_some_and(|turn| turn.at == head.height + 1 && turn.prev == head.hash) {
        return true;
    }
    let message = seal_message(&head.name.unbranched_hash(), head.height, &head.hash);
    head.seal_at(head.height).is_some_and(|seal| Ed25519Check::default().check(&key, &message, &seal))
}

/// As [`Walk::run`] over one head.
pub(super) async fn walk(shared: &Shared, head: &LogHead) -> Result<Report, Error> {
    let mut walk = Walk::new(shared, head);
    walk.run().await?;
    Ok(walk.report)
}
