//! One host: its process, and what it told since it started.

use std::process::Command;
use std::time::Duration;

use gossip::proto::node::PeerStatus;

use crate::Outcome;
use crate::network::on;
use crate::process::Process;
use crate::told::{Line, Moment, Picture, Told};

pub(crate) struct Host {
    pub(crate) number: usize,
    config: String,
    process: Option<Process>,
    told: Vec<Line>,
    picture: Picture,
}

impl Host {
    /// Nothing runs on it yet.
    pub(crate) fn new(number: usize, config: String) -> Self {
        Self { number, config, process: None, told: Vec::new(), picture: Picture::default() }
    }

    /// How its node is called.
    pub(crate) fn name(&self) -> String {
        name(self.number)
    }

    /// Whether a process is there, stopped or not.
    pub(crate) fn runs(&self) -> bool {
        self.process.is_some()
    }

    pub(crate) fn start(&mut self) -> Outcome {
        self.told.clear();
        self.picture = Picture::default();
        self.process = Some(start(self.number, &["child-node", &self.config])?);
        Ok(())
    }

    pub(crate) fn kill(&mut self) -> Outcome {
        self.process.take().ok_or("nobody to kill")?.kill()
    }

    /// Has it leave in an orderly way.
    pub(crate) fn leave(&mut self) -> Outcome {
        self.process.take().ok_or("nobody to leave")?.finish()
    }

    /// Sends a signal, as in `STOP`.
    pub(crate) fn signal(&self, signal: &str) -> Outcome {
        let id = self.process.as_ref().ok_or("nobody to stop")?.id();
        let status = Command::new("sh").args(["-c", &format!("kill -{signal} {id}")]).status()?;
        if status.success() { Ok(()) } else { Err(format!("no signal {signal}").into()) }
    }

    pub(crate) fn say(&mut self, line: &str) -> Outcome {
        self.process.as_mut().ok_or("nobody to speak to")?.say(line)
    }

    /// Takes what it told; waits so long for the first line.
    pub(crate) fn listen(&mut self, patience: Duration) -> Outcome {
        let Some(process) = &self.process else { return Ok(()) };
        let mut patience = patience;
        while let Some(line) =
            process.line_within(patience).map_err(|error| format!("{}: {error}", self.number))?
        {
            let line: Line = serde_json::from_str(&line)?;
            match line.told {
                Told::Picture(picture) => self.picture = picture,
                _ => self.told.push(line),
            }
            patience = Duration::ZERO;
        }
        Ok(())
    }

    /// What it answered to this question or a later one.
    pub(crate) fn picture(&self, question: u64) -> Option<&Picture> {
        Some(&self.picture).filter(|picture| picture.question >= question)
    }

    pub(crate) fn newest_picture(&self) -> &Picture {
        &self.picture
    }

    pub(crate) fn told(&self) -> &[Line] {
        &self.told
    }

    /// When it said so of a peer, since then.
    pub(crate) fn calls(&self, peer: &str, what: PeerStatus, since: Moment) -> Vec<Moment> {
        let says = |line: &&Line| {
            line.at >= since
                && matches!(&line.told, Told::Status { peer: of, status } if of == peer && *status == what)
        };
        self.told.iter().filter(says).map(|line| line.at).collect()
    }

    /// What it said last of a peer.
    pub(crate) fn status(&self, peer: &str) -> Option<PeerStatus> {
        self.told.iter().rev().find_map(|line| match &line.told {
            Told::Status { peer: of, status } if of == peer => Some(*status),
            _ => None,
        })
    }

    /// When an entry was there.
    pub(crate) fn has(&self, wanted: &str) -> Option<Moment> {
        let is_it = |line: &&Line| matches!(&line.told, Told::Entry { text } if text == wanted);
        self.told.iter().find(is_it).map(|line| line.at)
    }

    pub(crate) fn is_up(&self) -> bool {
        self.told.iter().any(|line| matches!(line.told, Told::Up))
    }
}

pub(crate) fn name(number: usize) -> String {
    format!("n{number}")
}

/// This program in another role, on a host.
pub(crate) fn start(host: usize, role: &[&str]) -> Outcome<Process> {
    let mut command = on(host);
    command.arg(std::env::current_exe()?).args(role);
    Process::spawn(command)
}
