//! The files of the tree, and Rust without its comments and literals.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// One text file.
pub(crate) struct File {
    /// Below the root of the workspace, with forward slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

/// Every text file below `root`, except what builds and git keep for themselves.
pub(crate) fn tree(root: &Path) -> io::Result<Vec<File>> {
    let (mut files, mut open) = (Vec::new(), vec![root.to_owned()]);
    while let Some(directory) = open.pop() {
        for item in fs::read_dir(directory)? {
            let item = item?;
            let (name, kind) = (item.file_name(), item.file_type()?);
            if kind.is_dir() && name != "target" && name != ".git" {
                open.push(item.path());
            } else if kind.is_file() && name != ".git" {
                files.extend(text(root, item.path())?);
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn text(root: &Path, path: PathBuf) -> io::Result<Option<File>> {
    let Ok(text) = String::from_utf8(fs::read(&path)?) else { return Ok(None) };
    let path = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
    Ok(Some(File { path, text }))
}

/// Rust with comments and the insides of literals blanked, line for line and byte for byte, so
/// that braces and words that remain are code.
pub(crate) fn code(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = skip(text, at).unwrap_or(at);
        for byte in &mut code[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.max(at + 1);
    }
    String::from_utf8_lossy(&code).into_owned()
}

/// Where the comment or literal that begins at `at` ends; `None` when none begins there.
fn skip(text: &str, at: usize) -> Option<usize> {
    let rest = text.get(at..)?;
    let after = |found: Option<usize>, len: usize| found.map_or(text.len(), |f| at + f + len);
    if rest.starts_with("//") {
        return Some(after(rest.find('\n'), 0));
    }
    if rest.starts_with("/*") {
        return Some(after(rest.find("*/"), 2));
    }
    let in_word = at > 0 && is_word(text.as_bytes()[at - 1]);
    let raw = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r')).filter(|_| !in_word);
    if let Some(raw) = raw {
        let fences = raw.bytes().take_while(|byte| *byte == b'#').count();
        if raw.as_bytes().get(fences) == Some(&b'"') {
            let close = format!("\"{}", "#".repeat(fences));
            let begin = rest.len() - raw.len() + fences + 1;
            return Some(after(rest[begin..].find(&close), begin + close.len()));
        }
    }
    match rest.as_bytes()[0] {
        b'"' => Some(at + quoted(rest.as_bytes(), b'"')),
        b'\'' if is_char(rest) => Some(at + quoted(rest.as_bytes(), b'\'')),
        _ => None,
    }
}

/// A quote that begins a character and not a lifetime.
fn is_char(rest: &str) -> bool {
    let mut chars = rest.chars().skip(1);
    chars.next() == Some('\\') || chars.next() == Some('\'')
}

/// Length of a literal up to and including its closing quote.
fn quoted(bytes: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

/// Whether a byte can be part of a name.
pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_comments_vanish() {
        let text = "a(\"{\", '{', '\\'', r#\"{\"{\"#, b\"{\"); // {\nfn f<'a>() { /* { */ }";
        let left: String = code(text).chars().filter(|c| !c.is_whitespace()).collect();
        assert_eq!(left, "a(,,,,b);fnf<'a>(){}");
        assert_eq!(code(text).len(), text.len());
        assert_eq!(code(text).lines().count(), text.lines().count());
    }
}
