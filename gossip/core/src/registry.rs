//! Plugins by name: one static descriptor each, submitted through `inventory`.
//!
//! rustc does not link a crate that no path names, so an application that wants a third-party
//! plugin by name writes `use its_crate as _;`. The same descriptors are public constants of the
//! plugin crates and can be used without the registry.

use std::sync::Arc;

use crate::{Store, Transport};

/// Options of a plugin as read from a configuration: a self-describing value.
pub type Options = ciborium::Value;

/// Why a plugin could not be built by name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PluginError {
    /// No plugin of this name is linked.
    #[error("unknown {what} {kind:?}; linked: {}. A third-party plugin is linked by `use its_crate as _;`", linked.join(", "))]
    Unknown {
        /// `store` or `transport`.
        what: &'static str,
        /// The name asked for.
        kind: String,
        /// The names that would have worked.
        linked: Vec<String>,
    },
    /// Two crates registered one name.
    #[error("{what} {kind:?} is registered by both {first} and {second}")]
    Ambiguous {
        /// `store` or `transport`.
        what: &'static str,
        /// The name.
        kind: String,
        /// One crate.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// The options do not fit the plugin.
    #[error("{what} {kind:?}: {detail}")]
    Options {
        /// `store` or `transport`.
        what: &'static str,
        /// The name.
        kind: String,
        /// What is wrong, naming the option.
        detail: String,
    },
}

/// A store that can be built by name.
#[derive(Debug)]
pub struct StorePlugin {
    /// Name in a configuration.
    pub kind: &'static str,
    /// Crate that brings it.
    pub krate: &'static str,
    /// Builds it from options; opening files happens here.
    pub build: fn(&Options) -> Result<Arc<dyn Store>, String>,
}

/// A transport that can be built by name.
#[derive(Debug)]
pub struct TransportPlugin {
    /// Name in a configuration.
    pub kind: &'static str,
    /// Crate that brings it.
    pub krate: &'static str,
    /// Builds the recipe from options; nothing is opened yet.
    pub build: fn(&Options) -> Result<Arc<dyn Transport>, String>,
}

inventory::collect!(&'static StorePlugin);
inventory::collect!(&'static TransportPlugin);

/// Every store linked into this program.
pub fn stores() -> impl Iterator<Item = &'static StorePlugin> {
    inventory::iter::<&'static StorePlugin>().copied()
}

/// Every transport linked into this program.
pub fn transports() -> impl Iterator<Item = &'static TransportPlugin> {
    inventory::iter::<&'static TransportPlugin>().copied()
}

/// Builds a store by name.
///
/// # Errors
/// [`PluginError`] lists what would have worked.
pub fn build_store(kind: &str, options: &Options) -> Result<Arc<dyn Store>, PluginError> {
    let plugin = pick("store", kind, stores().map(|p| (p.kind, p.krate, p)))?;
    (plugin.build)(options).map_err(|detail| PluginError::Options {
        what: "store",
        kind: kind.into(),
        detail,
    })
}

/// Builds a transport by name.
///
/// # Errors
/// [`PluginError`] lists what would have worked.
pub fn build_transport(kind: &str, options: &Options) -> Result<Arc<dyn Transport>, PluginError> {
    let plugin = pick("transport", kind, transports().map(|p| (p.kind, p.krate, p)))?;
    let wrong = |detail| PluginError::Options { what: "transport", kind: kind.into(), detail };
    (plugin.build)(options).map_err(wrong)
}

fn pick<T>(
    what: &'static str,
    kind: &str,
    plugins: impl Iterator<Item = (&'static str, &'static str, T)>,
) -> Result<T, PluginError> {
    let (mut found, mut linked) = (None, Vec::new());
    for (name, krate, plugin) in plugins {
        linked.push(name.to_owned());
        if name != kind {
            continue;
        }
        if let Some((first, _)) = found {
            return Err(PluginError::Ambiguous { what, kind: kind.into(), first, second: krate });
        }
        found = Some((krate, plugin));
    }
    linked.sort_unstable();
    found.map(|(_, plugin)| plugin).ok_or(PluginError::Unknown { what, kind: kind.into(), linked })
}
