//! How a store is opened: where, how durable, and what its engine can be tuned by.

use std::path::PathBuf;
use std::time::Duration;

use gossip_core::StoreResult;
use gossip_core::proto::Durability;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::engine::Engine;
use crate::store::KvStore;

/// Opens a store; everything has a default.
///
/// See [`KvStore::options`].
#[derive(Debug, Clone)]
pub struct OpenOptions<E: Engine> {
    directory: PathBuf,
    durability: Durability,
    engine: E::Options,
}

impl<E: Engine> OpenOptions<E> {
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self { directory, durability: Durability::default(), engine: E::Options::default() }
    }

    /// What a commit promises when it returns; [`Durability::Sync`] when it is not set.
    /// [`KvStore`] says what each promises exactly. `Volatile` is taken as `Buffered`: these stores
    /// have no way to promise less.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = match durability {
            Durability::Volatile => Durability::Buffered,
            other => other,
        };
        self
    }

    /// What the engine can be tuned by.
    #[must_use]
    pub fn engine(mut self, options: E::Options) -> Self {
        self.engine = options;
        self
    }

    /// Opens the store, or makes a new one. Blocks for as long as the disk takes; after a crash that
    /// includes a repair, after an update of this crate perhaps a new format.
    ///
    /// # Errors
    /// `Rejected`: the store is open already (here or in another process), has a newer format than
    /// [`FORMAT`](crate::FORMAT), or the path cannot be a directory we may write to.
    /// `Corrupt`: the files are damaged or not a store. `Full`: no space to make one. `Transient`:
    /// another failure of the disk.
    pub fn open(self) -> StoreResult<KvStore<E>> {
        KvStore::with_opener(E::opener(self.directory, self.engine), self.durability)
    }
}

/// How a configuration says the durability: `"sync"`, `"buffered"`, or `{ group = "50ms" }`.
///
/// For `#[serde(deserialize_with = "…")]` in the options of a store.
///
/// # Errors
/// For anything else, a text that lists these.
pub fn durability<'de, D: Deserializer<'de>>(from: D) -> Result<Durability, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Said {
        Word(String),
        Group(Group),
        Other(serde::de::IgnoredAny),
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Group {
        group: String,
    }
    match Said::deserialize(from)? {
        Said::Word(word) if word == "sync" => Ok(Durability::Sync),
        Said::Word(word) if word == "buffered" => Ok(Durability::Buffered),
        Said::Group(Group { group }) => delay(&group).map(Durability::Group).map_err(D::Error::custom),
        Said::Word(word) => Err(D::Error::custom(format!("unknown durability \"{word}\": {WORKS}"))),
        Said::Other(_) => Err(D::Error::custom(format!("unknown durability: {WORKS}"))),
    }
}

const WORKS: &str = "it can be \"sync\", \"buffered\" or { group = \"50ms\" }";

/// A delay as in `50ms` or `2s`.
fn delay(text: &str) -> Result<Duration, String> {
    let wrong = || format!("a delay is a number with ms or s, as in \"50ms\" or \"2s\", not \"{text}\"");
    let millis = text.strip_suffix("ms").map(|number| (number, 1));
    let (number, unit) = millis.or_else(|| Some((text.strip_suffix('s')?, 1000))).ok_or_else(wrong)?;
    let number: u64 = number.trim().parse().map_err(|_| wrong())?;
    number.checked_mul(unit).filter(|millis| *millis > 0).map(Duration::from_millis).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_read() {
        assert_eq!(delay("50ms"), Ok(Duration::from_millis(50)));
        assert_eq!(delay("2s"), Ok(Duration::from_secs(2)));
        for wrong in ["", "50", "0ms", "-1s", "ms", "1m", "99999999999999999999s"] {
            assert!(delay(wrong).is_err_and(|why| why.contains("50ms")), "{wrong}");
        }
    }
}
