//! Which crate may depend on which.
//!
//! Normal and build dependencies count; what only tests use is free.

use std::path::Path;

use crate::metadata::{Dependency, Metadata, Package};

/// What proto may take from outside: values, encodings, hashes, signatures. No runtime, no I/O.
const PROTO_MAY: &[&str] = &[
    "blake3",
    "bytes",
    "ciborium",
    "ed25519-dalek",
    "minicbor",
    "serde",
    "serde_bytes",
    "subtle",
    "thiserror",
    "zeroize",
];

/// What core may take from outside.
const CORE_MAY: &[&str] = &[
    "async-trait",
    "bytes",
    "ciborium",
    "futures-util",
    "getrandom",
    "inventory",
    "metrics",
    "serde",
    "serde_bytes",
    "thiserror",
    "tokio",
    "tracing",
];

/// Where a crate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Floor {
    Proto,
    Core,
    Testkit,
    /// What several plugins of one kind share.
    Shared,
    Plugin,
    Facade,
    App,
    /// An app that also measures what tests count: it may use what they use.
    Bench,
}

impl Floor {
    fn of(directory: &Path) -> Option<Self> {
        let directory = directory.to_str()?;
        match directory {
            "gossip/proto" => Some(Self::Proto),
            "gossip/core" => Some(Self::Core),
            "gossip/testkit" => Some(Self::Testkit),
            "stores/kv" => Some(Self::Shared),
            "gossip" => Some(Self::Facade),
            "examples" => Some(Self::App),
            "benches" => Some(Self::Bench),
            _ => match directory.split_once('/')?.0 {
                "transports" | "stores" | "materializers" => Some(Self::Plugin),
                _ => None,
            },
        }
    }

    /// Whether a crate on this floor may use one of ours on another.
    fn may_use(self, other: Self) -> bool {
        match self {
            Self::Proto => false,
            Self::Core => other == Self::Proto,
            Self::Shared => other == Self::Core,
            Self::Plugin => matches!(other, Self::Core | Self::Shared),
            Self::Testkit => matches!(other, Self::Proto | Self::Core),
            Self::Facade => matches!(other, Self::Core | Self::Plugin),
            Self::App => !matches!(other, Self::App | Self::Bench | Self::Testkit | Self::Shared),
            Self::Bench => !matches!(other, Self::App | Self::Bench | Self::Shared),
        }
    }

    /// Whether a crate on this floor may use a foreign one.
    fn may_import(self, foreign: &str) -> bool {
        match self {
            Self::Proto => PROTO_MAY.contains(&foreign),
            Self::Core => CORE_MAY.contains(&foreign),
            Self::Facade => false,
            Self::Testkit | Self::Shared | Self::Plugin | Self::App | Self::Bench => true,
        }
    }
}

/// Findings about dependencies and the skeleton of crates.
pub(crate) fn check(metadata: &Metadata) -> Vec<String> {
    let mut findings = Vec::new();
    for package in metadata.ours() {
        match Floor::of(metadata.directory(package)) {
            None => findings.push(format!("{} stands on no floor", package.name)),
            Some(floor) => {
                let counted = package.dependencies.iter().filter(|d| d.kind.as_deref() != Some("dev"));
                findings.extend(counted.filter_map(|d| judge(metadata, package, floor, d)));
                findings.extend(missing_skeleton(package, metadata.directory(package), floor));
            }
        }
    }
    findings
}

fn judge(metadata: &Metadata, package: &Package, floor: Floor, dependency: &Dependency) -> Option<String> {
    let ours = metadata.ours().find(|other| other.name == dependency.name);
    let allowed = match ours.and_then(|other| Floor::of(metadata.directory(other))) {
        Some(other) => floor.may_use(other),
        None => floor.may_import(&dependency.name),
    };
    (!allowed).then(|| format!("{} ({floor:?}) must not depend on {}", package.name, dependency.name))
}

/// Whoever knows one plugin crate knows all.
fn missing_skeleton(package: &Package, directory: &Path, floor: Floor) -> Vec<String> {
    let needed: &[&str] = match floor {
        Floor::Plugin if directory.starts_with("materializers") => &["tests/conformance.rs"],
        Floor::Plugin => &["src/options.rs", "tests/conformance.rs"],
        _ => &[],
    };
    let root = package.manifest_path.parent().unwrap_or(directory);
    let missing = needed.iter().filter(|file| !root.join(file).exists());
    missing.map(|file| format!("{} lacks {file}", package.name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floors_are_found_by_directory() {
        assert_eq!(Floor::of(Path::new("stores/redb")), Some(Floor::Plugin));
        assert_eq!(Floor::of(Path::new("stores/kv")), Some(Floor::Shared));
        assert_eq!(Floor::of(Path::new("gossip")), Some(Floor::Facade));
        assert_eq!(Floor::of(Path::new("elsewhere/x")), None);
    }

    #[test]
    fn upward_and_sideways_are_refused() {
        assert!(!Floor::Proto.may_import("tokio"));
        assert!(!Floor::Core.may_use(Floor::Plugin));
        assert!(!Floor::Plugin.may_use(Floor::Plugin));
        assert!(!Floor::App.may_use(Floor::Testkit));
        assert!(Floor::Bench.may_use(Floor::Testkit));
        assert!(!Floor::Shared.may_use(Floor::Plugin));
        assert!(!Floor::Facade.may_use(Floor::Shared));
        assert!(Floor::Plugin.may_use(Floor::Core));
        assert!(Floor::Plugin.may_use(Floor::Shared));
    }
}
