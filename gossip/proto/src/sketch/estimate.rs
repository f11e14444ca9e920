//! How much differs, estimated before it is known what.

/// Counters of an estimate: the error is about a fifth.
pub const COUNTERS: usize = 48;

/// Each counter goes up or down with an item, as a bit of its hash says.
pub(super) fn put(counters: &mut [i16; COUNTERS], raw: &[u8; 32], sign: i64) {
    for (at, counter) in counters.iter_mut().enumerate() {
        let up = raw[at / 8] >> (at % 8) & 1 == 1;
        *counter = counter.wrapping_add(if up == (sign > 0) { 1 } else { -1 });
    }
}

/// Estimates how many items differ between two sets. The difference of two counters is the end of a
/// random walk, of two steps for an item that was replaced: the mean of its square is the number
/// of steps. Items that only one side has count half.
pub(crate) fn changed(ours: &[i16; COUNTERS], theirs: &[i16; COUNTERS]) -> u64 {
    let walks = ours.iter().zip(theirs).map(|(a, b)| u64::from(a.wrapping_sub(*b).unsigned_abs()));
    let squares: u64 = walks.map(|walk| walk * walk).sum();
    squares.div_ceil(2 * COUNTERS as u64)
}

/// Cells with which `k` differences are found at once, 99 times in 100: 1.45 k + 3 √k + 4.
pub(crate) fn cells_for(k: u64) -> usize {
    let k = k.min(1 << 20);
    (145 * k + (90_000 * k).isqrt() + 400).div_ceil(100) as usize
}
