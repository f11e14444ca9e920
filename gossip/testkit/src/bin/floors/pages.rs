//! Pages tell the truth: links lead somewhere, and the tests they name exist.

use std::collections::BTreeSet;

use crate::source::{File, code, is_word};

/// The page whose tables name a test for each promise.
const PROMISES: &str = "docs/testing.md";

/// Findings about Markdown pages.
pub(crate) fn check(files: &[File]) -> Vec<String> {
    let mut findings = Vec::new();
    let names = words(files);
    for page in files.iter().filter(|file| file.path.ends_with(".md")) {
        for (line, text) in prose(&page.text) {
            let dead = links(text).filter(|link| !leads_somewhere(files, &page.path, link));
            findings
                .extend(dead.map(|link| format!("{}:{line} links to {link}, which is not there", page.path)));
            if page.path == PROMISES {
                findings.extend(promise(text, &names).map(|what| format!("{}:{line} {what}", page.path)));
            }
        }
    }
    findings
}

/// Lines outside code blocks, numbered.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_code = false;
    (1..).zip(text.lines()).filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        in_code ^= fence;
        !in_code && !fence
    })
}

/// Targets of links to files.
fn links(line: &str) -> impl Iterator<Item = &str> {
    let targets = line.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    targets.filter(|target| !target.is_empty() && !target.contains(':'))
}

fn leads_somewhere(files: &[File], page: &str, link: &str) -> bool {
    let mut path: Vec<&str> = page.split('/').collect();
    path.pop();
    for part in link.split('/').filter(|part| !matches!(*part, "" | ".")) {
        if part == ".." {
            path.pop();
        } else {
            path.push(part);
        }
    }
    let (file, directory) = (path.join("/"), format!("{}/", path.join("/")));
    files.iter().any(|other| other.path == file || other.path.starts_with(&directory))
}

/// What is wrong with a row of a table of promises: it names no test and no issue that owes it,
/// or a test that is not there.
fn promise(line: &str, names: &BTreeSet<String>) -> Option<String> {
    let mut cells = line.strip_prefix("| ")?.split('|').map(str::trim);
    let number = cells.next()?;
    if number.trim_start_matches('B').parse::<u32>().is_err() {
        return None;
    }
    let proof = cells.nth(1).unwrap_or_default();
    let mut tests = proof.split('`').skip(1).step_by(2).peekable();
    if proof.starts_with("owed by:") {
        return None;
    }
    if tests.peek().is_none() {
        return Some(format!("{number} names no test"));
    }
    let missing = tests.find(|test| !is_command(test) && !names.contains(last_segment(test)))?;
    Some(format!("{number} names the test {missing}, which is not there"))
}

fn is_command(text: &str) -> bool {
    text.starts_with("cargo ") || text.starts_with(".ci/")
}

fn last_segment(path: &str) -> &str {
    path.rsplit("::").next().unwrap_or(path)
}

/// Every name that occurs in Rust code: tests written by macros have no `fn` of their own.
fn words(files: &[File]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let code = code(&file.text);
        names.extend(code.split(|c: char| !c.is_ascii() || !is_word(c as u8)).map(str::to_owned));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File { path: path.into(), text: text.into() }
    }

    #[test]
    fn dead_links_are_found() {
        let page = "[a](b.md#x) [c](../src/) [d](https://e.org) [f](gone.md)\n```\n[g](gone.md)\n```\n";
        let files = [file("docs/a.md", page), file("docs/b.md", ""), file("src/c.rs", "")];
        assert_eq!(check(&files), ["docs/a.md:1 links to gone.md, which is not there"]);
    }

    #[test]
    fn promises_name_tests_that_exist() {
        let rows = "| # | what | test |\n|---|---|---|\n| 1 | a | `x::kept` |\n| 2 | b | owed by: Access |\n\
                    | 3 | c | |\n| B4 | d | `kept`, `gone` |\n| 5 | e | `.ci/test crash` |\n";
        let files = [file(PROMISES, rows), file("a.rs", "laws!(kept); // gone")];
        let wanted = ["5 3 names no test", "6 B4 names the test gone, which is not there"];
        assert_eq!(check(&files), wanted.map(|what| format!("{PROMISES}:{what}")));
    }
}
