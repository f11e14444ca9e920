//! Signatures of a simulated world: whose ids are keys, and a scheme that costs next to nothing.
//!
//! Real signatures would take most of the time of a sweep. A toy seal is a hash keyed with the *public*
//! key: anybody could make one, but nobody here does, and one that was changed, moved or stripped is as
//! wrong as a real one would be. One world in twenty signs for real.

use std::sync::Arc;

use gossip_proto::node::Boot;
use gossip_proto::{
    Ed25519Check, Ed25519Sealer, PayloadHash, PublicKey, Rng, SEAL_MESSAGE_BYTES, Seal, SealCheck, Sealer,
    SecretKey,
};

use super::plan::{HostPlan, rng_for};

/// Which hosts of a world sign what they write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sealed {
    /// None: all ids are plain.
    None,
    /// Every other one.
    Mixed,
    /// All.
    All,
}

/// How a host signs, if it does.
#[derive(Debug, Clone)]
pub(super) struct Signing(Option<Arc<dyn Sealer>>);

/// How the hosts of a world check seals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    Toy,
    Real,
}

impl Scheme {
    pub(super) fn check(self) -> Box<dyn SealCheck> {
        match self {
            Self::Toy => Box::new(Toy),
            Self::Real => Box::new(Ed25519Check::default()),
        }
    }

    fn sealer(self, seed: [u8; 32]) -> Arc<dyn Sealer> {
        match self {
            Self::Toy => Arc::new(ToySealer(PublicKey(seed))),
            Self::Real => Arc::new(Ed25519Sealer::new(&SecretKey::from_seed(seed))),
        }
    }
}

impl Signing {
    pub(super) fn signs(&self) -> bool {
        self.0.is_some()
    }

    /// Nobody signs.
    pub(super) const PLAIN: Self = Self(None);

    /// What a node needs beside its record.
    pub(super) fn equip(&self, scheme: Scheme, boot: Boot) -> Boot {
        Boot { sealer: self.0.clone(), check: scheme.check(), ..boot }
    }
}

/// Gives hosts keys for ids, as the seed says or as it is wanted.
pub(super) fn draw(seed: u64, wanted: Option<Sealed>, hosts: &mut [HostPlan]) -> (Sealed, Scheme) {
    let rng = &mut rng_for(seed, 60);
    let drawn = [Sealed::None, Sealed::Mixed, Sealed::All][rng.below(3) as usize];
    let (sealed, scheme) = (wanted.unwrap_or(drawn), if rng.chance(50) { Scheme::Real } else { Scheme::Toy });
    for (index, host) in hosts.iter_mut().enumerate() {
        let sealer = scheme.sealer(bytes(rng));
        if sealed == Sealed::All || sealed == Sealed::Mixed && index % 2 == 1 {
            host.id = sealer.public().node_id();
            host.signing = Signing(Some(sealer));
        }
    }
    (sealed, scheme)
}

fn bytes(rng: &mut Rng) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.chunks_mut(8).for_each(|part| part.copy_from_slice(&rng.next_u64().to_le_bytes()));
    bytes
}

#[derive(Debug)]
struct ToySealer(PublicKey);

impl Sealer for ToySealer {
    fn public(&self) -> PublicKey {
        self.0
    }

    fn sign(&self, message: &[u8; SEAL_MESSAGE_BYTES]) -> Seal {
        toy(&self.0, message)
    }
}

#[derive(Debug)]
struct Toy;

impl SealCheck for Toy {
    fn check(&mut self, key: &PublicKey, message: &[u8; SEAL_MESSAGE_BYTES], seal: &Seal) -> bool {
        toy(key, message) == *seal
    }
}

fn toy(key: &PublicKey, message: &[u8; SEAL_MESSAGE_BYTES]) -> Seal {
    let first = PayloadHash::of(&[&key.0[..], message].concat());
    let second = PayloadHash::of(&first.0);
    let mut seal = [0; 64];
    seal[..32].copy_from_slice(&first.0);
    seal[32..].copy_from_slice(&second.0);
    Seal(seal)
}
