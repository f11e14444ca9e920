//! One round after the other on a node: write, kill, look, sync.

use std::time::Duration;

use gossip::proto::Rng;
use tempfile::TempDir;

use crate::Outcome;
use crate::kinds::Kind;
use crate::ledger::Ledger;
use crate::line::{Contents, read_acknowledged};
use crate::look::look;
use crate::process::Process;
use crate::program::print;
use crate::replica::Replica;

/// Every so many rounds the replica must be equal.
const SYNC_EVERY: u64 = 4;
/// Acknowledgements waited for before the kill, at most.
const PATIENT: u64 = 700;

/// A node that is killed again and again, and its peer.
pub(crate) struct Scene {
    kind: Kind,
    rng: Rng,
    place: TempDir,
    replica: Replica,
    pub(crate) ledger: Ledger,
    pub(crate) kills_in_opening: u64,
    pub(crate) pruned: u64,
}

impl Scene {
    pub(crate) fn new(kind: Kind, seed: u64) -> Outcome<Self> {
        Ok(Self {
            kind,
            rng: Rng::new(seed),
            place: tempfile::tempdir()?,
            replica: Replica::start()?,
            ledger: Ledger::default(),
            kills_in_opening: 0,
            pruned: 0,
        })
    }

    /// Writes, kills and looks; every now and then, and in the `last` round, the peers get equal.
    pub(crate) fn round(&mut self, round: u64, last: bool) -> Outcome {
        if round.is_multiple_of(2) {
            newborn(self.kind, &mut self.rng)?;
        }
        self.write_and_kill()?;
        self.ledger.check(&look(&self.config(None)?)?, &self.replica.contents()?)?;
        if last || round.is_multiple_of(SYNC_EVERY) { self.sync() } else { Ok(()) }
    }

    /// Says where the store is and leaves it there.
    pub(crate) fn keep(self) -> Outcome {
        print(&format!("the store is kept: {}", self.place.keep().display()))
    }

    fn config(&self, peer: Option<&str>) -> Outcome<String> {
        self.kind.config(&self.place.path().display().to_string(), peer)
    }

    /// Lets a process write and kills it at a random point.
    fn write_and_kill(&mut self) -> Outcome {
        let linked = self.rng.chance(500);
        let peer = if linked { Some(self.replica.address()?) } else { None };
        let config = self.config(peer.as_deref())?;
        let seed = self.rng.next_u64().to_string();
        let in_opening = self.rng.chance(150);
        let patience = if in_opening { 0 } else { 1 + self.rng.below(PATIENT) };
        let instant = Duration::from_micros(self.rng.below(if in_opening { 60_000 } else { 8_000 }));
        let mut writer = Process::start(&["child-write", &config, &seed])?;
        if linked {
            self.replica.write(20)?;
        }
        for _ in 0..patience {
            let line = writer.line()?.ok_or("the writer ended before it was killed")?;
            self.note(&line)?;
        }
        writer.kill_after(instant)?;
        let mut told = 0;
        while let Some(line) = writer.line()? {
            self.note(&line)?;
            told += 1;
        }
        self.kills_in_opening += u64::from(patience + told == 0);
        Ok(())
    }

    fn note(&mut self, line: &str) -> Outcome {
        let (id, hash) = read_acknowledged(line).ok_or("the writer speaks in tongues")?;
        self.ledger.acknowledge(id, hash)
    }

    /// Both get equal, and stay it over a clean end.
    fn sync(&mut self) -> Outcome {
        let config = self.config(Some(&self.replica.address()?))?;
        let mut server = Process::start(&["child-serve", &config])?;
        self.replica.agree()?;
        server.finish()?;
        let (here, mut there) = (look(&config)?, self.replica.contents()?);
        self.ledger.check(&here, &there)?;
        there.retain(|id, _| !here.is_pruned(*id));
        self.pruned += here.logs.values().map(|(_, floor)| floor).sum::<u64>();
        let here: Contents = here.held.into_iter().map(|(id, (said, _))| (id, said)).collect();
        if here == there { Ok(()) } else { Err("digests are equal, contents are not".into()) }
    }
}

/// Kills a process that makes a new store: what is left must open.
fn newborn(kind: Kind, rng: &mut Rng) -> Outcome {
    let place = tempfile::tempdir()?;
    let config = kind.config(&place.path().join("deep").display().to_string(), None)?;
    let mut writer = Process::start(&["child-write", &config, "1"])?;
    writer.kill_after(Duration::from_micros(rng.below(50_000)))?;
    let mut ledger = Ledger::default();
    while let Some(line) = writer.line()? {
        let (id, hash) = read_acknowledged(&line).ok_or("the writer speaks in tongues")?;
        ledger.acknowledge(id, hash)?;
    }
    let held = look(&config).map_err(|error| format!("a store killed while it was made: {error}"))?;
    ledger.check(&held, &Contents::new())
}
