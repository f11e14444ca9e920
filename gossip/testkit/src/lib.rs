//! Conformance laws, simulator and faults for gossip and its plugins.

pub mod materializer;

// Keeps the sample in the page true.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/plugins.md")]
struct PluginsPage;
