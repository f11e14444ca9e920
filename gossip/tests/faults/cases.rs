//! All cases, one after the other, each in a process of its own; and how a failing disk is survived.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::kinds::Kind;
use crate::line::print;
use crate::process::Process;
use crate::subject::{Acks, Subject};
use crate::weather::Weather;
use crate::{Outcome, cut, damage, power, sealed};

/// How a case came out.
pub(crate) enum Verdict {
    /// And what was seen.
    Passed(String),
    /// And why.
    Skipped(String),
}

struct Case {
    name: &'static str,
    /// Runs in namespaces where it may mount.
    mounts: bool,
    run: fn(Kind) -> Outcome<Verdict>,
}

const fn case(name: &'static str, mounts: bool, run: fn(Kind) -> Outcome<Verdict>) -> Case {
    Case { name, mounts, run }
}

const CASES: [Case; 9] = [
    case("full-disk", true, |kind| survive(kind, Weather::Full)),
    case("file-size-limit", false, |kind| survive(kind, Weather::Limited)),
    case("failing-syncs", false, |kind| survive(kind, Weather::Syncs)),
    case("failing-writes", false, |kind| survive(kind, Weather::Writes)),
    case("failing-reads", false, |kind| survive(kind, Weather::Reads)),
    case("read-only-directory", true, sealed::sealed),
    case("damaged-copies", false, damage::damaged),
    case("lost-tail", false, cut::lost_tail),
    case("power-loss", false, power::lost),
];

/// Service must be back within.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs them all; the last line printed is the sum.
pub(crate) fn all() -> ExitCode {
    match every() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("faults: {error}");
            ExitCode::FAILURE
        }
    }
}

fn every() -> Outcome<u64> {
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for kind in Kind::chosen()? {
        for case in &CASES {
            let begin = Instant::now();
            let verdict = apart(case, kind);
            let seconds = begin.elapsed().as_secs_f32();
            let (counter, text) = match verdict {
                Ok(Verdict::Passed(seen)) => (&mut passed, format!("ok, {seconds:.1} s: {seen}")),
                Ok(Verdict::Skipped(why)) => (&mut skipped, format!("SKIPPED: {why}")),
                Err(error) => (&mut failed, format!("FAILED: {error}")),
            };
            *counter += 1;
            print(&format!("{} {}: {text}", kind.name, case.name))?;
        }
    }
    print(&format!("{passed} passed, {failed} failed, {skipped} skipped"))?;
    Ok(failed)
}

/// Runs a case in a process of its own, so that its limits, mounts and end are its own too.
fn apart(case: &Case, kind: Kind) -> Outcome<Verdict> {
    let exe = std::env::current_exe()?;
    let mut command = Command::new(&exe);
    if case.mounts {
        if !Command::new("unshare").args(["-rm", "true"]).status().is_ok_and(|status| status.success()) {
            return Ok(Verdict::Skipped("no mount namespaces here (unshare -rm)".to_owned()));
        }
        command = Command::new("unshare");
        command.arg("-rm").arg(exe);
    }
    command.args(["case", case.name, kind.name]);
    let mut process = Process::spawn(command)?;
    let mut last = None;
    while let Some(line) = process.line()? {
        last = Some(line);
    }
    process.finish()?;
    let last = last.ok_or("the case said nothing")?;
    Ok(match last.split_once(' ') {
        Some(("passed", seen)) => Verdict::Passed(seen.to_owned()),
        Some(("skipped", why)) => Verdict::Skipped(why.to_owned()),
        _ => return Err(format!("the case said {last}").into()),
    })
}

/// The process of one case.
pub(crate) fn one(name: &str, kind: &str) -> Outcome {
    let case = CASES.iter().find(|case| case.name == name).ok_or("no such case")?;
    let kind = Kind::chosen()?.into_iter().find(|known| known.name == kind).ok_or("no such store")?;
    match (case.run)(kind)? {
        Verdict::Passed(seen) => print(&format!("passed {seen}")),
        Verdict::Skipped(why) => print(&format!("skipped {why}")),
    }
}

/// A node goes through bad weather: typed errors, reads that work, service when it is over, and
/// nothing lost.
fn survive(kind: Kind, weather: Weather) -> Outcome<Verdict> {
    let (place, directory) = place()?;
    if weather == Weather::Full
        && let Err(why) = mount_small(place.path())
    {
        return Ok(Verdict::Skipped(why));
    }
    let config = kind.config(&directory.display().to_string(), None)?;
    let (mut subject, mut acks) = (Subject::start(&config, weather.wrapper())?, Acks::new());
    let (entries, size) = weather.before();
    for _ in 0..entries {
        subject.append(size, &mut acks)??;
    }
    let storm = match weather.begin(&directory, subject.process.id())? {
        Ok(storm) => storm,
        Err(why) => return Ok(Verdict::Skipped(why)),
    };
    let errors = endure(&mut subject, &mut acks, weather)?;
    let meanwhile = subject.ask("read")?;
    storm.end()?;
    weather.judge(kind, &errors)?;
    let readable = match errors_of(&meanwhile) {
        None => "readable",
        Some("Transient" | "Full") if weather.may_stop_reads(kind) => "not readable",
        Some(_) => return Err(format!("reading meanwhile: {meanwhile}").into()),
    };
    let waited = recover(&mut subject, &mut acks)?;
    read_all(&mut subject, &acks)?;
    subject.end()?;
    check(&config, &acks)?;
    let (kept, waited) = (acks.len(), waited.as_millis());
    let first = errors.first().or(Some(&meanwhile).filter(|it| errors_of(it).is_some()));
    let first = first.map_or("nothing noticed", String::as_str);
    Ok(Verdict::Passed(format!("{kept} kept, {readable} meanwhile, back after {waited} ms; {first}")))
}

/// The fault an answer names, if it is an error.
pub(crate) fn errors_of(answer: &str) -> Option<&str> {
    let fault = answer.strip_prefix("error ")?.split(' ').next()?;
    Some(fault.strip_prefix("Some(").and_then(|fault| fault.strip_suffix(')')).unwrap_or(fault))
}

/// Appends until it fails, then some more. Returns the errors.
fn endure(subject: &mut Subject, acks: &mut Acks, weather: Weather) -> Outcome<Vec<String>> {
    let mut errors = Vec::new();
    for _ in 0..weather.patience() {
        if let Err(error) = subject.append(8_000, acks)? {
            errors.push(error);
            break;
        }
    }
    for size in [0, 10_000, 100] {
        errors.extend(subject.append(size, acks)?.err());
    }
    Ok(errors)
}

/// Waits until an append succeeds; from then on all must.
fn recover(subject: &mut Subject, acks: &mut Acks) -> Outcome<Duration> {
    let begin = Instant::now();
    while let Err(error) = subject.append(100, acks)? {
        if begin.elapsed() > PATIENCE {
            return Err(format!("service does not resume: {error}").into());
        }
        sleep(Duration::from_millis(20));
    }
    let waited = begin.elapsed();
    for size in [0, 10_000, 100, 50_000] {
        subject.append(size, acks)??;
    }
    Ok(waited)
}

fn read_all(subject: &mut Subject, acks: &Acks) -> Outcome {
    let answer = subject.ask("read")?;
    match answer.strip_prefix("read ").map(str::parse) {
        Some(Ok(count)) if acks.len() <= count => Ok(()),
        _ => Err(format!("of {} entries acknowledged: {answer}", acks.len()).into()),
    }
}

/// Everything acknowledged is there when the store is opened again.
pub(crate) fn check(config: &str, acks: &Acks) -> Outcome {
    let held = crate::look::read(config)?;
    for (id, hash) in acks {
        if held.get(id).is_none_or(|(said, _)| said.hash != *hash) {
            return Err(format!("{id} was acknowledged and is lost").into());
        }
    }
    Ok(())
}

/// A small file system in memory.
fn mount_small(at: &Path) -> Result<(), String> {
    mount(&["-t", "tmpfs", "-o", "size=24m", "gossip-faults"], at)
}

/// Mounts something, or says why that is refused.
pub(crate) fn mount(what: &[&str], at: &Path) -> Result<(), String> {
    let output = Command::new("mount").args(what).arg(at).output();
    let output = output.map_err(|error| format!("mount cannot be started: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("mounting is refused: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}

/// A place for a store.
pub(crate) fn place() -> Outcome<(TempDir, PathBuf)> {
    let place = tempfile::tempdir()?;
    let store = place.path().join("store");
    Ok((place, store))
}
