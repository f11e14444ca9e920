//! What `cargo metadata` tells.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

/// All crates in the graph, ours and foreign.
#[derive(Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    pub(crate) workspace_root: PathBuf,
}

/// One crate.
#[derive(Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) license: Option<String>,
    /// `None` for crates of this workspace.
    pub(crate) source: Option<String>,
    pub(crate) manifest_path: PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
}

/// One line of a crate's manifest.
#[derive(Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// `None` for normal ones, else `dev` or `build`.
    pub(crate) kind: Option<String>,
}

impl Metadata {
    /// Asks cargo, without changing the lock file.
    pub(crate) fn load() -> io::Result<Self> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let arguments = ["metadata", "--format-version", "1", "--locked", "--all-features"];
        let output = Command::new(cargo).args(arguments).stderr(std::process::Stdio::inherit()).output()?;
        if !output.status.success() {
            return Err(io::Error::other("cargo metadata failed"));
        }
        serde_json::from_slice(&output.stdout).map_err(io::Error::other)
    }

    /// The crates of this workspace.
    pub(crate) fn ours(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.source.is_none())
    }

    /// Directory of a crate below the root of the workspace.
    pub(crate) fn directory<'a>(&self, package: &'a Package) -> &'a Path {
        let manifest = package.manifest_path.strip_prefix(&self.workspace_root);
        manifest.ok().and_then(Path::parent).unwrap_or(&package.manifest_path)
    }
}
