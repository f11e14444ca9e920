//! How a failing disk is survived.

use std::path::Path;
use std::time::{Duration, Instant};

use gossip_testkit::wait::eventually_blocking;

use crate::Outcome;
use crate::apart::{Apart, SMALL};
use crate::cases::{Verdict, check, place};
use crate::kinds::Kind;
use crate::subject::{Acks, Subject};
use crate::weather::Weather;

/// Service must be back within.
const PATIENCE: Duration = Duration::from_secs(60);

/// On a small file system of its own.
pub(crate) fn full_disk(kind: Kind, apart: &Apart) -> Outcome<Verdict> {
    let (place, directory) = place()?;
    match apart.mount(SMALL, place.path()) {
        Ok(_mounted) => survive_in(&directory, kind, Weather::Full),
        Err(why) => Ok(Verdict::Skipped(why)),
    }
}

/// A node goes through bad weather: typed errors, reads that work, service when it is over, and
/// nothing lost.
pub(crate) fn survive(kind: Kind, weather: Weather) -> Outcome<Verdict> {
    let (_place, directory) = place()?;
    survive_in(&directory, kind, weather)
}

fn survive_in(directory: &Path, kind: Kind, weather: Weather) -> Outcome<Verdict> {
    let config = kind.config(&directory.display().to_string(), None)?;
    let (mut subject, mut acks) = (Subject::start(&config, weather.wrapper())?, Acks::new());
    let (entries, size) = weather.before();
    for _ in 0..entries {
        subject.append(size, &mut acks)??;
    }
    let storm = match weather.begin(directory, subject.process.id())? {
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
    let (begin, mut told) = (Instant::now(), String::new());
    // A node does not tell that its store works again: it is asked.
    let back = eventually_blocking(PATIENCE, || {
        let appended = subject.append(100, acks)?.map_err(|error| told = error);
        Outcome::Ok(appended.ok())
    });
    back?.ok_or_else(|| format!("service does not resume: {told}"))?;
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
