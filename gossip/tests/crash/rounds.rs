//! One round after the other: write, kill, look, sync.

use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use gossip::proto::Rng;
use tempfile::TempDir;

use crate::Outcome;
use crate::ledger::Ledger;
use crate::line::{Contents, print, read_acknowledged, read_held};
use crate::process::Process;
use crate::replica::Replica;

/// Rounds unless `GOSSIP_CRASH_ROUNDS` says otherwise.
const ROUNDS: u64 = 50;
/// Every so many rounds the replica must be equal.
const SYNC_EVERY: u64 = 4;
/// Acknowledgements waited for before the kill, at most.
const PATIENT: u64 = 700;
/// From this many rounds on, a kill must have met a write in flight.
const ENOUGH: u64 = 10;

/// Runs them all; the last line printed is the sum.
pub(crate) fn all() -> ExitCode {
    let (rounds, seed) = (number("GOSSIP_CRASH_ROUNDS"), number("GOSSIP_CRASH_SEED"));
    let rounds = rounds.unwrap_or(ROUNDS);
    let seed = seed.unwrap_or_else(|| {
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
    });
    match Scene::new(seed).and_then(|scene| scene.play(rounds, seed)) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("crash: {error}");
            ExitCode::FAILURE
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

struct Scene {
    rng: Rng,
    place: TempDir,
    replica: Replica,
    ledger: Ledger,
    kills_in_opening: u64,
}

impl Scene {
    fn new(seed: u64) -> Outcome<Self> {
        Ok(Self {
            rng: Rng::new(seed),
            place: tempfile::tempdir()?,
            replica: Replica::start()?,
            ledger: Ledger::default(),
            kills_in_opening: 0,
        })
    }

    /// Returns how many rounds failed.
    fn play(mut self, rounds: u64, seed: u64) -> Outcome<u64> {
        print(&format!("crash: {rounds} rounds, seed {seed} (GOSSIP_CRASH_SEED)"))?;
        let (begin, mut failed) = (Instant::now(), 0);
        for round in 1..=rounds {
            let last = round == rounds;
            if let Err(error) = self.round(round, last) {
                failed += 1;
                print(&format!("round {round}: {error}"))?;
            }
        }
        let (acknowledged, in_flight) = (self.ledger.acknowledged(), self.ledger.in_flight);
        print(&format!(
            "{acknowledged} entries acknowledged, {in_flight} more kept of writes in flight, \
             {} kills while opening, {:.1} s",
            self.kills_in_opening,
            begin.elapsed().as_secs_f32(),
        ))?;
        if rounds >= ENOUGH && (acknowledged == 0 || in_flight == 0) {
            failed = rounds;
            print("the kills met no write in flight: nothing was shown")?;
        }
        if failed > 0 {
            print(&format!("the store is kept: {}", self.place.keep().display()))?;
        }
        print(&format!("{} passed, {failed} failed", rounds - failed))?;
        Ok(failed)
    }

    fn round(&mut self, round: u64, last: bool) -> Outcome {
        if round.is_multiple_of(2) {
            newborn(&mut self.rng)?;
        }
        let store = self.place.path().display().to_string();
        self.write_and_kill(&store)?;
        self.ledger.check(&read(&store)?, &self.replica.contents()?)?;
        if last || round.is_multiple_of(SYNC_EVERY) { self.sync(&store) } else { Ok(()) }
    }

    /// Lets a process write and kills it at a random point.
    fn write_and_kill(&mut self, store: &str) -> Outcome {
        let linked = self.rng.chance(500);
        let peer = if linked { self.replica.address()? } else { "-".to_owned() };
        let seed = self.rng.next_u64().to_string();
        let in_opening = self.rng.chance(150);
        let patience = if in_opening { 0 } else { 1 + self.rng.below(PATIENT) };
        let instant = Duration::from_micros(self.rng.below(if in_opening { 60_000 } else { 8_000 }));
        let mut writer = Process::start(&["child-write", store, &seed, &peer])?;
        if linked {
            self.replica.write(20)?;
        }
        for _ in 0..patience {
            let line = writer.line()?.ok_or("the writer ended before it was killed")?;
            self.note(&line)?;
        }
        sleep(instant);
        writer.kill()?;
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
    fn sync(&mut self, store: &str) -> Outcome {
        let mut server = Process::start(&["child-serve", store, &self.replica.address()?])?;
        self.replica.agree()?;
        server.finish()?;
        let (here, there) = (read(store)?, self.replica.contents()?);
        self.ledger.check(&here, &there)?;
        if here == there { Ok(()) } else { Err("digests are equal, contents are not".into()) }
    }
}

/// Kills a process that makes a new store: what is left must open.
fn newborn(rng: &mut Rng) -> Outcome {
    let place = tempfile::tempdir()?;
    let store = place.path().join("deep").display().to_string();
    let mut writer = Process::start(&["child-write", &store, "1", "-"])?;
    sleep(Duration::from_micros(rng.below(50_000)));
    writer.kill()?;
    let mut ledger = Ledger::default();
    while let Some(line) = writer.line()? {
        let (id, hash) = read_acknowledged(&line).ok_or("the writer speaks in tongues")?;
        ledger.acknowledge(id, hash)?;
    }
    let held = read(&store).map_err(|error| format!("a store killed while it was made: {error}"))?;
    ledger.check(&held, &Contents::new())
}

/// What a new process finds in the store.
fn read(store: &str) -> Outcome<Contents> {
    let mut reader = Process::start(&["child-read", store])?;
    let (mut contents, mut end) = (Contents::new(), None);
    while let Some(line) = reader.line()? {
        match read_held(&line) {
            Some((id, said)) if contents.insert(id, said).is_none() => {}
            Some((id, _)) => return Err(format!("{id} is stored twice").into()),
            None => end = line.strip_prefix("end ").and_then(|count| count.parse().ok()),
        }
    }
    reader.finish()?;
    if end == Some(contents.len()) { Ok(contents) } else { Err("the reader lost count".into()) }
}
