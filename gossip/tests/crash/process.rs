//! Starting, listening to and killing a child.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use crate::Outcome;

/// A child that says nothing for so long hangs.
const SILENCE: Duration = Duration::from_secs(120);

/// This program in another role. Dropping it kills it.
pub(crate) struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Process {
    pub(crate) fn start(arguments: &[&str]) -> Outcome<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(arguments);
        Self::spawn(command)
    }

    pub(crate) fn spawn(mut command: Command) -> Outcome<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take().ok_or("no pipe")?;
        let (sender, lines) = sync_channel(64);
        thread::spawn(move || {
            let mut out = BufReader::new(out);
            let mut line = String::new();
            // What was being printed when the kill came has no line end and does not count.
            while out.read_line(&mut line).is_ok() && line.ends_with('\n') {
                if sender.send(line.trim_end().to_owned()).is_err() {
                    return;
                }
                line.clear();
            }
        });
        Ok(Self { stdin: child.stdin.take(), child, lines })
    }

    /// The next line; `None` at the end.
    pub(crate) fn line(&self) -> Outcome<Option<String>> {
        match self.lines.recv_timeout(SILENCE) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => Err("a child hangs".into()),
        }
    }

    /// The next line if there is one within so long.
    pub(crate) fn line_within(&self, patience: Duration) -> Outcome<Option<String>> {
        match self.lines.recv_timeout(patience) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err("a child has ended".into()),
        }
    }

    /// Says something to it.
    pub(crate) fn say(&mut self, line: &str) -> Outcome {
        let stdin = self.stdin.as_mut().ok_or("a child that does not listen")?;
        Ok(writeln!(stdin, "{line}")?)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it after so long. A pause that waits for nothing, by intent: the instant must not depend on
    /// anything the child does or says.
    pub(crate) fn kill_after(&mut self, instant: Duration) -> Outcome {
        thread::sleep(instant);
        self.kill()
    }

    /// Ends it without a chance to do anything (SIGKILL on Unix).
    pub(crate) fn kill(&mut self) -> Outcome {
        Ok(self.child.kill()?)
    }

    /// Waits for it after telling it to end; an error unless it ends well.
    pub(crate) fn finish(&mut self) -> Outcome {
        let status = self.status()?;
        if status.success() { Ok(()) } else { Err(format!("a child ended with {status}").into()) }
    }

    /// Waits for it after telling it to end.
    pub(crate) fn status(&mut self) -> Outcome<ExitStatus> {
        self.stdin = None;
        while self.line()?.is_some() {}
        Ok(self.child.wait()?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
