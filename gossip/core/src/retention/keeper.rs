//! The task that applies what streams keep, by itself: after entries came and as time passes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gossip_proto::node::{Command, NodeState, Query, Reply, StreamInfo};
use gossip_proto::{ChannelId, Retention, Rng, Scope, StreamId, Tick};
use tokio::sync::{mpsc, watch};

use super::{Pace, decide, prune};
use crate::Error;
use crate::handle::{Request, Shared, ask};
use crate::stream::StreamRef;

/// Looks at every stream from time to time; most looks cost a comparison of heights.
pub(crate) struct Keeper {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Request>,
    rng: Rng,
    seen: BTreeMap<(ChannelId, StreamId), Seen>,
}

/// What the last look at a stream found.
#[derive(Debug, Clone)]
struct Seen {
    retention: Retention,
    height: u64,
    at: Tick,
    /// A reader was behind.
    is_held: bool,
}

impl Keeper {
    pub(crate) fn new(shared: Arc<Shared>, commands: mpsc::Sender<Request>, seed: u64) -> Self {
        Self { shared, commands, rng: Rng::new(seed), seen: BTreeMap::new() }
    }

    /// Runs until the node is shut down.
    pub(crate) async fn run(mut self) {
        let mut state = self.shared.state.subscribe();
        loop {
            let next = self.shared.timer.now().tick + self.rng.jitter(self.shared.config.retention_every);
            let sleep = self.shared.timer.sleep_until(next);
            tokio::select! {
                () = ended(&mut state) => return,
                () = sleep => {}
            }
            if *state.borrow() == NodeState::Paused {
                continue;
            }
            // Left wherever it stands: a step that has begun is carried out whole.
            let swept = tokio::select! {
                () = ended(&mut state) => return,
                swept = self.sweep() => swept,
            };
            if let Err(error) = swept {
                tracing::debug!(%error, "retention was not applied");
            }
        }
    }

    /// Looks at every stream.
    async fn sweep(&mut self) -> Result<(), Error> {
        let mut before = std::mem::take(&mut self.seen);
        let Reply::Channels(channels) = ask(&self.commands, Command::Query(Query::Channels)).await? else {
            return Ok(());
        };
        for channel in channels {
            let query = Command::Query(Query::Streams(channel.clone()));
            // Gone since it was listed.
            let Ok(Reply::Streams(infos)) = ask(&self.commands, query).await else { continue };
            for info in infos {
                let key = (channel.clone(), info.id.clone());
                let last = before.remove(&key);
                if let Some(seen) = self.look(&channel, &info, last).await {
                    self.seen.insert(key, seen);
                }
            }
        }
        Ok(())
    }

    /// Prunes a stream if it is due. A stream whose look failed is looked at again the next time.
    async fn look(&self, channel: &ChannelId, info: &StreamInfo, last: Option<Seen>) -> Option<Seen> {
        let has_policy = self.shared.policies.find(channel, &info.id).is_some();
        let now = self.shared.timer.now().tick;
        if !has_policy && (info.retention == Retention::KeepAll || !self.is_due(info, last.as_ref(), now)) {
            return last;
        }
        let scope = Scope::Stream(channel.clone(), info.id.clone());
        let (channel, stream, shared) = (channel.clone(), info.id.clone(), self.shared.clone());
        let at = StreamRef { channel, stream, scope, shared };
        match self.apply(&at, &info.retention).await {
            Ok(is_held) => {
                let (retention, height) = (info.retention.clone(), info.height);
                Some(Seen { retention, height, at: now, is_held })
            }
            Err(error) => {
                tracing::warn!(%error, stream = %at.stream, "retention was not applied to a stream");
                None
            }
        }
    }

    fn is_due(&self, info: &StreamInfo, last: Option<&Seen>, now: Tick) -> bool {
        let Some(last) = last else { return true };
        let has_grown = last.height != info.height && counts(&info.retention);
        let has_aged = |age: Duration| {
            let pause = (age / 16).clamp(self.shared.config.retention_every / 2, LONGEST);
            now >= last.at + pause
        };
        last.is_held
            || last.retention != info.retention
            || has_grown
            || youngest(&info.retention).is_some_and(has_aged)
    }

    async fn apply(&self, at: &StreamRef, retention: &Retention) -> Result<bool, Error> {
        let decision = decide(&self.commands, at, retention, true).await?;
        prune(&self.commands, at, &decision, Pace::Gentle).await?;
        Ok(decision.is_held)
    }
}

/// Longest pause between two looks at a stream that drops by age.
const LONGEST: Duration = Duration::from_secs(3600);

async fn ended(state: &mut watch::Receiver<NodeState>) {
    // A closed channel is an end too.
    let _ = state.wait_for(|state| *state == NodeState::ShutDown).await;
}

/// Whether more entries can mean more to drop.
fn counts(retention: &Retention) -> bool {
    match retention {
        Retention::CountBased(_) => true,
        Retention::Composite(parts) => parts.iter().any(counts),
        Retention::KeepAll | Retention::TimeBased(_) => false,
    }
}

/// The shortest age after which something may go.
fn youngest(retention: &Retention) -> Option<Duration> {
    match retention {
        Retention::TimeBased(age) => Some(*age),
        Retention::Composite(parts) => parts.iter().filter_map(youngest).min(),
        Retention::KeepAll | Retention::CountBased(_) => None,
    }
}
