//! Rows of the order of arrival: written with every commit, and therefore small.
//!
//! A row is the log (16 bytes), the first sequence and the count, seven bits a byte from the lowest up with
//! the highest bit set while more follow, and the check of a small row.

use gossip_core::proto::{LogId, Seq};

use crate::check::{SUM, seal, unseal};
use crate::edits::Edits;
use crate::engine::Table;
use crate::keys;

/// Bytes of most rows before their check.
const USUAL: usize = 16 + 5 + 5;

/// Consecutive entries of one log with consecutive arrival numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) log: LogId,
    pub(crate) first: Seq,
    pub(crate) count: u64,
}

impl Row {
    /// Writes it where its first entry's number puts it.
    pub(crate) fn put(self, edits: &mut Edits, stream: &[u8], arrival: u64) {
        let key = keys::arrival(stream, arrival);
        let mut value = Vec::with_capacity(USUAL + SUM);
        value.extend_from_slice(&self.log.0);
        put_number(&mut value, self.first);
        put_number(&mut value, self.count);
        let value = seal(Table::Arrivals, &key, value);
        edits.put(Table::Arrivals, key, value);
    }

    /// The number of its first entry, and the row; `None` when it is damaged.
    pub(crate) fn decode(key: &[u8], row: &[u8]) -> Option<(u64, Self)> {
        let (log, mut rest) = unseal(Table::Arrivals, key, row)?.split_first_chunk()?;
        let (first, count) = (take_number(&mut rest)?, take_number(&mut rest)?);
        let (arrival, row) = (keys::number(key), Self { log: LogId(*log), first, count });
        (rest.is_empty() && row.is_possible(arrival)).then_some((arrival, row))
    }

    /// Whether there are entries in it, and a number for each.
    pub(crate) fn is_possible(self, arrival: u64) -> bool {
        let behind = |first: u64| first.checked_add(self.count);
        self.first > 0 && self.count > 0 && behind(self.first).is_some() && behind(arrival).is_some()
    }

    /// Its last sequence.
    pub(crate) fn last(self) -> Seq {
        self.first + (self.count - 1)
    }
}

fn put_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        number |= bits.checked_shl(shift).filter(|shifted| shifted >> shift == bits)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_or_are_refused() {
        for number in [0, 1, 0x7f, 0x80, 300, 1 << 35, u64::MAX - 1, u64::MAX] {
            let mut bytes = Vec::new();
            put_number(&mut bytes, number);
            bytes.push(9);
            let mut rest = &bytes[..];
            assert_eq!((take_number(&mut rest), rest), (Some(number), &[9][..]));
            for cut in 0..bytes.len() - 1 {
                assert_eq!(take_number(&mut &bytes[..cut]), None, "{number} cut at {cut}");
            }
        }
        assert_eq!(take_number(&mut &[0xff; 12][..]), None, "too long");
        assert_eq!(take_number(&mut &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2][..]), None);
    }
}
