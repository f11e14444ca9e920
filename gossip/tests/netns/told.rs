//! What a node prints: a line of JSON for whatever it is told.

use std::time::{SystemTime, UNIX_EPOCH};

use gossip::proto::node::PeerStatus;
use serde::{Deserialize, Serialize};

use crate::Outcome;
use crate::program::print;

/// Milliseconds since 1970: processes of one machine agree on them.
pub(crate) type Moment = u64;

/// What was told, and when.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) at: Moment,
    #[serde(flatten)]
    pub(crate) told: Told,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "told", rename_all = "kebab-case")]
pub(crate) enum Told {
    /// The node runs.
    Up,
    Status {
        peer: String,
        status: PeerStatus,
    },
    /// An entry is there, written here or elsewhere.
    Entry {
        text: String,
    },
    /// Answers a question of this number.
    Picture(Picture),
    /// What a transport complains of.
    Trouble {
        detail: String,
    },
}

/// What a node knows when it is asked.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Picture {
    pub(crate) question: u64,
    pub(crate) members: Vec<Seen>,
    /// Peers with a link.
    pub(crate) linked: Vec<String>,
}

/// One member, oneself included.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) id: String,
    pub(crate) alive: bool,
    pub(crate) incarnation: u64,
}

pub(crate) fn now() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment::try_from(since.as_millis()).unwrap_or(Moment::MAX)
}

pub(crate) fn tell(told: Told) -> Outcome {
    print(&serde_json::to_string(&Line { at: now(), told })?)
}
