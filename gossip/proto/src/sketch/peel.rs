//! From the cells of what differs to what differs: items that are alone in a cell are taken out of
//! all others, until nothing is left.

use std::collections::BTreeMap;

use super::cells::{self, Cell};
use super::is_name;

/// Cells looked at, for each one there is: honest ones need a third of it, and whoever sends noise
/// cannot make us work longer.
const LOOKS: usize = 16;
const LOOKS_AT_LEAST: usize = 64;

/// Something that differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    /// The short name.
    pub(crate) x: u64,
    /// Their value less ours.
    pub(crate) delta: i64,
}

/// Tells all that differs from the cells of theirs less ours, starting with the first one, in the
/// order of names. `None`: these are not enough cells, or noise. The work is bounded by the number of
/// cells, whatever is in them.
pub(crate) fn peel(secret: &[u8; 32], mut cells: Vec<Cell>) -> Option<Vec<Found>> {
    let mut found = BTreeMap::new();
    // From the last: there the fewest items are.
    let mut open: Vec<usize> = (0..cells.len()).collect();
    let mut looks = cells.len() * LOOKS + LOOKS_AT_LEAST;
    while let Some(at) = open.pop() {
        let Some(cell) = cells.get(at).filter(|cell| !cell.is_zero()) else { continue };
        looks = looks.checked_sub(1)?;
        let Some((x, delta)) = alone(secret, *cell, at) else { continue };
        *found.entry(x).or_insert(0) += delta;
        cells::put(&mut cells, x, delta.unsigned_abs(), -delta.signum());
        open.extend(cells::places(x, cells.len()));
    }
    let found = found.into_iter().filter(|(_, delta)| *delta != 0);
    cells.iter().all(|cell| cell.is_zero()).then(|| found.map(|(x, delta)| Found { x, delta }).collect())
}

/// The item of a cell that holds only one.
fn alone(secret: &[u8; 32], cell: Cell, at: usize) -> Option<(u64, i64)> {
    let (x, delta) = cell.only()?;
    let is_here = || cells::places(x, at + 1).last() == Some(at);
    (is_name(secret, x) && is_here()).then_some((x, delta))
}
