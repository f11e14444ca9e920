//! Damaged copies of a store: bits flipped, files cut short, files gone.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use gossip::proto::Rng;

use crate::Outcome;
use crate::cases::{Verdict, place};
use crate::kinds::Kind;
use crate::line::{Held, read_held};
use crate::process::Process;
use crate::subject::{Acks, Subject};

/// Copies tried of a store that was killed, and of one that was closed.
const COPIES: u64 = 30;

/// Every copy is refused with an error, or gives back nothing but what was written: no other
/// content, no hole, no panic, no hang.
pub(crate) fn damaged(kind: Kind) -> Outcome<Verdict> {
    let (place, store) = place()?;
    let config = kind.config(&store.display().to_string(), None)?;
    let mut acks = Acks::new();
    let mut rng = Rng::new(1);
    let mut seen = BTreeMap::new();
    for killed in [true, false] {
        let mut subject = Subject::start(&config, &[])?;
        for _ in 0..120 {
            subject.append(rng.below(9_000) as usize, &mut acks)??;
        }
        match killed {
            true => subject.process.kill()?,
            false => subject.end()?,
        }
        for number in 0..COPIES / kind.share {
            let copy = place.path().join(format!("{killed}-{number}"));
            copy_all(&store, &copy)?;
            let done = spoil(&copy, &mut rng)?;
            let found = look(&kind.config(&copy.display().to_string(), None)?, &acks);
            let found = found.map_err(|error| format!("{done}: {error}"))?;
            // Without syncs everything may be in the tail that is lost.
            let gone = done.ends_with("removed") || done.ends_with("cut at 0") || !crate::is_sync(kind);
            if found == "like new" && !gone {
                return Err(format!("{done}: opened as a new store").into());
            }
            // Cut short looks like power loss; damage inside must not, but for the newest commit.
            if found == "without their tail" && crate::is_sync(kind) && !done.contains(" cut at ") {
                return Err(format!("{done}: opened {found}").into());
            }
            *seen.entry(found).or_insert(0_u32) += 1;
            fs::remove_dir_all(copy)?;
        }
    }
    let seen: Vec<_> = seen.iter().map(|(found, count)| format!("{count} {found}")).collect();
    Ok(Verdict::Passed(format!("{} copies: {}", 2 * (COPIES / kind.share), seen.join(", "))))
}

/// Damages one file; says how.
fn spoil(copy: &Path, rng: &mut Rng) -> Outcome<String> {
    let mut files = files(copy)?;
    files.retain(|file| fs::metadata(file).is_ok_and(|meta| meta.len() > 0));
    let file = &files[rng.below(files.len() as u64) as usize];
    let (mut bytes, name) = (fs::read(file)?, file.file_name().unwrap_or_default().display());
    let at = rng.below(bytes.len() as u64) as usize;
    let done = match rng.below(10) {
        0 => {
            fs::remove_file(file)?;
            return Ok(format!("{name} removed"));
        }
        1..=3 => {
            bytes.truncate(at);
            format!("{name} cut at {at}")
        }
        _ => {
            bytes[at] ^= 1 << rng.below(8);
            format!("a bit of {name} flipped at {at}")
        }
    };
    fs::write(file, bytes)?;
    Ok(done)
}

/// What a reader makes of it.
fn look(config: &str, acks: &Acks) -> Outcome<&'static str> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["child-read", config]).stderr(Stdio::null());
    let mut reader = Process::spawn(command)?;
    let mut held = Held::new();
    while let Some(line) = reader.line()? {
        if let Some((id, entry)) = read_held(&line) {
            held.insert(id, entry);
        }
    }
    let status = reader.status()?;
    for (id, (said, _)) in &held {
        if acks.get(id) != Some(&said.hash) {
            return Err(format!("{id} was never written so").into());
        }
    }
    match status.code() {
        Some(0) if held.len() == acks.len() => Ok("whole"),
        Some(0) if held.is_empty() => Ok("like new"),
        Some(0) if held.len() + 1 == acks.len() => Ok("without their newest entry"),
        Some(0) => Ok("without their tail"),
        Some(1) => Ok("refused"),
        _ => Err(format!("the reader ended with {status}").into()),
    }
}

/// All files below a directory.
pub(crate) fn files(directory: &Path) -> Outcome<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        match path.is_dir() {
            true => files.extend(self::files(&path)?),
            false => files.push(path),
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// Copies a directory.
pub(crate) fn copy_all(from: &Path, to: &Path) -> Outcome {
    for file in files(from)? {
        let target = to.join(file.strip_prefix(from)?);
        fs::create_dir_all(target.parent().unwrap_or(to))?;
        fs::copy(&file, target)?;
    }
    Ok(())
}
