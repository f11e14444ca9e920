//! Two chats in two processes: what is said arrives, and is there after a restart.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

struct Chat {
    child: Child,
    lines: Receiver<String>,
    heard: Vec<String>,
}

impl Chat {
    fn start(name: &str, dir: &Path, more: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_chat"))
            .args(["--name", name, "--dir"])
            .arg(dir.join(name))
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = mpsc::sync_channel(1024);
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self { child, lines, heard: Vec::new() }
    }

    fn say(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// The first line with this in it, heard already or yet to come.
    fn hear(&mut self, what: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(line) = self.heard.iter().find(|line| line.contains(what)) {
                return line.clone();
            }
            let left = end.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.heard.push(line),
                Err(error) => panic!("{what:?} never came ({error}), but {:#?}", self.heard),
            }
        }
    }

    fn address(&mut self) -> String {
        let line = self.hear("reachable at ");
        line.split(&[' ', ';'][..]).find(|word| word.starts_with("tcp://")).unwrap().to_owned()
    }

    fn ends_well(mut self) {
        let end = Instant::now() + PATIENCE;
        drop(self.child.stdin.take());
        while self.lines.recv_timeout(end.saturating_duration_since(Instant::now())).is_ok() {}
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Chat {
    fn drop(&mut self) {
        self.child.kill().ok();
    }
}

#[test]
fn two_talk_and_remember() {
    let dir = tempfile::tempdir().unwrap();
    let mut ann = Chat::start("ann", dir.path(), &[]);
    let address = ann.address();
    let mut bob = Chat::start("bob", dir.path(), &["--connect", &address]);
    bob.hear("ann is linked");
    ann.hear("bob is linked");
    ann.say("hello, bob");
    bob.hear("ann: hello, bob");
    bob.say("how are you?");
    ann.hear("bob: how are you?");
    ann.hear("ann: hello, bob");
    ann.say("/peers");
    ann.hear("bob is linked");
    ann.say("/what");
    ann.hear("no command /what");

    bob.say("/quit");
    bob.ends_well();
    ann.hear("bob is gone, and said so");
    ann.say("are you there?");
    ann.hear("ann: are you there?");

    let mut bob = Chat::start("bob", dir.path(), &["--connect", &address]);
    bob.hear("ann: are you there?");
    let at = |what: &str| bob.heard.iter().position(|line| line.contains(what));
    assert!(at("ann: hello, bob").unwrap() < at("bob: how are you?").unwrap());
    assert!(at("bob: how are you?").unwrap() < at("you are bob in").unwrap(), "history comes first");
    bob.ends_well();
    ann.ends_well();
}

#[test]
fn what_cannot_work_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let fails = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chat"));
        let output = command
            .arg("--dir")
            .arg(dir.path().join("store"))
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(!output.status.success(), "{arguments:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(fails(&["--name", " "]).starts_with("chat: "));
    assert!(fails(&["--name", "ann", "--connect", "nonsense"]).contains("nonsense"));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    assert!(fails(&["--name", "ann", "--listen", &address]).contains(&address));
}
