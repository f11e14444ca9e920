//! Everything that makes a replay end badly.

use std::io;
use std::time::Duration;

use crate::trace::TraceError;

/// Why a replay failed; the text is for the person who started it.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The trace cannot be used.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// The directory given with `--keep` has something in it.
    #[error("{0} is not empty; the replay needs a directory of its own")]
    NotEmpty(String),
    /// The system refused something.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A player ended, or said something that makes no sense.
    #[error("{name} failed: {reason}\n{log}")]
    Player {
        /// Who.
        name: &'static str,
        /// What happened.
        reason: String,
        /// The end of what it wrote to its log.
        log: String,
    },
    /// Something did not happen in time.
    #[error("{what}: not within {limit:?}; {state}")]
    TooSlow {
        /// What was waited for.
        what: &'static str,
        /// How long.
        limit: Duration,
        /// How things stood.
        state: String,
    },
    /// A player got nothing while it was linked.
    #[error("{name} received nothing in {phase}, although others wrote and the link was up")]
    NothingReceived {
        /// Who.
        name: &'static str,
        /// When.
        phase: &'static str,
    },
    /// Entries passed although the link was cut: the replay would prove nothing.
    #[error("{name} received entries while the link was cut")]
    NotCut {
        /// Who.
        name: &'static str,
    },
    /// An acknowledged entry is gone after a restart.
    #[error("{name} had {durable} appends acknowledged when it was killed, but found {on_disk} on disk")]
    Lost {
        /// Who.
        name: &'static str,
        /// Acknowledged.
        durable: usize,
        /// Found.
        on_disk: usize,
    },
    /// The replicas differ from each other or from the trace.
    #[error("mismatch: {0}")]
    Mismatch(String),
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

impl ReplayError {
    /// Wraps what the system says, for `map_err`.
    pub fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }
}
