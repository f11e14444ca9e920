//! Cells: sums of items, and which items are in which.

use crate::Rng;

/// Numbers are added and multiplied modulo this prime (2^61 - 1).
pub(super) const P: u64 = (1 << 61) - 1;

/// A sum of items: of their values modulo 2^32, and of value times name modulo 2^61 - 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cell {
    /// The values.
    pub s1: u32,
    /// Their products with the names, below 2^61 - 1.
    pub s2: u64,
}

impl Cell {
    /// This one less the other: the cell of what differs.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        let s2 = add(self.s2 % P, P - other.s2 % P);
        Self { s1: self.s1.wrapping_sub(other.s1), s2 }
    }

    pub(super) fn is_zero(self) -> bool {
        self == Self::default()
    }

    /// The name and the value of the only item in it, if there is only one and nothing overflowed:
    /// whether the name is one remains to be checked.
    pub(super) fn only(self) -> Option<(u64, i64)> {
        let value = i64::from(self.s1.cast_signed());
        let inverse = inverse(value.unsigned_abs())?;
        let inverse = if value < 0 { P - inverse } else { inverse };
        let x = multiply(self.s2, inverse);
        (x != 0).then_some((x, value))
    }
}

/// Adds `sign` times a value to all cells that an item is in.
pub(super) fn put(cells: &mut [Cell], x: u64, value: u64, sign: i64) {
    let product = multiply(x, value % P);
    let (s1, s2) =
        if sign < 0 { ((value as u32).wrapping_neg(), P - product) } else { (value as u32, product) };
    for at in places(x, cells.len()) {
        let Some(cell) = cells.get_mut(at) else { continue };
        *cell = Cell { s1: cell.s1.wrapping_add(s1), s2: add(cell.s2, s2) };
    }
}

/// The cells below `end` that an item is in, ascending: the first, and cell `j` with a chance of 1 in
/// 1 + j / 2.
pub(super) fn places(x: u64, end: usize) -> impl Iterator<Item = usize> {
    let mut random = Rng::new(x);
    // The paper's step of (j + 3/2) (u^-1/2 - 1) for a uniform u, in integers.
    let further = move |at: &usize| {
        let root = u128::from((random.next_u64() | 1).isqrt());
        let wide = (2 * *at as u128 + 3) * ((1 << 32) - root);
        at.checked_add(usize::try_from(wide.div_ceil(2 * root).max(1)).ok()?)
    };
    std::iter::successors(Some(0), further).take_while(move |at| *at < end)
}

fn add(a: u64, b: u64) -> u64 {
    let sum = a + b;
    if sum >= P { sum - P } else { sum }
}

fn multiply(a: u64, b: u64) -> u64 {
    let wide = u128::from(a) * u128::from(b);
    let sum = (wide as u64 & P) + (wide >> 61) as u64;
    add(sum & P, sum >> 61)
}

/// The inverse of a number below the prime; none of 0 (Euclid's algorithm, extended).
fn inverse(number: u64) -> Option<u64> {
    let (mut rest, mut next) = (i128::from(P), i128::from(number % P));
    let (mut before, mut factor) = (0_i128, 1_i128);
    while next != 0 {
        let quotient = rest / next;
        (rest, next) = (next, rest - quotient * next);
        (before, factor) = (factor, before - quotient * factor);
    }
    (rest == 1).then(|| u64::try_from(before.rem_euclid(i128::from(P))).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn inverses_are_inverse(number in 1..P) {
            prop_assert_eq!(multiply(number, inverse(number).unwrap()), 1);
        }

        #[test]
        fn an_item_alone_is_found(x in 1..P, value in any::<i32>()) {
            prop_assume!(value != 0);
            let mut cells = [Cell::default(); 1];
            put(&mut cells, x, u64::from(value.unsigned_abs()), i64::from(value.signum()));
            prop_assert_eq!(cells[0].only(), Some((x, i64::from(value))));
            prop_assert!(cells[0].less(cells[0]).is_zero());
        }
    }

    #[test]
    fn nothing_has_no_inverse() {
        assert_eq!(inverse(0), None);
        assert_eq!(inverse(P), None);
    }

    #[test]
    fn cells_thin_out() {
        let items: u64 = 4000;
        let mut counts = vec![0_u64; 400];
        for x in 1..=items {
            places(x, 400).for_each(|at| counts[at] += 1);
        }
        assert_eq!(counts[0], items);
        for at in [1, 2, 10, 100, 300] {
            let around: u64 = counts[at..at + 20].iter().sum();
            let expected: u64 = (at as u64..at as u64 + 20).map(|j| 2 * items / (2 + j)).sum();
            assert!(around.abs_diff(expected) < expected / 8 + 20, "cell {at}: {around} of {expected}");
        }
    }
}
