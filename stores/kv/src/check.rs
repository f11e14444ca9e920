//! The check of a small row: over its table, its key and what it holds, so that what was changed, or lies
//! where something else belongs, is not taken for sound.
//!
//! It notices accidents, not attacks: whoever can write here can write anything.

use gossip_core::proto::PayloadHash;

use crate::engine::Table;

/// Bytes of a check.
pub(crate) const SUM: usize = 4;

/// What a check takes beside value and key while it is worked out.
const BESIDE: usize = 5;

/// An empty value with room to be sealed in place: a check then costs no allocation of its own.
pub(crate) fn roomy(key: &[u8], len: usize) -> Vec<u8> {
    Vec::with_capacity(len + (key.len() + BESIDE).max(SUM))
}

/// A value with its check at the end.
pub(crate) fn seal(table: Table, key: &[u8], mut value: Vec<u8>) -> Vec<u8> {
    let len = value.len();
    let sum = sum(table, key, &mut value);
    value.truncate(len);
    value.extend_from_slice(&sum);
    value
}

/// What a sealed value holds, `None` when it is damaged.
pub(crate) fn unseal<'r>(table: Table, key: &[u8], row: &'r [u8]) -> Option<&'r [u8]> {
    let (value, found) = row.split_last_chunk::<SUM>()?;
    let mut whole = roomy(key, value.len());
    whole.extend_from_slice(value);
    (sum(table, key, &mut whole) == *found).then_some(value)
}

/// The check of a value, which is made longer by what belongs to it.
fn sum(table: Table, key: &[u8], value: &mut Vec<u8>) -> [u8; SUM] {
    value.extend_from_slice(key);
    value.extend_from_slice(&(key.len() as u32).to_be_bytes());
    value.push(table as u8);
    let hash = PayloadHash::of(value).0;
    [hash[0], hash[1], hash[2], hash[3]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_is_sound_in_its_place_only() {
        let row = seal(Table::Peers, b"bob", b"Bob".to_vec());
        assert_eq!(unseal(Table::Peers, b"bob", &row), Some(&b"Bob"[..]));
        assert_eq!(unseal(Table::Peers, b"bib", &row), None, "another key");
        assert_eq!(unseal(Table::Channels, b"bob", &row), None, "another table");
        assert_eq!(unseal(Table::Peers, b"bob", &row[..SUM - 1]), None, "too short");
        for bit in 0..row.len() * 8 {
            let mut spoilt = row.clone();
            spoilt[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(unseal(Table::Peers, b"bob", &spoilt), None, "bit {bit}");
        }
        // The end of one is not the beginning of the other.
        let (long, short) =
            (seal(Table::Peers, b"b", b"aa".to_vec()), seal(Table::Peers, b"ab", b"a".to_vec()));
        assert_ne!(long[2..], short[1..]);
    }
}
