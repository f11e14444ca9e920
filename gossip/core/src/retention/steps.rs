//! Pruning in steps, so that no write waits long for one of them.

use std::collections::VecDeque;
use std::time::Duration;

use gossip_proto::node::{Event, NodeState, Reply};
use gossip_proto::{LogHead, LogId, Pruned, Seq};
use tokio::sync::mpsc;

use super::Decision;
use super::mend::drop_to;
use crate::Error;
use crate::continuity::resting_floor;
use crate::events::Notice;
use crate::handle::Request;
use crate::stream::StreamRef;

/// Entries dropped by one step: how it begins, and its bounds.
const FIRST: u64 = 2 << 10;
const LEAST: u64 = 512;
const MOST: u64 = 16 << 10;
/// A step that is answered sooner may be larger the next time, one answered later must be smaller.
const SOON: Duration = Duration::from_millis(8);
const LATE: Duration = Duration::from_millis(25);

/// Longest rest between two steps.
const LONGEST_REST: Duration = Duration::from_secs(1);

/// How much of the store pruning may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// One step after the other, other writes in between.
    Brisk,
    /// Half of the time, and no further once the node is paused.
    Gentle,
}

/// Drops what was decided, and tells once what was freed: also when it fails, or is dropped, on the
/// way.
pub(crate) async fn prune(
    commands: &mpsc::Sender<Request>,
    at: &StreamRef,
    decision: &Decision,
    pace: Pace,
) -> Result<Pruned, Error> {
    let mut told = Told { at, freed: Pruned::default() };
    let mut left: VecDeque<Raise<'_>> = decision.raises().collect();
    let timer = &at.shared.timer;
    let mut entries = FIRST;
    while !left.is_empty() {
        if pace == Pace::Gentle && *at.shared.state.borrow() == NodeState::Paused {
            break;
        }
        // Somebody else decides by now what is kept.
        if !decision.stands(at) {
            break;
        }
        let (floors, under) = (next_step(&mut left, entries), decision.retention());
        let begun = timer.now().tick;
        let Reply::Pruned(pruned) = drop_to(commands, at, floors, under.as_ref()).await? else { break };
        told.freed.entries += pruned.entries;
        told.freed.bytes += pruned.bytes;
        let now = timer.now().tick;
        let took = now.since(begun);
        entries = if took < SOON {
            (entries * 2).min(MOST)
        } else if took > LATE {
            (entries / 2).max(LEAST)
        } else {
            entries
        };
        match pace {
            Pace::Brisk => tokio::task::yield_now().await,
            Pace::Gentle => timer.sleep_until(now + took.min(LONGEST_REST)).await,
        }
    }
    Ok(told.freed)
}

/// A log whose floor moves up.
pub(super) struct Raise<'a> {
    pub(super) head: &'a LogHead,
    pub(super) from: Seq,
    pub(super) to: Seq,
}

/// Floors that together drop about so many entries.
fn next_step(left: &mut VecDeque<Raise<'_>>, entries: u64) -> Vec<(LogId, Seq)> {
    let (mut floors, mut room) = (Vec::new(), entries);
    while room > 0 {
        let Some(raise) = left.front_mut() else { break };
        let wanted = raise.from.saturating_add(room).min(raise.to);
        // Inside a gap the store would move on to its end, and the node would not know.
        let floor = resting_floor(raise.head, wanted).unwrap_or(wanted);
        room = room.saturating_sub(floor - raise.from);
        raise.from = floor;
        floors.push((raise.head.name.id(), floor));
        if floor >= raise.to {
            left.pop_front();
        }
    }
    floors
}

/// Tells the application what a compaction freed when it ends, however it ends.
struct Told<'a> {
    at: &'a StreamRef,
    freed: Pruned,
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if self.freed.entries > 0 {
            let (channel, stream) = (self.at.channel.clone(), self.at.stream.clone());
            let event = Event::StreamCompacted { channel, stream, pruned: self.freed };
            self.at.shared.listeners.tell(Notice::Event(event));
        }
    }
}
