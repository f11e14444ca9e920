//! What must not appear in the tree.
//!
//! The words are written in two halves so that this file does not hold them.

use crate::source::{File, code};

/// Anywhere, in any text file: paths of somebody's machine.
const NOWHERE: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/")];

/// In code: unfinished work, tests that do not run, queues without a bound.
const NOT_IN_CODE: &[&str] = &[
    concat!("to", "do!("),
    concat!("unimple", "mented!("),
    concat!("#[ig", "nore"),
    concat!("unbounded", "_channel"),
    concat!("mpsc::", "unbounded"),
    concat!("mpsc::chan", "nel()"),
    concat!("Unbounded", "Sender"),
    concat!("Unbounded", "Receiver"),
];

/// In code of ours: queues that lose what a slow reader did not read. What others are measured with may use
/// what those need.
const NOT_IN_OURS: &[&str] = &[concat!("broad", "cast")];
const THEIRS: &str = "benches/peers/";

/// In the two lower floors, which are the same in every build.
const NOT_IN_PROTO_AND_CORE: &[&str] = &[concat!("cfg(fea", "ture"), concat!("cfg_attr(fea", "ture")];

/// Findings about words.
pub(crate) fn check(files: &[File]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files {
        look(&mut findings, &file.path, &file.text, NOWHERE);
        if file.is_rust() {
            let code = code(&file.text);
            look(&mut findings, &file.path, &code, NOT_IN_CODE);
            if !file.path.starts_with(THEIRS) {
                look(&mut findings, &file.path, &code, NOT_IN_OURS);
            }
            if file.path.starts_with("gossip/proto/") || file.path.starts_with("gossip/core/") {
                look(&mut findings, &file.path, &code, NOT_IN_PROTO_AND_CORE);
            }
        }
    }
    findings
}

fn look(findings: &mut Vec<String>, path: &str, text: &str, words: &[&str]) {
    for (line, content) in text.lines().enumerate() {
        let found = words.iter().filter(|word| content.contains(**word));
        findings.extend(found.map(|word| format!("{path}:{} says {word}", line + 1)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lossy_queues_are_found_however_they_are_imported() {
        let text = format!("use tokio::sync::{{{}, mpsc}}; // {0}", NOT_IN_OURS[0]);
        let files = ["gossip/core/a.rs", "benches/peers/src/b.rs"];
        let files = files.map(|path| File { path: path.into(), text: text.clone() });
        assert_eq!(check(&files), [format!("gossip/core/a.rs:1 says {}", NOT_IN_OURS[0])]);
    }

    #[test]
    fn words_are_found_in_code_and_not_in_comments() {
        let text = format!("// {}x)\n{}x);\n\"{}x\"", NOT_IN_CODE[0], NOT_IN_CODE[0], NOWHERE[0]);
        let findings = check(&[File { path: "gossip/proto/a.rs".into(), text }]);
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert!(findings[0].contains("a.rs:3") && findings[1].contains("a.rs:2"), "{findings:?}");
    }
}
