//! Two parties and what passes between them.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::child::Party;
use super::order::{Keep, Order, Report, Setup};
use super::tap::Tap;
use crate::Outcome;
use crate::fill::History;

/// One who has more, and one who takes.
pub(super) struct Pair {
    pub(super) giver: Party,
    pub(super) taker: Party,
    giver_at: String,
    taker_at: String,
    /// Goes with the parties.
    _place: TempDir,
}

/// How a pair is set up.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    pub(super) keep: Keep,
    pub(super) giver: Option<History>,
    pub(super) taker: Option<History>,
    pub(super) sealed: bool,
    pub(super) coalesce: bool,
}

impl Terms {
    pub(super) fn new(keep: Keep) -> Self {
        Self { keep, giver: None, taker: None, sealed: false, coalesce: true }
    }

    pub(super) fn setup(&self, name: &str, place: &Path) -> Outcome<Setup> {
        let mut setup = Setup::new(name, self.keep);
        setup.place = on_disk(self.keep, place, name)?;
        setup.sealed = self.sealed;
        setup.coalesce = self.coalesce;
        Ok(setup)
    }
}

/// A directory for a party, if it keeps things on disk.
pub(super) fn on_disk(keep: Keep, place: &Path, name: &str) -> Outcome<Option<PathBuf>> {
    if keep == Keep::Memory {
        return Ok(None);
    }
    let place = place.join(name);
    std::fs::create_dir_all(&place)?;
    Ok(Some(place))
}

impl Pair {
    pub(super) fn open(terms: &Terms) -> Outcome<Self> {
        let place = tempfile::tempdir()?;
        let mut setups = [terms.setup("giver", place.path())?, terms.setup("taker", place.path())?];
        setups[0].fill = terms.giver;
        setups[1].fill = terms.taker;
        let [giver, taker] = setups;
        let ((giver, giver_at), (taker, taker_at)) = (Party::open(giver)?, Party::open(taker)?);
        Ok(Self { giver, taker, giver_at, taker_at, _place: place })
    }

    /// The taker dials.
    pub(super) fn meet(&mut self) -> Outcome {
        self.taker.run(Order::Connect(self.giver_at.clone()))
    }

    /// One dials the other through a tap.
    pub(super) fn meet_tapped(&mut self, taker_dials: bool) -> Outcome<Tap> {
        let tap = Tap::before(if taker_dials { &self.giver_at } else { &self.taker_at })?;
        let dialler = if taker_dials { &mut self.taker } else { &mut self.giver };
        dialler.run(Order::Connect(tap.address.clone()))?;
        Ok(tap)
    }

    /// Both know that they are equal.
    pub(super) fn equal(&mut self) -> Outcome {
        self.giver.run(Order::Equal)?;
        self.taker.run(Order::Equal)
    }

    /// Time, and what both sides used, while something is done.
    pub(super) fn during(&mut self, work: impl FnOnce(&mut Self) -> Outcome) -> Outcome<Window> {
        let before = (self.giver.report()?, self.taker.report()?);
        let begin = Instant::now();
        work(self)?;
        let time = begin.elapsed();
        let after = (self.giver.report()?, self.taker.report()?);
        Ok(Window { time, giver: after.0 - before.0, taker: after.1 - before.1 })
    }

    pub(super) fn quit(self) -> Outcome {
        self.giver.quit()?;
        self.taker.quit()
    }
}

/// What happened in some time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) time: Duration,
    pub(super) giver: Report,
    pub(super) taker: Report,
}

impl Window {
    /// Processor microseconds of both for each.
    pub(super) fn cpu_each(&self, count: u64) -> f64 {
        (self.giver.cpu_us + self.taker.cpu_us) / count.max(1) as f64
    }

    /// Bytes on the connection: what one side sent and received.
    pub(super) fn bytes(&self) -> u64 {
        self.taker.bytes
    }

    pub(super) fn rate(&self, count: u64) -> f64 {
        count as f64 / self.time.as_secs_f64()
    }
}
