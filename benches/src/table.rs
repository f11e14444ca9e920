//! What is printed: Markdown.

use std::fmt::Display;

/// Prints the head of a table.
pub(crate) fn head(title: &str, columns: &[&str]) {
    println!("\n**{title}**\n\n| {} |", columns.join(" | "));
    println!("|---|{}", "---:|".repeat(columns.len() - 1));
}

/// Prints a row.
pub(crate) fn row(cells: &[&dyn Display]) {
    let cells: Vec<String> = cells.iter().map(ToString::to_string).collect();
    println!("| {} |", cells.join(" | "));
}

/// A number with one digit after the point where it is small.
pub(crate) fn number(value: f64) -> String {
    if value < 100.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}

/// Prints a row of cells that are text already.
pub(crate) fn cells(cells: &[String]) {
    println!("| {} |", cells.join(" | "));
}
