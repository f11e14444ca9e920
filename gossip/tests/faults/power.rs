//! Power loss as a store sees it: what was not synced is gone, in whole or in part.
//!
//! A process works on the store under `strace`. From what it wrote and synced, file by file, follow the
//! states the disk may be in when power goes: the store must open in all of them, with everything that was
//! promised, and every operation done as a whole or not at all.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use gossip::Durability;
use gossip::proto::Rng;

use crate::Outcome;
use crate::cases::{Verdict, place};
use crate::hammer::{Models, Settled};
use crate::kinds::{Kind, open_store};
use crate::process::Process;
use crate::program::{number, print};
use crate::trace::{CALLS, Event, Loss, left_over, read};

/// Answers waited for before the process is killed.
const ANSWERS: usize = 150;
/// It works so long at least, so that what must be synced in time is.
const LEAST: Duration = Duration::from_millis(1500);
/// States of the disk that are tried unless `GOSSIP_FAULT_CUTS` says otherwise.
const CUTS: u64 = 60;
/// On top of the delay a store promises, on a busy machine.
const SLACK: f64 = 0.7;

pub(crate) fn lost(kind: Kind) -> Outcome<Verdict> {
    let (place, store) = place()?;
    let config = kind.config(&store.display().to_string(), None)?;
    let trace = place.path().join("trace");
    if let Err(why) = work(&config, &trace)? {
        return Ok(Verdict::Skipped(why));
    }
    let events = read(BufReader::new(File::open(&trace)?), &store)?;
    let promise = open_store(&config)?.durability();
    let first = events.iter().position(|event| matches!(event, Event::Said(..))).ok_or("nothing said")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (mut rng, mut sum) = (Rng::new(3), Settled::default());
    let cuts = (number("GOSSIP_FAULT_CUTS").unwrap_or(CUTS) / kind.share).max(3);
    for cut_number in 0..cuts {
        let cut = first + rng.below((events.len() - first) as u64 + 1) as usize;
        let loss = [Loss::Everything, Loss::Tail, Loss::Anything][cut_number as usize % 3];
        if cut_number % 10 == 0 {
            // Whoever waits for the end takes silence for a hang.
            print(&format!("{cut_number} of {cuts}"))?;
        }
        let what = format!("{promise:?}, {loss:?} before event {cut} of {}", events.len());
        fs::remove_dir_all(&store)?;
        for (path, bytes) in left_over(&events, cut, loss, &mut rng) {
            fs::create_dir_all(path.parent().ok_or("a file without a place")?)?;
            fs::write(path, bytes)?;
        }
        let settled = runtime.block_on(settle(&config, &events[..cut], promise));
        sum += settled.map_err(|error| format!("{what}: {error}"))?;
    }
    Ok(Verdict::Passed(format!(
        "{promise:?}: {cuts} cuts among {} events; of {} operations acknowledged until then {} gone, {} done \
         without an answer",
        events.len(),
        sum.acknowledged,
        sum.lost,
        sum.in_flight
    )))
}

/// Lets a process work under `strace`; kills it.
fn work(config: &str, trace: &Path) -> Outcome<Result<(), String>> {
    let mut command = Command::new("strace");
    command.args(["-f", "-ttt", "-y", "-xx", "-s", "4194304", "-e", &format!("trace={CALLS}"), "-o"]);
    command.arg(trace).arg(std::env::current_exe()?).args(["child-hammer", config, "11", "false"]);
    let mut process = match Process::spawn(command) {
        Ok(process) => process,
        Err(error) => return Ok(Err(format!("strace cannot be started: {error}"))),
    };
    let (begin, mut answers) = (Instant::now(), 0);
    while answers < ANSWERS || begin.elapsed() < LEAST {
        match process.line()? {
            Some(line) => answers += usize::from(line.starts_with("ack")),
            None if answers == 0 => return Ok(Err("strace is refused here".to_owned())),
            None => return Err("the hammer broke".into()),
        }
    }
    let mut line = String::new();
    BufReader::new(File::open(trace)?).read_line(&mut line)?;
    let child = line.split(' ').next().ok_or("an empty trace")?;
    Command::new("kill").args(["-KILL", child]).status()?;
    // The tracer ends as its child did, by the signal.
    process.status()?;
    Ok(Ok(()))
}

/// Opens what is left and compares it with what was said until then.
async fn settle(config: &str, events: &[Event], promise: Durability) -> Outcome<Settled> {
    let mut models = Models::new();
    let (mut safe, mut last) = (Vec::new(), 0.0);
    for event in events {
        let Event::Said(said, at) = event else { continue };
        last = *at;
        if let Some(task) = models.note(said.trim_end())? {
            safe.push((task, *at));
        }
    }
    let before = match promise {
        Durability::Sync => f64::MAX,
        Durability::Group(delay) => last - delay.as_secs_f64() - SLACK,
        Durability::Buffered | Durability::Volatile => f64::MIN,
    };
    let store = open_store(config)?;
    let must = |task: usize| safe.iter().filter(|(whose, at)| *whose == task && *at < before).count();
    models.settle(&*store, must).await
}
