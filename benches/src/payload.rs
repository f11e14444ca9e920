//! What is appended.

use std::cell::RefCell;
use std::collections::HashMap;

use bytes::Bytes;

/// Payloads that do not compress, from a small pool.
pub(crate) fn payload(number: usize, bytes: usize) -> Bytes {
    thread_local! {
        static POOL: RefCell<HashMap<usize, Bytes>> = RefCell::default();
    }
    const DIFFERENT: usize = 1024;
    let pool = POOL.with_borrow_mut(|pools| {
        pools.entry(bytes).or_insert_with(|| noise(bytes * DIFFERENT).into()).clone()
    });
    let at = number % DIFFERENT * bytes;
    pool.slice(at..at + bytes)
}

fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..bytes.div_ceil(8)).flat_map(|_| next().to_le_bytes()).take(bytes).collect()
}
