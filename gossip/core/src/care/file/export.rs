//! Writing a channel to a file.

use std::io::Write;

use bytes::Bytes;
use gossip_proto::{ChannelId, ChannelRecord, LogHead, LogName, Scope, Seq, Stamp, StoredRun};
use tokio::sync::mpsc;

use super::format::{GapLine, Header, Kind, LogLine, MAGIC, StreamLine, Sum, Totals, VERSION, frame, record};
use super::{Exported, FileError, joined};
use crate::handle::Shared;
use crate::{CommandError, Error};

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
    let mut out = Out { shared, frames, totals: Totals::default() };
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
enum Turn {
    /// They vouch for where the logs end that they part from.
    SealedBranch,
    Log,
    Branch,
}

impl Turn {
    const ALL: [Self; 3] = [Self::SealedBranch, Self::Log, Self::Branch];

    fn of(name: &LogName) -> Self {
        match name.branch {
            None => Self::Log,
            Some(_) if name.author.is_key() => Self::SealedBranch,
            Some(_) => Self::Branch,
        }
    }
}

/// Reads the store and sends what is to be written.
struct Out<'a> {
    shared: &'a Shared,
    frames: mpsc::Sender<(Kind, Bytes)>,
    totals: Totals,
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
        for turn in Turn::ALL {
            self.logs(&channel.id, turn).await?;
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

    async fn logs(&mut self, channel: &ChannelId, turn: Turn) -> Result<(), Error> {
        let (scope, mut after) = (Scope::Channel(channel.clone()), None);
        loop {
            let page = self.shared.store.heads(&scope, after, PAGE).await?;
            for head in page.items.into_iter().filter(|head| Turn::of(&head.name) == turn) {
                self.log(&head).await?;
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    async fn log(&mut self, head: &LogHead) -> Result<(), Error> {
        let stamp = if head.floor == head.height { head.stamp } else { Stamp::ZERO };
        let (name, floor, hash, seal) =
            (head.name.clone(), head.floor, head.floor_hash, head.seal_at(head.floor));
        let line = LogLine { name, floor, hash, stamp, seal };
        self.totals.logs += 1;
        self.send(Kind::Log, record(&line)?).await?;
        let mut at = head.floor;
        while at < head.height {
            self.shared.check_open()?;
            let budget = self.shared.config.page_bytes;
            let runs = self.shared.store.read(head.name.id(), at + 1, budget).await?;
            if runs.is_empty() {
                // A gap at the end, or pruned since the head was read.
                let LogHead { height: last, hash, stamp, .. } = *head;
                return self.gap(GapLine { last, hash, stamp, seal: head.seal_at(last) }).await;
            }
            for stored in runs {
                at = self.run(stored, at).await?;
            }
        }
        Ok(())
    }

    /// Sends a run that follows what was sent up to `at`; returns where it ends.
    async fn run(&mut self, stored: StoredRun, at: Seq) -> Result<Seq, Error> {
        let run = &stored.run;
        let last = run.last();
        if last <= at {
            return Ok(at);
        }
        let stored = if run.first() > at + 1 {
            let (last, hash, stamp) = (run.first() - 1, stored.prev, Stamp::ZERO);
            self.gap(GapLine { last, hash, stamp, seal: None }).await?;
            stored
        } else {
            // Joined with what went before, since that was read.
            let broken = |_| super::damaged_run();
            stored.cut_front(at + 1).map_err(broken)?
        };
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
