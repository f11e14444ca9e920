//! One log as the model sees it: everything ever written, and which of it is held.

use std::collections::{BTreeMap, BTreeSet};

use gossip_core::Store;
use gossip_proto::{ChainHash, CommitItem, LogHead, RunBuilder, RunEntry, Seq, SeqRange, StoredRun, Turn};

use crate::fixture::{LogWriter, stored};

pub(super) struct Log {
    pub(super) writer: LogWriter,
    pub(super) generation: u16,
    /// Every run handed to the store.
    pub(super) history: Vec<CommitItem>,
    /// Every entry, held or not, and the chain hash before and after each.
    truth: BTreeMap<Seq, RunEntry>,
    hashes: Vec<ChainHash>,
    /// What is held, as it is held.
    pub(super) held: BTreeMap<Seq, RunEntry>,
    pub(super) arrived: BTreeSet<Seq>,
    pub(super) floor: Seq,
    pub(super) gaps: Vec<SeqRange>,
    /// Where it ends for good, reached or not.
    pub(super) turn: Option<Turn>,
}

impl Log {
    pub(super) fn new((channel, stream, author): (&str, &str, &str), generation: u16) -> Self {
        let writer = LogWriter::in_epoch(channel, stream, author, generation);
        Self {
            hashes: vec![writer.hash()],
            writer,
            generation,
            history: vec![],
            truth: BTreeMap::new(),
            held: BTreeMap::new(),
            arrived: BTreeSet::new(),
            floor: 0,
            gaps: vec![],
            turn: None,
        }
    }

    /// How many entries it may still get.
    pub(super) fn room(&self) -> u64 {
        self.turn.map_or(u64::MAX, |turn| turn.at - 1 - self.writer.height())
    }

    /// Whether a store has to know of it.
    pub(super) fn is_known(&self) -> bool {
        self.writer.height() > 0 || self.turn.is_some()
    }

    /// A turn at a place, which may lie above what was written: what is written there is known beforehand.
    pub(super) fn turn_at(&self, at: Seq) -> Turn {
        let first = self.hashes.get(at as usize).copied();
        let mut ahead = self.writer.clone();
        while ahead.height() + 1 < at {
            ahead.run(1);
        }
        let prev = self.hashes.get(at as usize - 1).copied().unwrap_or(ahead.hash());
        Turn { at, prev, first }
    }

    /// Ends the log before a place.
    pub(super) fn end(&mut self, turn: Turn) {
        self.turn = Some(turn);
        if turn.first.is_none() {
            return;
        }
        let end = turn.at - 1;
        let name = self.writer.name().clone();
        let (channel, stream, author) = (name.channel.as_str(), name.stream.as_str(), name.author.as_str());
        self.writer = LogWriter::in_epoch(channel, stream, author, self.generation);
        (0..end).for_each(|_| _ = self.writer.run(1));
        self.truth.retain(|sequence, _| *sequence <= end);
        self.held.retain(|sequence, _| *sequence <= end);
        self.hashes.truncate(turn.at as usize);
        self.gaps.retain(|gap| gap.first <= end);
        self.gaps.iter_mut().for_each(|gap| gap.last = gap.last.min(end));
        self.history.retain(|item| stored(item).run.last() <= end);
    }

    /// Writes a run that nobody holds yet.
    pub(super) fn write(&mut self, count: u64) -> CommitItem {
        let item = self.writer.run(count);
        let StoredRun { prev, run } = stored(&item);
        self.truth.extend(run.entries().map(|entry| (entry.sequence, entry)));
        self.hashes.extend(run.hashes(prev));
        item
    }

    pub(super) fn hold(&mut self, stored: &StoredRun) {
        self.held.extend(stored.run.entries().map(|entry| (entry.sequence, entry)));
    }

    /// Numbers what of a range never arrived; returns it in order.
    pub(super) fn arrive(&mut self, range: SeqRange) -> Vec<Seq> {
        (range.first..=range.last).filter(|sequence| self.arrived.insert(*sequence)).collect()
    }

    /// The height moved over these entries without them.
    pub(super) fn miss(&mut self, missed: SeqRange) {
        let height = missed.first - 1;
        match self.gaps.last_mut() {
            _ if self.floor == height => self.floor = missed.last,
            Some(gap) if gap.last == height => gap.last = missed.last,
            _ => self.gaps.push(missed),
        }
    }

    pub(super) fn raise(&mut self, floor: Seq) {
        self.floor = floor;
        self.held.retain(|sequence, _| *sequence > floor);
        self.gaps.retain(|gap| gap.last > floor);
    }

    /// A range was damaged: a gap now, one with those it touches.
    pub(super) fn lose(&mut self, range: SeqRange) {
        self.held.retain(|sequence, _| !range.contains(*sequence));
        let touches = |gap: &SeqRange| gap.first <= range.last + 1 && range.first <= gap.last + 1;
        let mut all = range;
        for gap in self.gaps.iter().filter(|gap| touches(gap)) {
            all = SeqRange { first: all.first.min(gap.first), last: all.last.max(gap.last) };
        }
        self.gaps.retain(|gap| !touches(gap));
        self.gaps.push(all);
        self.gaps.sort_unstable();
    }

    /// What is missing: below the floor, and in gaps.
    pub(super) fn holes(&self) -> Vec<SeqRange> {
        let below = SeqRange { first: 1, last: self.floor };
        [below].into_iter().chain(self.gaps.iter().copied()).filter(|hole| hole.count() > 0).collect()
    }

    /// The upper end of a hole as the run that fills it, with hollow entries where asked.
    pub(super) fn upper_end(&self, hole: SeqRange, count: u64, hollow: bool) -> CommitItem {
        let first = hole.last + 1 - count;
        let prev = self.hashes[first as usize - 1];
        let mut builder = RunBuilder::new(self.writer.id(), first, prev);
        for (_, entry) in self.truth.range(first..=hole.last) {
            builder.push(entry.stamp, &entry.payload).expect("a few short entries fit");
        }
        let (run, end) = builder.finish(None).expect("at least one entry");
        let whole = StoredRun { prev, run };
        let run = if hollow { whole.hollowed(|entry| entry.sequence % 2 == 0) } else { Some(whole) };
        let run = run.expect("short entries fit as hashes").run;
        CommitItem::Fill { log: self.writer.name().clone(), prev, run, end }
    }

    /// Takes a filling run in: the hole ends before it now.
    pub(super) fn fill(&mut self, hole: SeqRange, filling: &StoredRun) {
        let rest = filling.run.first() - 1;
        match self.gaps.iter_mut().find(|gap| **gap == hole) {
            Some(gap) => gap.last = rest,
            None => self.floor = rest,
        }
        self.gaps.retain(|gap| gap.count() > 0);
        self.hold(filling);
    }

    /// How many entries held lie in a range.
    pub(super) fn overlaps(&self, range: SeqRange) -> u64 {
        self.held.range(range.first..=range.last).count() as u64
    }

    /// The chain is known at the floor and at and before everything held.
    pub(super) async fn check_hashes(&self, store: &dyn Store, head: &LogHead) {
        let held = self.held.keys().flat_map(|sequence| [sequence - 1, *sequence]);
        let places: Vec<Seq> = [0, head.floor, head.height].into_iter().chain(held).collect();
        let expected: Vec<_> = places.iter().map(|place| self.hashes[*place as usize]).collect();
        assert_eq!(store.hash_at(self.writer.id(), &places).await.unwrap(), expected);
        assert_eq!(head.floor_hash, self.hashes[head.floor as usize]);
    }

    /// What never arrived, as [`LogHead::missed`] must tell it.
    pub(super) fn missed(&self) -> Vec<Seq> {
        (1..=self.writer.height()).filter(|sequence| !self.arrived.contains(sequence)).collect()
    }
}
