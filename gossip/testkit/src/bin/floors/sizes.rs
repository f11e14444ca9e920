//! Files and functions stay small.

use crate::source::{File, code, is_word};

const FILE_MOST: usize = 400;
const FILE_P50: usize = 150;
const FUNCTION_MOST: usize = 60;
const FUNCTION_P90: usize = 25;

/// Findings about sizes, and a line that sums them up.
pub(crate) fn check(files: &[File]) -> (Vec<String>, String) {
    let (mut findings, mut lengths, mut functions) = (Vec::new(), Vec::new(), Vec::new());
    for file in files.iter().filter(|file| file.is_rust()) {
        let lines = file.text.lines().count();
        if lines > FILE_MOST {
            findings.push(format!("{} has {lines} lines, at most {FILE_MOST}", file.path));
        }
        lengths.push(lines);
        for (line, name, lines) in bodies(&file.text) {
            if lines > FUNCTION_MOST {
                findings
                    .push(format!("{}:{line} {name} has {lines} lines, at most {FUNCTION_MOST}", file.path));
            }
            functions.push(lines);
        }
    }
    let files = Tail::of(lengths);
    let functions = Tail::of(functions);
    if files.p50 > FILE_P50 {
        findings.push(format!("half of the files have more than {} lines, aim {FILE_P50}", files.p50));
    }
    if functions.p90 > FUNCTION_P90 {
        findings
            .push(format!("a tenth of the functions have over {} lines, aim {FUNCTION_P90}", functions.p90));
    }
    (findings, format!("lines per file {files}; lines per function {functions}"))
}

/// First line, name and number of lines of every function with a body.
fn bodies(text: &str) -> Vec<(usize, String, usize)> {
    let code = code(text);
    let bytes = code.as_bytes();
    let starts = code.match_indices("fn ").filter(|(at, _)| *at == 0 || !is_word(bytes[at - 1]));
    starts.filter_map(|(at, _)| body(&code, at)).collect()
}

fn body(code: &str, at: usize) -> Option<(usize, String, usize)> {
    let name: String = code[at + 3..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    if name.is_empty() {
        return None;
    }
    let (mut braces, mut brackets) = (0_usize, 0_usize);
    for (offset, byte) in code.bytes().enumerate().skip(at) {
        match byte {
            b'(' | b'[' => brackets += 1,
            b')' | b']' => brackets = brackets.checked_sub(1)?,
            b';' if braces == 0 && brackets == 0 => return None,
            b'{' => braces += 1,
            b'}' => braces = braces.checked_sub(1)?,
            _ => continue,
        }
        if byte == b'}' && braces == 0 {
            let line = code[..at].matches('\n').count() + 1;
            return Some((line, name, code[at..offset].matches('\n').count() + 1));
        }
    }
    None
}

/// Median, ninth decile and most.
struct Tail {
    p50: usize,
    p90: usize,
    most: usize,
}

impl Tail {
    fn of(mut values: Vec<usize>) -> Self {
        values.sort_unstable();
        let at = |percent: usize| values.get(values.len().saturating_sub(1) * percent / 100).copied();
        let [p50, p90, most] = [50, 90, 100].map(|percent| at(percent).unwrap_or_default());
        Self { p50, p90, most }
    }
}

impl std::fmt::Display for Tail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "p50 {} p90 {} most {}", self.p50, self.p90, self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_measured() {
        let text = "trait T { fn no(&self, x: [u8; 2]); }\nfn one() {}\nfn two(\n) {\n    \"}\";\n}\n";
        assert_eq!(bodies(text), [(2, "one".into(), 1), (3, "two".into(), 4)]);
    }

    #[test]
    fn what_is_too_large_is_found() {
        let long = format!("fn long() {{\n{}}}\n", "    x();\n".repeat(450));
        let file = File { path: "a.rs".into(), text: long };
        let (findings, _) = check(&[file]);
        assert_eq!(findings.len(), 4, "{findings:?}");
    }
}
