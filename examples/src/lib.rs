//! Programs that use gossip, and what they are made of.
//!
//! | module | idea |
//! |---|---|
//! | [`chat`] | a chat in the terminal; the shortest whole application, so begin here |
//! | [`replay`] | a real history exchanged by processes that lose their link, and one its life |
//! | [`filestore`] | a complete small store, as an example of a plugin |
//! | [`trace`] | reads recorded editing histories |
//! | [`program`] | what both programs begin and end with |
//!
//! The programs themselves are in `src/bin/` and only read their command line.

pub mod chat;
pub mod filestore;
pub mod program;
pub mod replay;
pub mod trace;

// Keeps the samples in the page true.
#[cfg(doctest)]
#[doc = include_str!("../../docs/plugins.md")]
struct PluginsPage;
