//! The columns of a run: steps between stamps, lengths.

use crate::Stamp;
use crate::leb::{put, take};

/// Appends the step from one stamp to a later one.
pub(super) fn put_step(out: &mut Vec<u8>, from: Stamp, to: Stamp) {
    let millis = to.millis() - from.millis();
    match (millis, to.counter()) {
        (0, counter) => put(out, u64::from(counter - from.counter() - 1) << 2),
        (_, 0) => put(out, millis << 2 | 1),
        (_, counter) => {
            put(out, millis << 2 | 2);
            put(out, u64::from(counter));
        }
    }
}

/// Takes one step and applies it; `None` when malformed or beyond the last stamp.
#[inline]
pub(super) fn take_step(column: &mut &[u8], from: Stamp) -> Option<Stamp> {
    let word = take(column)?;
    let value = word >> 2;
    let later = |counter| {
        let millis = from.millis().checked_add(value)?;
        (value > 0 && millis <= Stamp::MAX_MILLIS).then(|| Stamp::new(millis, counter))
    };
    match word & 3 {
        0 => {
            let counter = value.checked_add(1)?.checked_add(u64::from(from.counter()))?;
            Some(Stamp::new(from.millis(), u16::try_from(counter).ok()?))
        }
        1 => later(0),
        2 => later(u16::try_from(take(column)?).ok().filter(|counter| *counter > 0)?),
        _ => None,
    }
}

/// Stamps of a run whose columns were checked.
pub(super) struct Stamps<'a> {
    next: Option<Stamp>,
    left: u64,
    steps: &'a [u8],
}

impl<'a> Stamps<'a> {
    pub(super) fn new(first: Stamp, count: u64, steps: &'a [u8]) -> Self {
        Self { next: Some(first), left: count, steps }
    }
}

impl Iterator for Stamps<'_> {
    type Item = Stamp;

    fn next(&mut self) -> Option<Stamp> {
        self.left = self.left.checked_sub(1)?;
        let stamp = self.next?;
        self.next = if self.left > 0 { take_step(&mut self.steps, stamp) } else { None };
        Some(stamp)
    }
}

/// Lengths of a run: one number for each entry, or one for all.
pub(super) struct Lengths<'a> {
    left: u64,
    all: Option<u64>,
    column: &'a [u8],
}

impl<'a> Lengths<'a> {
    pub(super) fn new(count: u64, column: &'a [u8]) -> Self {
        let mut rest = column;
        let all = take(&mut rest).filter(|_| rest.is_empty());
        Self { left: count, all, column }
    }

    /// The number that stands for all.
    pub(super) fn all(&self) -> Option<u64> {
        self.all
    }

    /// What the column still holds.
    pub(super) fn rest(&self) -> &'a [u8] {
        if self.all.is_some() { &[] } else { self.column }
    }
}

impl Iterator for Lengths<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        self.left = self.left.checked_sub(1)?;
        self.all.or_else(|| take(&mut self.column))
    }
}
