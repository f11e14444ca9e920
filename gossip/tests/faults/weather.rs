//! Disks that fail and recover.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gossip_testkit::wait::eventually_blocking;

use crate::Outcome;
use crate::damage::files;
use crate::kinds::Kind;
use crate::survive::errors_of;

/// What is wrong with the disk while it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weather {
    /// No space is left on the file system (a small one in memory, mounted in a namespace of ours).
    Full,
    /// No file may be written beyond its first bytes (`RLIMIT_FSIZE`): writes fail with `EFBIG`.
    Limited,
    /// `fsync` and its like fail with `EIO`.
    Syncs,
    /// Writes to the files of the store fail with `EIO`.
    Writes,
    /// Reads of the files of the store fail with `EIO`.
    Reads,
}

/// It lasts until this is ended.
pub(crate) enum Storm {
    Ballast(PathBuf),
    Limit(u32),
    Injector(Child),
}

impl Weather {
    /// How many entries of which size are written before: for reads to fail, more than caches hold.
    pub(crate) fn before(self) -> (usize, usize) {
        if self == Self::Reads { (800, 64_000) } else { (60, 3_000) }
    }

    /// Appends tried until a failing disk must have been noticed; appends need not notice reads that fail.
    pub(crate) fn patience(self) -> usize {
        if self == Self::Reads { 20 } else { 6_000 }
    }

    /// Whether an engine may have to be opened again, and cannot be, while it lasts: on a full disk only
    /// one that has unsynced commits to bring in.
    pub(crate) fn may_stop_reads(self, kind: Kind) -> bool {
        self != Self::Full || !crate::is_sync(kind)
    }

    /// Whether an application was told what it can act on.
    pub(crate) fn judge(self, kind: Kind, errors: &[String]) -> Outcome {
        let expected: &[&str] = match self {
            Self::Full if crate::is_sync(kind) => &["Full"],
            // What was acknowledged before may not be synced in time: that must be told.
            Self::Full => &["Full", "Unknown"],
            Self::Limited => &["Full", "Transient", "Unknown"],
            Self::Syncs | Self::Writes | Self::Reads => &["Transient", "Unknown"],
        };
        if errors.is_empty() && self != Self::Reads {
            return Err("the failing disk was not noticed".into());
        }
        match errors.iter().find(|error| !expected.contains(&errors_of(error).unwrap_or_default())) {
            Some(other) => Err(format!("not one of {expected:?}: {other}").into()),
            None => Ok(()),
        }
    }

    /// The command a subject must be started by.
    pub(crate) fn wrapper(self) -> &'static [&'static str] {
        match self {
            // The signal that comes with the failing write would end the process.
            Self::Limited => &["sh", "-c", "trap '' XFSZ; exec \"$0\" \"$@\""],
            _ => &[],
        }
    }

    /// Begins under a process that uses the directory; `None` with a reason when this machine refuses.
    pub(crate) fn begin(self, directory: &Path, process: u32) -> Outcome<Result<Storm, String>> {
        match self {
            Self::Full => Ok(Ok(Storm::Ballast(ballast(directory)?))),
            Self::Limited => {
                limit(process, "1000")?;
                Ok(Ok(Storm::Limit(process)))
            }
            Self::Syncs => inject("fsync,fdatasync,sync_file_range", &[], process),
            // Not what the process says on a pipe.
            Self::Writes => inject("write,writev,pwrite64", &settled(directory)?, process),
            Self::Reads => inject("read,pread64", &settled(directory)?, process),
        }
    }
}

impl Storm {
    /// All is well again.
    pub(crate) fn end(self) -> Outcome {
        match self {
            Self::Ballast(file) => Ok(fs::remove_file(file)?),
            Self::Limit(process) => limit(process, "unlimited"),
            Self::Injector(mut tracer) => {
                // Told so, it lets go of the process; killed, it would take the process with it.
                let told = Command::new("kill").args(["-INT", &tracer.id().to_string()]).status()?;
                tracer.wait()?;
                if told.success() { Ok(()) } else { Err("strace is gone".into()) }
            }
        }
    }
}

/// So long no file comes or goes before the files of a store are taken to be those it writes to.
const CALM: Duration = Duration::from_secs(3);

/// Room that is left, for the store to fill itself.
const LEFT: u64 = 4 << 20;

/// Fills the file system but for a little.
fn ballast(directory: &Path) -> Outcome<PathBuf> {
    let path = directory.join("../ballast");
    let mut file = File::create(&path)?;
    let block = [0; 1 << 16];
    while file.write_all(&block).is_ok() {}
    file.set_len(file.metadata()?.len().saturating_sub(LEFT))?;
    Ok(path)
}

fn limit(process: u32, bytes: &str) -> Outcome {
    let limit = format!("--fsize={bytes}:unlimited");
    let status = Command::new("prlimit").args(["--pid", &process.to_string(), &limit]).status()?;
    if status.success() { Ok(()) } else { Err("prlimit failed".into()) }
}

/// The files of a store once no new ones are made: what is done in the background after the last
/// append may switch to others, which would be spared.
fn settled(directory: &Path) -> Outcome<Vec<PathBuf>> {
    let (mut known, mut since) = (files(directory)?, Instant::now());
    // That nothing happens is not told by anything: it takes looking for a while.
    let calm = eventually_blocking(CALM * 10, || {
        let found = files(directory)?;
        if found != known {
            (known, since) = (found, Instant::now());
        }
        Outcome::Ok((since.elapsed() >= CALM).then_some(()))
    });
    calm?.ok_or("the store makes new files all the time")?;
    Ok(known)
}

/// Lets system calls of a running process fail, on these files or on all, by `strace`.
fn inject(calls: &str, files: &[PathBuf], process: u32) -> Outcome<Result<Storm, String>> {
    let mut command = Command::new("strace");
    command.args(["-f", "-o", "/dev/null", "-e", &format!("trace={calls}")]);
    command.args(["-e", &format!("inject={calls}:error=EIO"), "-p", &process.to_string()]);
    for file in files {
        command.arg("-P").arg(file);
    }
    let tracer = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut tracer = match tracer {
        Ok(tracer) => tracer,
        Err(error) => return Ok(Err(format!("strace cannot be started: {error}"))),
    };
    let mut said = BufReader::new(tracer.stderr.take().ok_or("no pipe")?);
    let mut line = String::new();
    while said.read_line(&mut line)? > 0 {
        if line.contains(" attached") {
            // Whatever else it has to say must not fill the pipe.
            std::thread::spawn(move || said.read_to_end(&mut Vec::new()));
            return Ok(Ok(Storm::Injector(tracer)));
        }
    }
    tracer.wait()?;
    Ok(Err(format!("strace cannot attach: {}", line.trim())))
}
