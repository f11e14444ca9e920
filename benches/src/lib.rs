//! Benchmarks of gossip.
