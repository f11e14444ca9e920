//! Programs that use gossip.
