//! The checks of rows: of a small one over its table, its key and what it holds, so that what was changed,
//! or lies where something else belongs, is not taken for sound; of a run over all its bytes.
//!
//! They notice accidents, not attacks: whoever can write here can write anything. So they are XXH3
//! (<https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md>), many times faster than a
//! cryptographic hash, and one part is the seed of the next.

use twox_hash::XxHash3_64;

use crate::engine::Table;

/// Bytes of the check of a small row.
pub(crate) const SUM: usize = 4;

/// A value with its check at the end.
pub(crate) fn seal(table: Table, key: &[u8], mut value: Vec<u8>) -> Vec<u8> {
    let sum = sum(table, key, &value);
    value.extend_from_slice(&sum);
    value
}

/// What a sealed value holds, `None` when it is damaged.
pub(crate) fn unseal<'r>(table: Table, key: &[u8], row: &'r [u8]) -> Option<&'r [u8]> {
    let (value, found) = row.split_last_chunk::<SUM>()?;
    (sum(table, key, value) == *found).then_some(value)
}

fn sum(table: Table, key: &[u8], value: &[u8]) -> [u8; SUM] {
    let whole = sum_of(&[&[table as u8], key, value]);
    [whole[0], whole[1], whole[2], whole[3]]
}

/// A check over several parts: not the same when one's end is the next one's beginning.
pub(crate) fn sum_of(parts: &[&[u8]]) -> [u8; 8] {
    let sum = parts.iter().fold(0, |seed, part| XxHash3_64::oneshot_with_seed(seed, part));
    sum.to_be_bytes()
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
