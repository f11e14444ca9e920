//! Hash chains: what a log's height stands for.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Seq, Stamp};

macro_rules! hash32 {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(#[serde(with = "serde_bytes")] pub [u8; 32]);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                crate::hex(f, &self.0[..8])
            }
        }
    };
}
pub(crate) use hash32;

hash32! {
    /// The chain hash of a log at one height; at height 0 the log hash.
    ChainHash
}
hash32! {
    /// BLAKE3 of one payload.
    PayloadHash
}

/// The first 8 bytes of a [`ChainHash`]: enough to notice a difference, not to prove equality.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Check(#[serde(with = "serde_bytes")] pub [u8; 8]);

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::hex(f, &self.0)
    }
}

impl PayloadHash {
    /// The hash of a payload.
    #[must_use]
    pub fn of(payload: &[u8]) -> Self {
        Self(*blake3::hash(payload).as_bytes())
    }
}

impl ChainHash {
    /// Its first 8 bytes.
    #[must_use]
    pub fn check(&self) -> Check {
        let mut short = [0; 8];
        short.copy_from_slice(&self.0[..8]);
        Check(short)
    }

    /// `h(n) = BLAKE3(h(n-1) | n | stamp | len | BLAKE3(payload))`, integers little-endian.
    #[must_use]
    pub fn link(&self, n: Seq, stamp: Stamp, len: u64, payload: &PayloadHash) -> Self {
        let mut input = [0_u8; 32 + 8 + 8 + 8 + 32];
        input[..32].copy_from_slice(&self.0);
        input[32..40].copy_from_slice(&n.to_le_bytes());
        input[40..48].copy_from_slice(&stamp.bits().to_le_bytes());
        input[48..56].copy_from_slice(&len.to_le_bytes());
        input[56..].copy_from_slice(&payload.0);
        Self(*blake3::hash(&input).as_bytes())
    }
}
