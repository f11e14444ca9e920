//! Who a node is when its store is not to know the secret.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use gossip_proto::{Ed25519Sealer, NodeId, Sealer, SecretKey};

/// The identity of a node: an Ed25519 key whose public half is its id and which signs what it writes.
///
/// Without one a coordinator makes a key when it first opens a store and keeps it there: whoever can
/// read the store has the key. An identity given with [`Builder::identity`](crate::Builder::identity) is
/// not stored; it must be given again at every start, and survives the loss of the store. Two devices
/// must never run under one identity at a time: each would write what the other has not seen, and the
/// logs fork.
#[derive(Clone)]
pub struct Identity(pub(crate) Arc<dyn Sealer>);

impl Identity {
    /// The identity that grows from 32 unpredictable bytes (the seed of RFC 8032).
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self::signer(Arc::new(Ed25519Sealer::new(&SecretKey::from_seed(seed))))
    }

    /// As [`Identity::from_seed`], with the seed in a file of exactly 32 bytes. Reads at once and blocks
    /// for so long.
    ///
    /// # Errors
    /// What reading the file failed with; [`InvalidData`](std::io::ErrorKind::InvalidData) when its
    /// length is another.
    pub fn from_file(path: impl AsRef<Path>) -> std::io::Result<Self> {
        let bytes = std::fs::read(path)?;
        let seed = bytes.try_into().map_err(|bytes: Vec<u8>| {
            let detail = format!("the seed of an identity has 32 bytes, this file has {}", bytes.len());
            std::io::Error::new(std::io::ErrorKind::InvalidData, detail)
        })?;
        Ok(Self::from_seed(seed))
    }

    /// An identity whose key is kept by something else, as hardware. It is asked for a signature for
    /// each run written, while the node waits.
    #[must_use]
    pub fn signer(sealer: Arc<dyn Sealer>) -> Self {
        Self(sealer)
    }

    /// The id of the node that has this identity.
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        self.0.public().node_id()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Identity").field(&self.node_id()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_holds_a_seed_or_is_refused() {
        let place = std::env::temp_dir().join(format!("gossip-identity-{}", std::process::id()));
        std::fs::write(&place, [7; 32]).unwrap();
        let id = Identity::from_file(&place).unwrap().node_id();
        assert_eq!(id, Identity::from_seed([7; 32]).node_id());
        std::fs::write(&place, [7; 33]).unwrap();
        assert_eq!(Identity::from_file(&place).unwrap_err().kind(), std::io::ErrorKind::InvalidData);
        std::fs::remove_file(&place).unwrap();
        assert_eq!(Identity::from_file(&place).unwrap_err().kind(), std::io::ErrorKind::NotFound);
    }
}
