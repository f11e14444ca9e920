//! The node under test, and how it is spoken to.

use std::collections::BTreeMap;
use std::process::Command;

use gossip::proto::node::CommandError;
use gossip::{Coordinator, EntryId, Error, EventStream, Fault};

use crate::line::{acknowledged, read_acknowledged};
use crate::process::Process;
use crate::program::print;
use crate::{CHANNEL, Outcome, STREAM};

/// Obeys one word a line: `append` (and a size), `read`, `sync` (until a peer holds the same), `end`.
pub(crate) async fn obey(config: &str) -> Outcome {
    let config = crate::kinds::parse(config)?;
    let node = Coordinator::from_config(&config).await?;
    if config.transport.iter().any(|transport| transport.kind == "tcp") {
        node.start().await?;
    }
    let stream = node.channel(CHANNEL).await?.stream(STREAM).await?;
    let address = node.local_addresses().first().map(ToString::to_string).unwrap_or_default();
    print(&format!("ready {address}"))?;
    for number in 0_u64.. {
        let line = tokio::task::spawn_blocking(|| std::io::stdin().lines().next()).await?;
        let Some(line) = line.transpose()? else { break };
        let answer = match line.split_once(' ').unwrap_or((&line, "0")) {
            ("append", size) => append(&stream, number, size.parse()?).await,
            ("read", _) => read(&stream).await,
            ("sync", _) => sync(&node).await,
            _ => break,
        };
        print(&answer.unwrap_or_else(|error| format!("error {:?} {error}", fault(&error))))?;
    }
    Ok(node.shutdown().await?)
}

async fn append(stream: &EventStream, number: u64, size: usize) -> Result<String, Error> {
    let mut payload = format!("{} {number} ", std::process::id()).into_bytes();
    payload.resize(payload.len() + size, number as u8);
    let id = stream.append(payload.clone()).await?;
    Ok(acknowledged(id, &payload))
}

async fn read(stream: &EventStream) -> Result<String, Error> {
    let (mut entries, mut count) = (stream.read_all().await?, 0);
    while entries.next().await?.is_some() {
        count += 1;
    }
    Ok(format!("read {count}"))
}

async fn sync(node: &Coordinator) -> Result<String, Error> {
    let mut events = node.events();
    loop {
        let peers = node.peers().await?;
        if peers.iter().any(|peer| peer.channels == 1 && peer.in_sync == 1) {
            return Ok("synced".to_owned());
        }
        // Not everything that changes is told.
        let _ = tokio::time::timeout(std::time::Duration::from_millis(20), events.next()).await;
    }
}

/// What the store said, if it was the store.
fn fault(error: &Error) -> Option<Fault> {
    match error {
        Error::Store(error) => Some(error.fault),
        Error::Command(CommandError::Store(failure)) => Some(failure.fault),
        _ => None,
    }
}

/// A subject that runs, and what it acknowledged.
pub(crate) struct Subject {
    pub(crate) process: Process,
    /// Where it listens, if it does.
    pub(crate) address: String,
}

/// What was acknowledged, by all subjects on one store.
pub(crate) type Acks = BTreeMap<EntryId, [u8; 32]>;

impl Subject {
    /// Starts it; `wrapper` is a command that runs the rest of its line.
    pub(crate) fn start(config: &str, wrapper: &[&str]) -> Outcome<Self> {
        let exe = std::env::current_exe()?;
        let mut command = match wrapper {
            [] => Command::new(exe),
            [program, rest @ ..] => {
                let mut command = Command::new(program);
                command.args(rest).arg(exe);
                command
            }
        };
        command.args(["child-subject", config]);
        let process = Process::spawn(command)?;
        let line = process.line()?.ok_or("the subject does not start")?;
        let address = line.strip_prefix("ready").ok_or("the subject is not ready")?.trim().to_owned();
        Ok(Self { process, address })
    }

    /// Appends; the inner error is the subject's own, as it printed it.
    pub(crate) fn append(&mut self, size: usize, acks: &mut Acks) -> Outcome<Result<EntryId, String>> {
        let line = self.ask(&format!("append {size}"))?;
        let Some((id, hash)) = read_acknowledged(&line) else { return Ok(Err(line)) };
        match acks.insert(id, hash) {
            None => Ok(Ok(id)),
            Some(_) => Err(format!("{id} was acknowledged twice").into()),
        }
    }

    /// One question, one answer; a subject that dies is a failure of the case.
    pub(crate) fn ask(&mut self, question: &str) -> Outcome<String> {
        self.process.say(question)?;
        Ok(self.process.line()?.ok_or_else(|| format!("the subject died of {question:?}"))?)
    }

    /// Ends it properly.
    pub(crate) fn end(mut self) -> Outcome {
        self.process.finish()
    }
}
