//! Arrival order: the local order in which a store accepted entries, and resumable places in it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Number of an accepted entry in its store, from 1; 0 stands for "before the first".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Arrival(pub u64);

/// Random number a store draws when it is created; arrivals mean something only under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StoreIncarnation(pub u64);

/// A place in the arrival order of one store: everything up to it was seen.
///
/// Save it as text or through serde, and resume a subscription from it after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cursor {
    /// Which store numbered the arrivals.
    pub incarnation: StoreIncarnation,
    /// Last arrival seen.
    pub arrival: Arrival,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.incarnation.0, self.arrival.0)
    }
}

/// A text is not a [`Cursor`] (16 hex digits, a dash, a number).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor")]
pub struct CursorError;

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let (incarnation, arrival) = text.split_once('-').ok_or(CursorError)?;
        let incarnation = u64::from_str_radix(incarnation, 16).map_err(|_| CursorError)?;
        let arrival = arrival.parse().map_err(|_| CursorError)?;
        Ok(Self { incarnation: StoreIncarnation(incarnation), arrival: Arrival(arrival) })
    }
}
