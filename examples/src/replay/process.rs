//! A player's process, seen from the conductor.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::sync::mpsc;

use super::message::{Command, News};

/// Lines of a dead player's log that are shown.
const LOG_LINES: usize = 8;

/// One running player. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    commands: ChildStdin,
    log: PathBuf,
}

/// What comes from a player.
#[derive(Debug)]
pub enum Said {
    /// A message.
    News(News),
    /// A line that is none.
    Nonsense(String),
    /// Its last word was spoken: the process ended or closed its output.
    Ended,
}

/// How a player is started.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// Its number, which comes with everything it says.
    pub person: usize,
    /// Command line after the program's name.
    pub arguments: Vec<String>,
    /// Where its standard error goes.
    pub log: PathBuf,
}

impl Process {
    /// Starts this same program as a player; what it says goes to `news`.
    ///
    /// # Errors
    /// What the system says when the process or its log cannot be made.
    pub fn start(recipe: &Recipe, news: mpsc::Sender<(usize, Said)>) -> io::Result<Self> {
        let log = File::options().create(true).append(true).open(&recipe.log)?;
        let mut child = tokio::process::Command::new(std::env::current_exe()?)
            .args(&recipe.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        let missing = || io::Error::other("a new process has no pipes");
        let commands = child.stdin.take().ok_or_else(missing)?;
        let output = child.stdout.take().ok_or_else(missing)?;
        tokio::spawn(listen(recipe.person, output, news));
        Ok(Self { child, commands, log: recipe.log.clone() })
    }

    /// Gives a command.
    ///
    /// # Errors
    /// A broken pipe when the process is gone.
    pub async fn tell(&mut self, command: &Command) -> io::Result<()> {
        let mut line = serde_json::to_vec(command)?;
        line.push(b'\n');
        self.commands.write_all(&line).await?;
        self.commands.flush().await
    }

    /// Kills it hard: it gets no chance to finish, flush or say goodbye. Returns when it is gone.
    ///
    /// # Errors
    /// What the system says.
    pub async fn kill(&mut self) -> io::Result<()> {
        self.child.kill().await
    }

    /// How it ended, for a person; waits for the end, but not long.
    pub async fn autopsy(&mut self) -> String {
        match tokio::time::timeout(Duration::from_secs(2), self.child.wait()).await {
            Ok(Ok(status)) => status.to_string(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it closed its output but goes on running".into(),
        }
    }

    /// Waits for its end; whether it was a good one.
    ///
    /// # Errors
    /// What the system says.
    pub async fn ended_well(&mut self) -> io::Result<bool> {
        Ok(self.child.wait().await?.success())
    }

    /// The last lines of its log.
    #[must_use]
    pub fn log_end(&self) -> String {
        log_end(&self.log)
    }
}

fn log_end(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
}

async fn listen(person: usize, output: ChildStdout, news: mpsc::Sender<(usize, Said)>) {
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let said = serde_json::from_str(&line).map_or(Said::Nonsense(line), Said::News);
        if news.send((person, said)).await.is_err() {
            return;
        }
    }
    // Nobody listens any more when the conductor is leaving.
    news.send((person, Said::Ended)).await.ok();
}
