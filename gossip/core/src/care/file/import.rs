//! Reading a channel from a file, through the node.

use std::collections::BTreeSet;
use std::io::{BufReader, Read};
use std::time::Duration;

use gossip_proto::node::{Command, ImportPart, Reply};
use gossip_proto::{ChannelId, LogId, LogName, Retention};
use tokio::sync::mpsc;

use super::back::Back;
use super::format::{Header, StreamLine};
use super::parse::{Parser, Step};
use super::{FileError, Imported, joined};
use crate::handle::Handle;
use crate::{CommandError, Error};

/// Steps on their way to the node.
const QUEUE: usize = 2;
/// How long to wait when the node has too much to do, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LAST_PAUSE: Duration = Duration::from_millis(500);
/// How long in all for one part: a store that does not come back must not hold the import for ever.
const PATIENCE: Duration = Duration::from_secs(60);
/// Logs of which so many may lack branches; with more of them the file makes no sense.
const LACKING: usize = 1 << 16;

/// Which channel a file may hold.
pub(super) enum Target<'a> {
    /// This one.
    Only(&'a ChannelId),
    /// Whichever; it is created if it does not exist.
    Any,
}

/// Imports what `reader` holds; it is read and checked on a thread of its own.
pub(super) async fn import<R: Read + Send + 'static>(
    handle: &Handle,
    target: Target<'_>,
    reader: R,
) -> Result<(ChannelId, Imported), Error> {
    handle.shared().check_open()?;
    let (steps, mut queue) = mpsc::channel(QUEUE);
    let thread = tokio::task::spawn_blocking(move || read(reader, &steps));
    let (imported, back) = (Imported::default(), Back::default());
    let (channel, lacking) = (None, BTreeSet::new());
    let mut taking = Taking { handle, target, channel, imported, back, lacking, leaves_out: false };
    while let Some(step) = queue.recv().await {
        taking.step(step).await?;
    }
    joined(thread.await)?;
    match taking.channel {
        Some(channel) => Ok((channel, taking.imported)),
        None => Err(FileError::Truncated.into()),
    }
}

/// Reads steps until the end, or until nobody wants them.
fn read<R: Read>(reader: R, steps: &mpsc::Sender<Step>) -> Result<(), FileError> {
    let mut parser = Parser::new(BufReader::with_capacity(64 * 1024, reader));
    loop {
        let step = parser.next()?;
        let ends = matches!(step, Step::End);
        if steps.blocking_send(step).is_err() || ends {
            return Ok(());
        }
    }
}

struct Taking<'a> {
    handle: &'a Handle,
    target: Target<'a>,
    channel: Option<ChannelId>,
    imported: Imported,
    back: Back,
    /// Logs of which a branch was left out.
    lacking: BTreeSet<LogId>,
    /// What follows of the log at hand is left out.
    leaves_out: bool,
}

impl Taking<'_> {
    async fn step(&mut self, step: Step) -> Result<(), Error> {
        match (step, self.channel.clone()) {
            (Step::Header(header), None) => self.begin(header).await,
            (Step::Stream(line), Some(channel)) => self.stream(channel, line).await,
            (Step::Part { part, begins }, Some(channel)) => {
                if begins {
                    self.imported.logs += 1;
                    self.leaves_out = false;
                    self.back.begin(self.handle.shared(), &part.log).await?;
                }
                self.part(channel, part).await
            }
            _ => Ok(()),
        }
    }

    async fn begin(&mut self, header: Header) -> Result<(), Error> {
        let channel = header.channel;
        match self.target {
            Target::Only(wanted) if *wanted != channel => {
                return Err(FileError::OtherChannel { found: channel, wanted: wanted.clone() }.into());
            }
            Target::Only(_) => {}
            Target::Any => {
                let payload_limit = Some(header.payload_limit);
                self.handle
                    .changed(Command::CreateChannel { channel: channel.clone(), payload_limit })
                    .await?;
            }
        }
        self.channel = Some(channel);
        Ok(())
    }

    async fn stream(&mut self, channel: ChannelId, line: StreamLine) -> Result<(), Error> {
        let StreamLine { id: stream, retention } = line;
        // One that cannot be obeyed here keeps everything.
        let sound = crate::retention::check(&retention).is_ok();
        let retention = if sound { retention } else { Retention::KeepAll };
        let created = self.handle.changed(Command::CreateStream { channel, stream, retention }).await?;
        self.imported.streams += u64::from(created);
        Ok(())
    }

    async fn part(&mut self, channel: ChannelId, part: ImportPart) -> Result<(), Error> {
        let entries: u64 = part.runs.iter().map(|stored| stored.run.count()).sum();
        if self.leaves_out || entries == 0 && part.floor.is_none() {
            self.imported.skipped += entries;
            return Ok(());
        }
        let filling = self.back.pass(self.handle.shared(), &part.runs).await;
        let name = part.log.clone();
        let fresh = match self.handed_over(&channel, part).await {
            Err(Error::Command(error)) if self.lacks(&name, &error) => 0,
            fresh => fresh?,
        };
        self.imported.entries += fresh;
        self.imported.skipped += entries.saturating_sub(fresh);
        for part in filling {
            let filled = self.handed_over(&channel, part).await?;
            self.imported.entries += filled;
            self.imported.skipped = self.imported.skipped.saturating_sub(filled);
        }
        Ok(())
    }

    /// Whether a log is left out for this reason, and the file gone on with. Where a branch is, nothing may
    /// vouch for the end of the log it parts from.
    fn lacks(&mut self, name: &LogName, error: &CommandError) -> bool {
        let root = name.first_log();
        let lacks = match error {
            CommandError::Unplaced { .. } => true,
            CommandError::Unsealed { .. } => name.branch.is_some() || self.lacking.contains(&root),
            _ => false,
        };
        if !lacks || self.lacking.len() >= LACKING {
            return false;
        }
        tracing::warn!(channel = %name.channel, stream = %name.stream, %error, "a log is left out of an import");
        self.lacking.insert(root);
        self.leaves_out = true;
        self.imported.left_out += 1;
        true
    }

    /// Gives a part to the node, again as long as it has too much to do.
    async fn handed_over(&self, channel: &ChannelId, part: ImportPart) -> Result<u64, Error> {
        let timer = &self.handle.shared().timer;
        let mut pause = FIRST_PAUSE;
        let end = timer.now().tick + PATIENCE;
        loop {
            let command = Command::Import { channel: channel.clone(), part: part.clone() };
            match self.handle.command(command).await {
                Ok(Reply::Imported(fresh)) => return Ok(fresh),
                Ok(_) => return Err(Error::Ended),
                Err(Error::Command(CommandError::Busy)) if timer.now().tick < end => {
                    timer.sleep_until(timer.now().tick + pause).await;
                    pause = (pause * 2).min(LAST_PAUSE);
                }
                Err(error) => return Err(error),
            }
        }
    }
}
