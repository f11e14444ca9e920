//! Frames nobody meant.

use bytes::Bytes;
use gossip_proto::Rng;

/// Random bytes, half of them under a head that is ours.
pub(crate) fn random(rng: &mut Rng) -> Bytes {
    let most = if rng.chance(100) { 5000 } else { 80 };
    let len = rng.below(most);
    let mut bytes: Vec<u8> = (0..len).map(|_| rng.next_u64() as u8).collect();
    if let [version, kind, ..] = &mut bytes[..]
        && rng.chance(500)
    {
        *version = (1 + rng.below(3) as u8) << 4 | rng.below(2) as u8;
        *kind = rng.below(36) as u8;
    }
    bytes.into()
}

/// A frame with something changed.
pub(crate) fn changed(frame: Bytes, rng: &mut Rng) -> Bytes {
    let mut bytes = frame.to_vec();
    for _ in 0..=rng.below(3) {
        let at = rng.below(bytes.len() as u64) as usize;
        match rng.below(6) {
            _ if bytes.is_empty() => bytes.push(0x10),
            0 => bytes[at] ^= 1 << rng.below(8),
            1 => bytes[at] = rng.next_u64() as u8,
            2 => bytes.truncate(at),
            3 => bytes.extend_from_within(at..),
            // The longest length CBOR can say.
            4 => _ = bytes.splice(at..at, [0x9b, 255, 255, 255, 255, 255, 255, 255, 255]),
            _ => _ = bytes.remove(at),
        }
    }
    bytes.into()
}
