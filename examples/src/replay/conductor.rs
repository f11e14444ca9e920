//! The play: linked, apart, linked again.

use std::io;
use std::num::NonZeroU32;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::ReplayError;
use super::cast::Cast;
use super::message::{Command, now};
use super::payload;
use super::replica;
use super::report::{Carried, Healed, Killed, Report, Wire};
use super::stage::{Setting, Stage};
use crate::trace::Trace;

/// How long a linked phase takes unless a rate is given.
const LINKED_SECONDS: usize = 12;
/// The rate is at least this, lest a short trace is too quick to show anything, …
const MIN_RATE: usize = 50;
/// … and at most this, lest a long one measures how long queues are.
const MAX_RATE: usize = 3000;

/// A phase may take this long beyond what its pace asks for.
const WRITE_LIMIT: Duration = Duration::from_secs(120);
/// Replicas must be equal this long after the last entry was written or the link came back.
const CONVERGE_LIMIT: Duration = Duration::from_secs(60);
const LINK_LIMIT: Duration = Duration::from_secs(30);

/// What a replay can be asked for.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// A trace of the editing-traces collection, as .json or .json.gz [default: friendsforever,
    /// two people, 26,078 transactions]
    pub file: Option<PathBuf>,
    /// Kill one process hard while it writes, and start it again on the same store
    #[arg(long)]
    pub kill: bool,
    /// Transactions per second over all authors while linked [default: such that it takes 12 s]
    #[arg(long)]
    pub rate: Option<NonZeroU32>,
    /// Appends each process awaits at once
    #[arg(long, default_value = "64")]
    pub in_flight: NonZeroU32,
    /// Keep stores, logs and replicas (as text) in this directory, which must be empty or new
    #[arg(long)]
    pub keep: Option<PathBuf>,
}

/// Runs a replay to its end.
///
/// # Errors
/// [`ReplayError`] says what did not work, or where the replicas differ.
pub async fn run(options: &Options) -> Result<Report, ReplayError> {
    let trace = options.file.as_deref().map_or_else(Trace::built_in, Trace::load)?;
    let dir = Place::make(options.keep.as_deref())?;
    tokio::select! {
        report = perform(options, &trace, dir.path()) => report,
        _ = tokio::signal::ctrl_c() => Err(ReplayError::Interrupted),
    }
}

async fn perform(options: &Options, trace: &Trace, dir: &Path) -> Result<Report, ReplayError> {
    let count = trace.transactions.len();
    let [first, apart, last] = [0..count / 3, count / 3..count * 2 / 3, count * 2 / 3..count];
    let rate = options.rate.map_or_else(|| default_rate(first.len()), NonZeroU32::get);
    let setting = Setting {
        dir: dir.to_owned(),
        trace: options.file.clone(),
        in_flight: options.in_flight.get() as usize,
    };
    let mut stage = Stage::open(Cast::of(trace), setting).await?;
    stage.restore_wire();
    stage.wait_until("all to be linked", LINK_LIMIT, |stage| stage.ledger.all_linked()).await?;

    linked(&mut stage, "the first third", &first, rate).await?;
    let killed = cut(&mut stage, &apart, options.kill).await?;
    let (healed, healing) = heal(&mut stage, &apart).await?;
    linked(&mut stage, "the last third", &last, rate).await?;
    let bytes = stage.relay.bytes();
    let equal = compare(&mut stage, trace).await?;
    stage.close().await?;

    let cast = stage.ledger.cast();
    let carried =
        |bytes, range: &Range<usize>| Carried { bytes, payload: to_carry(trace, range, cast.people()) };
    Ok(Report {
        trace: options.file.as_ref().map_or("friendsforever".into(), |file| file.display().to_string()),
        authors: (0..cast.people()).map(|person| (cast.name(person), cast.script(person).len())).collect(),
        equal,
        append_to_visible: stage.ledger.append_to_visible(&[first.clone(), last.clone()]),
        rate,
        reached: [stage.ledger.rate(&first), stage.ledger.rate(&last)],
        killed,
        healed,
        wire: Wire { all: carried(bytes, &(0..count)), healing: carried(healing, &apart) },
    })
}

fn default_rate(transactions: usize) -> u32 {
    let rate = (transactions / LINKED_SECONDS).clamp(MIN_RATE, MAX_RATE);
    u32::try_from(rate).unwrap_or(u32::MAX)
}

/// All write at a pace while linked; returns when everybody holds everything.
async fn linked(
    stage: &mut Stage,
    phase: &'static str,
    range: &Range<usize>,
    rate: u32,
) -> Result<(), ReplayError> {
    stage.progress.phase(&format!("linked: {phase}, {} transactions at {rate}/s", range.len()));
    stage.tell_all(&Command::Write { range: range.clone(), rate: Some(rate) }).await?;
    let paced = Duration::from_secs_f64(range.len() as f64 / f64::from(rate));
    stage.wait_until("all to write", paced + WRITE_LIMIT, |stage| stage.ledger.all_written()).await?;
    let converged = converge(stage, range.end).await;
    match stage.ledger.empty_handed(range) {
        Some(person) => Err(ReplayError::NothingReceived { name: stage.ledger.cast().name(person), phase }),
        None => converged,
    }
}

async fn converge(stage: &mut Stage, count: usize) -> Result<(), ReplayError> {
    let hold = |stage: &Stage| stage.ledger.all_hold(count);
    stage.wait_until("everybody to hold everything", CONVERGE_LIMIT, hold).await
}

/// All write as fast as they can, apart; one may be killed on the way.
async fn cut(stage: &mut Stage, range: &Range<usize>, kill: bool) -> Result<Option<Killed>, ReplayError> {
    stage.progress.phase(&format!("cut: the middle third, {} transactions at full speed", range.len()));
    stage.relay.cut();
    stage.wait_until("all to notice the cut", LINK_LIMIT, |stage| stage.ledger.all_cut()).await?;
    let write = Command::Write { range: range.clone(), rate: None };
    stage.tell_all(&write).await?;
    let killed = match kill {
        true => Some(kill_and_restart(stage, range, &write).await?),
        false => None,
    };
    stage.wait_until("all to write", WRITE_LIMIT, |stage| stage.ledger.all_written()).await?;
    let ledger = &stage.ledger;
    match (0..ledger.cast().people()).find(|person| ledger.received(*person, range) > 0) {
        Some(person) => Err(ReplayError::NotCut { name: ledger.cast().name(person) }),
        None => Ok(killed),
    }
}

/// Kills whoever writes most midway, starts them again and lets them go on after what is on disk.
async fn kill_and_restart(
    stage: &mut Stage,
    range: &Range<usize>,
    write: &Command,
) -> Result<Killed, ReplayError> {
    let cast = stage.ledger.cast();
    let busiest = (0..cast.people()).max_by_key(|person| cast.lines(*person, range));
    let person = busiest.unwrap_or(0);
    let name = cast.name(person);
    let midway = cast.lines(person, &(0..range.start)) + cast.lines(person, range) / 2;
    let reached = |stage: &Stage| stage.ledger.durable(person) >= midway;
    stage.wait_until("the middle of the phase", WRITE_LIMIT, reached).await?;
    stage.kill(person).await?;
    let durable = stage.ledger.durable(person);
    stage.progress.phase(&format!("killed: {name}, after {durable} acknowledged appends"));
    stage.start(person).await?;
    let on_disk = stage.ledger.durable(person);
    if on_disk < durable {
        return Err(ReplayError::Lost { name, durable, on_disk });
    }
    stage.tell(person, write).await?;
    Ok(Killed { name, durable, on_disk })
}

/// Puts the wire back and waits until everybody holds everything; also the bytes it took.
async fn heal(stage: &mut Stage, apart: &Range<usize>) -> Result<(Healed, u64), ReplayError> {
    stage.progress.phase("healed: the wire is back");
    let (start, bytes) = (now(), stage.relay.bytes());
    stage.restore_wire();
    converge(stage, apart.end).await?;
    stage.wait_until("all to be linked", LINK_LIMIT, |stage| stage.ledger.all_linked()).await?;
    let since = |at: u64| Duration::from_nanos(at.saturating_sub(start));
    let linked = since(stage.ledger.linked_at());
    let converged = since(stage.ledger.last_seen(apart));
    Ok((Healed { linked, converged, apart: apart.len() }, stage.relay.bytes() - bytes))
}

async fn compare(stage: &mut Stage, trace: &Trace) -> Result<replica::Equal, ReplayError> {
    stage.progress.phase("comparing the replicas");
    let files: Vec<PathBuf> = (0..stage.ledger.cast().people()).map(|person| stage.replica(person)).collect();
    for (person, file) in files.iter().enumerate() {
        stage.tell(person, &Command::Dump { file: file.display().to_string() }).await?;
    }
    let dumped = |stage: &Stage| stage.ledger.all_dumped();
    stage.wait_until("all replicas to be written out", CONVERGE_LIMIT, dumped).await?;
    replica::compare(&files, stage.ledger.cast(), trace)
}

/// Payload bytes of a range, once for every person who did not write them.
fn to_carry(trace: &Trace, range: &Range<usize>, people: usize) -> u64 {
    let length = |index: usize| payload::encode(index, &trace.transactions[index]).len() as u64;
    range.clone().map(length).sum::<u64>() * (people as u64 - 1)
}

/// Where the stores are.
enum Place {
    /// Gone when this is dropped.
    Temporary(TempDir),
    Kept(PathBuf),
}

impl Place {
    fn make(keep: Option<&Path>) -> Result<Self, ReplayError> {
        let Some(dir) = keep else {
            let dir = TempDir::with_prefix("gossip-replay-");
            return dir.map(Self::Temporary).map_err(ReplayError::io("making a temporary directory"));
        };
        let empty = |dir: &Path| -> io::Result<bool> {
            std::fs::create_dir_all(dir)?;
            Ok(std::fs::read_dir(dir)?.next().is_none())
        };
        match empty(dir).map_err(ReplayError::io("making the directory to keep"))? {
            true => Ok(Self::Kept(dir.to_owned())),
            false => Err(ReplayError::NotEmpty(dir.display().to_string())),
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Temporary(dir) => dir.path(),
            Self::Kept(dir) => dir,
        }
    }
}
