//! What the conductor and its players say to each other: JSON, one message per line, commands
//! on a player's standard input and news on its standard output.

use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// What a player is told to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Command {
    /// Write your transactions of this range, those on disk already left out.
    /// Ends with [`News::Written`].
    Write {
        /// Indices of the trace.
        range: Range<usize>,
        /// Transactions per second over all authors; as fast as possible if `None`.
        rate: Option<u32>,
    },
    /// Write the replica into a file. Ends with [`News::Dumped`].
    Dump {
        /// The file.
        file: String,
    },
    /// Shut down. Ends with the process.
    Quit,
}

/// What a player tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum News {
    /// The node runs.
    Ready {
        /// Where others can connect to it.
        address: String,
        /// How many of its own transactions were found on disk.
        on_disk: usize,
    },
    /// The number of linked peers changed.
    Linked {
        /// How many there are now.
        peers: usize,
        /// When.
        at: Nanos,
    },
    /// Progress, gathered over a few milliseconds.
    Progress {
        /// Own transactions that are durable, all together.
        durable: usize,
        /// Transactions given to `append`, and when.
        sent: Vec<(usize, Nanos)>,
        /// Transactions the subscription yielded, own ones included, and when.
        seen: Vec<(usize, Nanos)>,
    },
    /// [`Command::Write`] is done.
    Written,
    /// [`Command::Dump`] is done.
    Dumped,
    /// Something went wrong; the process ends.
    Failed {
        /// What.
        reason: String,
    },
}

/// Nanoseconds since the Unix epoch.
///
/// The only clock that two processes share through `std`. If it is set while a replay runs, the
/// times reported are wrong by as much; nothing else depends on it.
pub type Nanos = u64;

/// The present.
#[must_use]
pub fn now() -> Nanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(Nanos::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_survive_their_line() {
        let command = Command::Write { range: 3..9, rate: Some(800) };
        let line = serde_json::to_string(&command).unwrap();
        assert!(!line.contains('\n'));
        assert_eq!(serde_json::from_str::<Command>(&line).unwrap(), command);
        let news = News::Progress { durable: 2, sent: vec![(3, now())], seen: vec![] };
        let line = serde_json::to_string(&news).unwrap();
        assert_eq!(serde_json::from_str::<News>(&line).unwrap(), news);
    }
}
