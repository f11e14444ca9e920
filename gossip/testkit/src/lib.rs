//! Conformance laws, simulator and faults for gossip and its plugins.

pub mod materializer;
