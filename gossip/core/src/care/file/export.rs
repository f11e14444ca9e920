//! Writing a channel to a file.
//!
//! Logs fork while they are written: what followed the place is then held by a branch, which was listed
//! before, or was not. Nothing of it is left out. A log that is cut after its head was read is read on in the
//! branch, up to where it reached; of one that was cut before, the branch is written with it.

use std::collections::BTreeSet;
use std::io::Write;

use bytes::Bytes;
use gossip_proto::{
    ChannelId, ChannelRecord, EntryId, LogHead, LogId, LogName, Scope, Seq, Stamp, StoredRun,
};
use tokio::sync::mpsc;

use super::format::{GapLine, Header, Kind, LogLine, MAGIC, StreamLine, Sum, Totals, VERSION, frame, record};
use super::{Exported, FileError, joined};
use crate::handle::Shared;
use crate::store::HeadPages;
use crate::stream::{branch_from, head_of, moved};
use crate::{CommandError, Error, StoreResult};

/// Records read at once.
const PAGE: usize = 256;
/// Frames on their way to the writer.
const QUEUE: usize = 4;

/// Writes a channel to `writer`, on a thread of its own.
pub(super) async fn export<W: Write + Send + 'static>(
    shared: &Shared,
    channel: &ChannelId,
    writer: W,
) -> Result<(Exported, W), Error> {
    shared.check_open()?;
    let record = find(shared, channel).await?;
    let (frames, queue) = mpsc::channel(QUEUE);
    let thread = tokio::task::spawn_blocking(move || write(writer, queue));
    let mut out = Out { shared, frames, totals: Totals::default(), branches: BTreeSet::new() };
    let told = out.channel(&record).await;
    let totals = out.totals;
    drop(out);
    // Why the writer stopped says more than that it did.
    let (bytes, writer) = joined(thread.await)?;
    told?;
    let Totals { streams, logs, entries, .. } = totals;
    Ok((Exported { streams, logs, entries, bytes }, writer))
}

async fn find(shared: &Shared, channel: &ChannelId) -> Result<ChannelRecord, Error> {
    let mut after = None;
    loop {
        let page = shared.store.channels(after.as_ref(), PAGE).await?;
        if let Some(record) = page.items.into_iter().find(|record| record.id == *channel) {
            return Ok(record);
        }
        let unknown = || Error::Command(CommandError::UnknownChannel(channel.clone()));
        after = Some(page.next.ok_or_else(unknown)?);
    }
}

/// Writes frames until the sender is gone.
fn write<W: Write>(mut writer: W, mut queue: mpsc::Receiver<(Kind, Bytes)>) -> Result<(u64, W), FileError> {
    let mut sum = Sum::new(VERSION);
    writer.write_all(MAGIC)?;
    writer.write_all(&[VERSION])?;
    let mut bytes = MAGIC.len() as u64 + 1;
    while let Some((kind, body)) = queue.blocking_recv() {
        let frame = frame(&mut sum, kind, &body)?;
        writer.write_all(&frame)?;
        bytes += frame.len() as u64;
    }
    writer.flush()?;
    Ok((bytes, writer))
}

/// In which order logs are written: a log comes before what can only be taken after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    /// They vouch for where the logs end that they part from.
    SealedBranch,
    Log,
    Branch,
}

impl Pass {
    const ALL: [Self; 3] = [Self::SealedBranch, Self::Log, Self::Branch];

    fn of(name: &LogName) -> Self {
        match name.branch {
            None => Self::Log,
            Some(_) if name.author.is_key() => Self::SealedBranch,
            Some(_) => Self::Branch,
        }
    }
}

/// A branch that parts from another one comes after those that show where the log ends. But one whose end no seal
/// follows comes after those that part from it there, which vouch for it.
fn order(head: &LogHead) -> (bool, Seq) {
    let is_open = head.name.author.is_key() && head.seal_at(head.height).is_none();
    (is_open, if is_open { Seq::MAX - head.floor } else { head.floor })
}

/// Reads the store and sends what is to be written.
struct Out<'a> {
    shared: &'a Shared,
    frames: mpsc::Sender<(Kind, Bytes)>,
    totals: Totals,
    /// That were written, or looked for.
    branches: BTreeSet<LogId>,
}

impl Out<'_> {
    async fn channel(&mut self, channel: &ChannelRecord) -> Result<(), Error> {
        let header = Header {
            channel: channel.id.clone(),
            payload_limit: channel.payload_limit,
            exporter: self.shared.id.clone(),
        };
        self.send(Kind::Header, record(&header)?).await?;
        self.streams(&channel.id).await?;
        for pass in Pass::ALL {
            self.logs(&channel.id, pass).await?;
        }
        self.send(Kind::End, record(&self.totals)?).await
    }

    async fn streams(&mut self, channel: &ChannelId) -> Result<(), Error> {
        let mut after = None;
        loop {
            let page = self.shared.store.streams(channel, after.as_ref(), PAGE).await?;
            for stream in page.items.into_iter().filter(|stream| !stream.refused) {
                let line = StreamLine { id: stream.id, retention: stream.retention };
                self.totals.streams += 1;
                self.send(Kind::Stream, record(&line)?).await?;
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    async fn logs(&mut self, channel: &ChannelId, pass: Pass) -> Result<(), Error> {
        let (scope, mut branches) = (Scope::Channel(channel.clone()), Vec::new());
        let mut pages = HeadPages::of(&*self.shared.store, &scope);
        while let Some(page) = pages.next().await? {
            for head in page.into_iter().filter(|head| Pass::of(&head.name) == pass) {
                match pass {
                    Pass::Log => self.with_moved(head).await?,
                    Pass::SealedBranch | Pass::Branch => branches.push(head),
                }
            }
        }
        branches.sort_by_key(order);
        for head in branches {
            if self.branches.insert(head.name.id()) {
                self.with_moved(head).await?;
            }
        }
        Ok(())
    }

    /// Writes a log, and with it what moved from its end, unless that was written.
    async fn with_moved(&mut self, head: LogHead) -> Result<(), Error> {
        let is_sealed = head.name.author.is_key();
        let mut heads = vec![head];
        while let Some(branch) = self.moved_from(&heads[heads.len() - 1]).await? {
            heads.push(branch);
        }
        if is_sealed {
            heads.reverse();
        }
        for head in &heads {
            self.log(head).await?;
        }
        Ok(())
    }

    async fn moved_from(&mut self, head: &LogHead) -> StoreResult<Option<LogHead>> {
        match branch_from(head).filter(|branch| self.branches.insert(*branch)) {
            Some(branch) => head_of(&*self.shared.store, branch).await,
            None => Ok(None),
        }
    }

    async fn log(&mut self, head: &LogHead) -> Result<(), Error> {
        let stamp = if head.floor == head.height { head.stamp } else { Stamp::ZERO };
        let (name, floor, hash, seal) =
            (head.name.clone(), head.floor, head.floor_hash, head.seal_at(head.floor));
        let line = LogLine { name, floor, hash, stamp, seal };
        self.totals.logs += 1;
        self.send(Kind::Log, record(&line)?).await?;
        let log = head.name.id();
        let (mut held_by, mut at) = (log, head.floor);
        while at < head.height {
            self.shared.check_open()?;
            let budget = self.shared.config.page_bytes;
            let runs = self.shared.store.read(held_by, at + 1, budget).await?;
            for stored in &runs {
                at = self.run(log, stored, at).await?;
            }
            if !runs.is_empty() {
                continue;
            }
            let next = EntryId { log: held_by, sequence: at + 1 };
            match moved(&*self.shared.store, next).await?.log {
                // A gap at the end, or pruned since the head was read.
                same if same == held_by => {
                    let LogHead { height: last, hash, stamp, .. } = *head;
                    return self.gap(GapLine { last, hash, stamp, seal: head.seal_at(last) }).await;
                }
                branch => held_by = branch,
            }
        }
        Ok(())
    }

    /// Sends a run that follows what was sent of a log up to `at`; returns where it ends.
    async fn run(&mut self, log: LogId, stored: &StoredRun, at: Seq) -> Result<Seq, Error> {
        let run = &stored.run;
        let last = run.last();
        if last <= at {
            return Ok(at);
        }
        if run.first() > at + 1 {
            let (last, hash, stamp) = (run.first() - 1, stored.prev, Stamp::ZERO);
            self.gap(GapLine { last, hash, stamp, seal: None }).await?;
        }
        // Joined with what went before, since that was read; or moved to a branch.
        let rest = stored.cut_front(run.first().max(at + 1)).ok();
        let named = rest.and_then(|rest| if run.log() == log { Some(rest) } else { rest.relabel(log) });
        let stored = named.ok_or_else(super::damaged_run)?;
        self.totals.runs += 1;
        self.totals.entries += stored.run.count();
        self.send(Kind::Run, stored.run.encoded().clone()).await?;
        Ok(last)
    }

    async fn gap(&mut self, line: GapLine) -> Result<(), Error> {
        self.send(Kind::Gap, record(&line)?).await
    }

    async fn send(&self, kind: Kind, body: impl Into<Bytes>) -> Result<(), Error> {
        self.frames.send((kind, body.into())).await.map_err(|_| Error::Ended)
    }
}
