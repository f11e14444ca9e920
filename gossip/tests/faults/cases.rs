//! All cases, one after the other, each in a process of its own.

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Instant;

use tempfile::TempDir;

use crate::apart::{Apart, NAME, UNSHARE, is_possible, leftovers, namespace};
use crate::kinds::Kind;
use crate::process::Process;
use crate::program::{end_of_all, print};
use crate::subject::Acks;
use crate::weather::Weather;
use crate::{Outcome, cut, damage, power, sealed, survive};

/// How a case came out.
pub(crate) enum Verdict {
    /// And what was seen.
    Passed(String),
    /// And why.
    Skipped(String),
}

struct Case {
    name: &'static str,
    run: Run,
}

#[derive(Clone, Copy)]
enum Run {
    Plain(fn(Kind) -> Outcome<Verdict>),
    /// In a mount namespace of its own.
    Mounting(fn(Kind, &Apart) -> Outcome<Verdict>),
}

const CASES: [Case; 9] = [
    Case { name: "full-disk", run: Run::Mounting(survive::full_disk) },
    Case { name: "file-size-limit", run: Run::Plain(|kind| survive::survive(kind, Weather::Limited)) },
    Case { name: "failing-syncs", run: Run::Plain(|kind| survive::survive(kind, Weather::Syncs)) },
    Case { name: "failing-writes", run: Run::Plain(|kind| survive::survive(kind, Weather::Writes)) },
    Case { name: "failing-reads", run: Run::Plain(|kind| survive::survive(kind, Weather::Reads)) },
    Case { name: "read-only-directory", run: Run::Mounting(sealed::sealed) },
    Case { name: "damaged-copies", run: Run::Plain(damage::damaged) },
    Case { name: "lost-tail", run: Run::Plain(cut::lost_tail) },
    Case { name: "power-loss", run: Run::Plain(power::lost) },
];

/// Runs them all; the last line printed is the sum.
pub(crate) fn all() -> ExitCode {
    end_of_all("faults", every())
}

fn every() -> Outcome<u64> {
    let cases = chosen()?;
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for kind in Kind::chosen()? {
        for case in &cases {
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

/// Those that `GOSSIP_FAULT_CASES` names (default: all).
fn chosen() -> Outcome<Vec<&'static Case>> {
    let wanted = std::env::var("GOSSIP_FAULT_CASES").unwrap_or_default();
    match wanted.split(',').filter(|name| !name.is_empty()).map(find).collect::<Outcome<Vec<_>>>()? {
        none if none.is_empty() => Ok(CASES.iter().collect()),
        cases => Ok(cases),
    }
}

fn find(name: &str) -> Outcome<&'static Case> {
    Ok(CASES.iter().find(|case| case.name == name).ok_or_else(|| format!("no case {name:?}"))?)
}

/// Runs a case in a process of its own, so that its limits, mounts and end are its own too.
fn apart(case: &Case, kind: Kind) -> Outcome<Verdict> {
    let before = leftovers();
    let verdict = in_a_process(case, kind)?;
    match leftovers().into_iter().find(|mount| !before.contains(mount)) {
        Some(left) => Err(format!("it left a mount: {left}").into()),
        None => Ok(verdict),
    }
}

fn in_a_process(case: &Case, kind: Kind) -> Outcome<Verdict> {
    let exe = std::env::current_exe()?;
    let mut command = match case.run {
        Run::Plain(_) => Command::new(exe),
        Run::Mounting(_) if !is_possible() => {
            return Ok(Verdict::Skipped(format!("no mount namespaces here ({})", UNSHARE.join(" "))));
        }
        Run::Mounting(_) => {
            let mut command = Command::new(UNSHARE[0]);
            command.args(&UNSHARE[1..]).arg(exe);
            command
        }
    };
    command.args(["child-case", case.name, kind.name, &namespace().unwrap_or_default()]);
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

/// The process of one case, started from this namespace.
pub(crate) fn one(name: &str, kind: &str, outside: &str) -> Outcome {
    let kind = kind_of(kind)?;
    tell(match find(name)?.run {
        Run::Plain(run) => run(kind)?,
        Run::Mounting(run) => run(kind, &Apart::from(outside)?)?,
    })
}

/// One case alone, apart from whoever looks for what is wrong with it.
pub(crate) fn by_hand(name: &str, kind: &str) -> Outcome {
    tell(apart(find(name)?, kind_of(kind)?)?)
}

fn kind_of(name: &str) -> Outcome<Kind> {
    Ok(Kind::chosen()?.into_iter().find(|known| known.name == name).ok_or("no such store")?)
}

fn tell(verdict: Verdict) -> Outcome {
    match verdict {
        Verdict::Passed(seen) => print(&format!("passed {seen}")),
        Verdict::Skipped(why) => print(&format!("skipped {why}")),
    }
}

/// Everything acknowledged is there when the store is opened again.
pub(crate) fn check(config: &str, acks: &Acks) -> Outcome {
    let held = crate::look::look(config)?.held;
    for (id, hash) in acks {
        if held.get(id).is_none_or(|(said, _)| said.hash != *hash) {
            return Err(format!("{id} was acknowledged and is lost").into());
        }
    }
    Ok(())
}

/// A place for a store.
pub(crate) fn place() -> Outcome<(TempDir, PathBuf)> {
    let place = tempfile::Builder::new().prefix(&format!("{NAME}-")).tempdir()?;
    let store = place.path().join("store");
    Ok((place, store))
}
