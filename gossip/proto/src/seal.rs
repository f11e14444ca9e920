//! Seals: an author's signature over everything in its log up to an entry.
//!
//! A node whose id is a public key signs the chain hash at the end of every run it writes. The chain
//! hash covers all before it, so one valid seal vouches for the whole log up to there. Ed25519 as in
//! RFC 8032; checks are strict (canonical encodings, no small-order keys) and one by one, because a
//! batch check may accept what a single check refuses, and replicas would disagree for ever.

use std::collections::BTreeMap;
use std::fmt;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::chain::hash32;
use crate::{ChainHash, LogHash, NodeId, Seq};

/// Length of what is signed.
pub const SEAL_MESSAGE_BYTES: usize = DOMAIN.len() + 32 + 8 + 32;
const DOMAIN: &[u8; 13] = b"gossip-seal-1";
/// What a node id that is a key begins with.
pub(crate) const PREFIX: &str = "ed:";
/// RFC 4648, lower case: no letter is mistaken for a digit.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// 32 bytes in base 32.
const TEXT: usize = 52;

hash32! {
    /// The public half of an identity: an Ed25519 key. Nothing says that the bytes are a point of the
    /// curve; if they are not, no seal is valid.
    PublicKey
}

impl PublicKey {
    /// The key a node id stands for; `None` for plain ids.
    #[must_use]
    pub fn of(node: &NodeId) -> Option<Self> {
        parse(node.as_str().strip_prefix(PREFIX)?)
    }

    /// The id of the node that has this key: `ed:` and 52 characters of base 32 (RFC 4648, lower case,
    /// without padding).
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        let mut text = String::with_capacity(PREFIX.len() + TEXT);
        text.push_str(PREFIX);
        let (mut bits, mut held) = (0_u32, 0);
        for byte in self.0 {
            (bits, held) = (bits << 8 | u32::from(byte), held + 8);
            while held >= 5 {
                held -= 5;
                text.push(char::from(ALPHABET[(bits >> held & 31) as usize]));
            }
        }
        text.push(char::from(ALPHABET[(bits << (5 - held) & 31) as usize]));
        NodeId::of_key(text)
    }
}

/// The only text of a key: other cases, padding and spare bits are refused.
pub(crate) fn parse(text: &str) -> Option<PublicKey> {
    if text.len() != TEXT {
        return None;
    }
    let mut key = [0; 32];
    let (mut bits, mut held, mut at) = (0_u32, 0, 0);
    for letter in text.bytes() {
        let value = ALPHABET.iter().position(|of| *of == letter)?;
        (bits, held) = ((bits & 0xfff) << 5 | value as u32, held + 5);
        if held >= 8 {
            held -= 8;
            key[at] = (bits >> held) as u8;
            at += 1;
        }
    }
    let spare = bits & ((1 << held) - 1);
    (spare == 0).then_some(PublicKey(key))
}

/// The secret half of an identity: the 32-byte seed of an Ed25519 key (RFC 8032). Never shown by
/// `Debug`; serialised as it is, so whoever has the store has the identity.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretKey(#[serde(with = "serde_bytes")] [u8; 32]);

impl SecretKey {
    /// The key that grows from these bytes; they must be unpredictable.
    #[must_use]
    pub const fn from_seed(seed: [u8; 32]) -> Self {
        Self(seed)
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A signature over [`seal_message`].
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seal(#[serde(with = "serde_bytes")] pub [u8; 64]);

impl Seal {
    /// The seal in the slot of a run, if what is there has its length.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::hex(f, &self.0[..8])
    }
}

/// What is signed: `"gossip-seal-1" | log hash | n | h(n)`, the number little-endian. The log hash is
/// that of the unbranched name: an author signs before anybody knows of a fork.
#[must_use]
pub fn seal_message(log: &LogHash, at: Seq, hash: &ChainHash) -> [u8; SEAL_MESSAGE_BYTES] {
    let mut message = [0; SEAL_MESSAGE_BYTES];
    let mut rest = &mut message[..];
    for part in [&DOMAIN[..], &log.0, &at.to_le_bytes(), &hash.0] {
        let (here, after) = rest.split_at_mut(part.len());
        here.copy_from_slice(part);
        rest = after;
    }
    message
}

/// Signs for one identity. A node calls it once for each run it writes and waits for it: it must be
/// quick and must not fail. A wrong seal is not noticed here; peers drop what carries it.
pub trait Sealer: Send + Sync + fmt::Debug {
    /// The public half.
    fn public(&self) -> PublicKey;
    /// The signature over a [`seal_message`].
    fn sign(&self, message: &[u8; SEAL_MESSAGE_BYTES]) -> Seal;
}

/// Checks seals of any author. Must answer the same on every replica.
pub trait SealCheck: Send + fmt::Debug {
    /// Whether the seal is the key's over a [`seal_message`].
    fn check(&mut self, key: &PublicKey, message: &[u8; SEAL_MESSAGE_BYTES], seal: &Seal) -> bool;
}

/// Signs with an Ed25519 key held in memory.
pub struct Ed25519Sealer(SigningKey);

impl Ed25519Sealer {
    /// Signs with this key.
    #[must_use]
    pub fn new(key: &SecretKey) -> Self {
        Self(SigningKey::from_bytes(&key.0))
    }
}

impl fmt::Debug for Ed25519Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ed25519Sealer").field(&self.public()).finish()
    }
}

impl Sealer for Ed25519Sealer {
    fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    fn sign(&self, message: &[u8; SEAL_MESSAGE_BYTES]) -> Seal {
        Seal(self.0.sign(message).to_bytes())
    }
}

/// Parsed keys kept in each of the two generations of [`Ed25519Check`].
const KEYS: usize = 512;

/// Checks Ed25519 seals. Parsing a key costs a tenth of a check; those of the last 512 to 1,024
/// authors are kept, about 200 bytes each.
#[derive(Debug, Default)]
pub struct Ed25519Check {
    /// Used since the generation began.
    fresh: BTreeMap<[u8; 32], VerifyingKey>,
    /// Used in the one before; forgotten with the next.
    old: BTreeMap<[u8; 32], VerifyingKey>,
}

impl Ed25519Check {
    fn key(&mut self, key: &PublicKey) -> Option<&VerifyingKey> {
        if !self.fresh.contains_key(&key.0) {
            let parsed = match self.old.remove(&key.0) {
                Some(parsed) => parsed,
                None => VerifyingKey::from_bytes(&key.0).ok()?,
            };
            if self.fresh.len() >= KEYS {
                self.old = std::mem::take(&mut self.fresh);
            }
            self.fresh.insert(key.0, parsed);
        }
        self.fresh.get(&key.0)
    }
}

impl SealCheck for Ed25519Check {
    fn check(&mut self, key: &PublicKey, message: &[u8; SEAL_MESSAGE_BYTES], seal: &Seal) -> bool {
        let signature = Signature::from_bytes(&seal.0);
        self.key(key).is_some_and(|key| key.verify_strict(message, &signature).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sealer(seed: u8) -> Ed25519Sealer {
        Ed25519Sealer::new(&SecretKey::from_seed([seed; 32]))
    }

    fn unhex<const N: usize>(text: &str) -> [u8; N] {
        std::array::from_fn(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
    }

    /// The first test vector of RFC 8032, section 7.1.
    #[test]
    fn keys_are_those_of_the_rfc() {
        let seed = unhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
        let public = unhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
        assert_eq!(Ed25519Sealer::new(&SecretKey::from_seed(seed)).public(), PublicKey(public));
    }

    #[test]
    fn a_seal_holds_for_its_key_log_place_and_hash_only() {
        let (sealer, mut check) = (sealer(1), Ed25519Check::default());
        let message = |log: u8, at, hash: u8| seal_message(&LogHash([log; 32]), at, &ChainHash([hash; 32]));
        let seal = sealer.sign(&message(1, 2, 3));
        assert!(check.check(&sealer.public(), &message(1, 2, 3), &seal));
        for other in [message(9, 2, 3), message(1, 9, 3), message(1, 2, 9)] {
            assert!(!check.check(&sealer.public(), &other, &seal));
        }
        assert!(!check.check(&self::sealer(2).public(), &message(1, 2, 3), &seal));
        let mut spoilt = seal;
        spoilt.0[63] ^= 1;
        assert!(!check.check(&sealer.public(), &message(1, 2, 3), &spoilt));
    }

    /// The neutral element as key and as R verifies anything, unless checks are strict.
    #[test]
    fn a_key_that_everything_verifies_under_is_refused() {
        let mut neutral = [0; 32];
        neutral[0] = 1;
        let mut seal = [0; 64];
        seal[..32].copy_from_slice(&neutral);
        let message = seal_message(&LogHash([1; 32]), 1, &ChainHash([1; 32]));
        assert!(!Ed25519Check::default().check(&PublicKey(neutral), &message, &Seal(seal)));
    }

    #[test]
    fn the_keys_kept_are_bounded_and_old_ones_come_back() {
        let mut check = Ed25519Check::default();
        let message = seal_message(&LogHash([1; 32]), 1, &ChainHash([1; 32]));
        let first = sealer(0);
        let keys = (0..1_200_u16).map(|n| {
            let mut seed = [7; 32];
            seed[..2].copy_from_slice(&n.to_le_bytes());
            Ed25519Sealer::new(&SecretKey::from_seed(seed))
        });
        for key in keys {
            assert!(check.check(&key.public(), &message, &key.sign(&message)));
            assert!(check.check(&first.public(), &message, &first.sign(&message)));
            assert!(check.fresh.len() <= KEYS && check.old.len() <= KEYS);
        }
        assert!(check.fresh.contains_key(&first.public().0), "what is used stays");
    }

    #[test]
    fn secrets_are_not_shown() {
        let secret = SecretKey::from_seed([0xab; 32]);
        assert_eq!(format!("{secret:?}"), "***");
        let shown = format!("{:?}", Ed25519Sealer::new(&secret));
        assert!(!shown.contains("ab, ") && !shown.contains("171") && !shown.contains("abab"), "{shown}");
    }

    proptest! {
        #[test]
        fn every_key_has_one_text(key: [u8; 32]) {
            let id = PublicKey(key).node_id();
            prop_assert!(id.is_key());
            prop_assert_eq!(PublicKey::of(&id), Some(PublicKey(key)));
            prop_assert_eq!(NodeId::new(id.as_str()), Ok(id));
        }
    }

    #[test]
    fn texts_that_are_no_key_are_refused() {
        let id = sealer(1).public().node_id();
        let text = id.as_str();
        let spare = format!("{}{}", &text[..54], if text.ends_with('a') { 'b' } else { 'r' });
        for wrong in
            [&text[..54], &format!("{text}a"), &text.to_uppercase().replace("ED:", "ed:"), &spare, "ed:"]
        {
            assert_eq!(NodeId::new(wrong), Err(crate::IdError::Reserved), "{wrong}");
        }
        assert_eq!(PublicKey::of(&NodeId::new("ann").unwrap()), None);
    }
}
