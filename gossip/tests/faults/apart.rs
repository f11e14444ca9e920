//! Mounts nobody else sees.
//!
//! A case that mounts runs in a user and mount namespace of its own, where nothing is shared with others:
//! whatever becomes of its process, a kill included, its mounts go with the namespace. Nothing is mounted
//! without the proof of that, [`Apart`]; and after each case the one who started it looks for mounts.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::Outcome;

/// How the file systems of this test are called, and what names of its places begin with.
pub(crate) const NAME: &str = "gossip-faults";

/// A small file system in memory.
pub(crate) const SMALL: &[&str] = &["-t", "tmpfs", "-o", "size=24m", NAME];

/// The start of a command that runs the rest of its line in namespaces of its own.
pub(crate) const UNSHARE: &[&str] = &["unshare", "-rm", "--propagation", "private"];

/// Proof that this process is in a mount namespace of its own.
pub(crate) struct Apart(());

impl Apart {
    /// `outside` is the namespace of whoever started it.
    pub(crate) fn from(outside: &str) -> Outcome<Self> {
        let shared = fs::read_to_string("/proc/self/mountinfo")?.contains(" shared:");
        match shared || namespace()? == outside {
            true => Err("mounts of this process would be seen by others".into()),
            false => Ok(Self(())),
        }
    }

    /// Mounts something until it is dropped, or says why that is refused.
    pub(crate) fn mount<'p>(&self, what: &[&str], at: &'p Path) -> Result<Mounted<'p>, String> {
        mount(what, at)?;
        Ok(Mounted(at))
    }
}

/// A mount. Dropping it takes it away.
pub(crate) struct Mounted<'p>(&'p Path);

impl Mounted<'_> {
    /// Mounts it again with other options.
    pub(crate) fn change(&self, options: &str) -> Result<(), String> {
        mount(&["-o", options], self.0)
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        // Lazily, because a child that was killed may hold it for a moment. What is left goes with the namespace.
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

fn mount(what: &[&str], at: &Path) -> Result<(), String> {
    let output = Command::new("mount").args(what).arg(at).output();
    let output = output.map_err(|error| format!("mount cannot be started: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("mounting is refused: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}

/// The mount namespace of this process.
pub(crate) fn namespace() -> Outcome<String> {
    Ok(fs::read_link("/proc/self/ns/mnt")?.display().to_string())
}

/// Whether namespaces can be had here.
pub(crate) fn is_possible() -> bool {
    let tried = Command::new(UNSHARE[0]).args(&UNSHARE[1..]).arg("true").output();
    tried.is_ok_and(|output| output.status.success())
}

/// Mounts of this test that this process sees: there must never be any where cases are started.
pub(crate) fn leftovers() -> Vec<String> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mounts.lines().filter(|line| line.contains(NAME)).map(str::to_owned).collect()
}
