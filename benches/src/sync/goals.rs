//! What was aimed at, and what came of it.

use crate::table;

/// In the order measured: what, the target, the figure and whether it fits.
#[derive(Debug, Default)]
pub(super) struct Goals(Vec<[String; 4]>);

impl Goals {
    /// Notes a target and what was measured; returns a cell that says both in short.
    pub(super) fn note(&mut self, what: &str, target: &str, figure: &str, met: bool) -> String {
        let met = if met { "met" } else { "**missed**" };
        self.0.push([what, target, figure, met].map(str::to_owned));
        format!("{target}: {met}")
    }

    /// A figure that should be no more than so much.
    pub(super) fn most(&mut self, what: &str, figure: f64, bound: f64, unit: &str) -> String {
        let digits = if bound < 10.0 { 2 } else { 0 };
        let target = format!("≤ {bound:.digits$} {unit}");
        self.note(what, &target, &format!("{} {unit}", precise(figure)), figure <= bound)
    }

    /// Prints a row for each.
    pub(super) fn print(&self) {
        if !self.0.is_empty() {
            table::head("All targets", &["what", "target", "measured", ""]);
            self.0.iter().for_each(|row| table::cells(row));
        }
    }
}

/// Three digits after the point where that says something.
fn precise(figure: f64) -> String {
    if figure.abs() < 10.0 { format!("{figure:.3}") } else { format!("{figure:.1}") }
}
