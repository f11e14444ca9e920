//! Whole replays of small traces, as a user runs them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A trace in which everybody answers whoever wrote before.
fn trace(dir: &Path, agents: usize, transactions: usize) -> PathBuf {
    let mut json = format!(r#"{{"kind":"concurrent","endContent":"","numAgents":{agents},"txns":["#);
    for index in 0..transactions {
        let comma = if index == 0 { "" } else { "," };
        let parents = index.checked_sub(1).map(|parent| parent.to_string()).unwrap_or_default();
        // Not quite by turns: an author may write a few in a row.
        let agent = index * index % 7 % agents;
        write!(json, r#"{comma}{{"parents":[{parents}],"numChildren":1,"agent":{agent},"#).unwrap();
        write!(json, r#""patches":[[{index},0,"é{index}"]]}}"#).unwrap();
    }
    json.push_str("]}");
    let file = dir.join("trace.json");
    std::fs::write(&file, json).unwrap();
    file
}

fn replay(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_replay")).args(arguments).output().unwrap()
}

fn report(arguments: &[&str]) -> String {
    let output = replay(arguments);
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{report}\n{}", String::from_utf8_lossy(&output.stderr));
    report
}

fn complaint(arguments: &[&str]) -> String {
    let output = replay(arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn two_people_one_killed_midway() {
    let dir = tempfile::tempdir().unwrap();
    let file = trace(dir.path(), 2, 300);
    let kept = dir.path().join("kept");
    let (file, keep) = (file.to_str().unwrap(), kept.to_str().unwrap());
    // Few in flight, so that the kill falls among appends and not behind them.
    let report = report(&[file, "--kill", "--rate", "100", "--in-flight", "2", "--keep", keep]);
    for line in [
        "entries   300",
        "replicas  equal",
        "source    equal",
        "killed    ann after",
        "100 entries converged",
    ] {
        assert!(report.contains(line), "{line} is missing in\n{report}");
    }
    let replica = |name: &str| std::fs::read_to_string(kept.join(name)).unwrap();
    assert_eq!(replica("ann.replica").lines().count(), 300);
    assert_eq!(replica("ann.replica"), replica("bob.replica"));
    assert!(complaint(&[file, "--keep", keep]).contains("is not empty"));
}

#[test]
fn three_people_and_one_alone() {
    let dir = tempfile::tempdir().unwrap();
    for agents in [3, 1] {
        let file = trace(dir.path(), agents, 90);
        let report = report(&[file.to_str().unwrap(), "--rate", "100"]);
        assert!(report.contains("entries   90") && report.contains("source    equal"), "{report}");
        assert_eq!(report.contains("cleo"), agents == 3, "{report}");
        assert!(!report.contains("killed"), "{report}");
    }
}

#[test]
fn what_is_no_trace_is_said() {
    let dir = tempfile::tempdir().unwrap();
    assert!(complaint(&["no/such/file"]).contains("no/such/file: cannot be read"));
    let file = dir.path().join("not-a-trace.json");
    std::fs::write(&file, "{}").unwrap();
    assert!(complaint(&[file.to_str().unwrap()]).contains("is not a trace"));
}
