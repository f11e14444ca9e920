//! How far this node and its peers are with channels, and who waits for them to agree.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::{CommandError, CommandId, Event, LinkId, Node, NodeState, Reply, Timer};
use crate::wire::DigestTag;
use crate::{ChannelId, NodeId, Tick, WallMs};

/// Calls that may wait.
const WAITERS: usize = 1024;
/// What is still missing is told at most this often.
const PROGRESS: Duration = Duration::from_millis(250);

/// How far this node and a linked peer are with a channel they share.
///
/// Where a choice makes several links to one peer exchange different streams this is about all of them
/// together; what two of them exchange may be counted twice until they agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncStatus {
    /// The peer.
    pub peer: NodeId,
    /// The channel.
    pub channel: ChannelId,
    /// Both are known to hold the same, as far as they exchange it on any link.
    pub in_sync: bool,
    /// What the peer is known to hold more of: log by log once heights were told, before that in all, as far
    /// as sketches tell. It counts down while entries are stored, and is nothing once both agree. What
    /// another peer brings meanwhile is taken off too.
    pub to_get: Backlog,
    /// What the peer is known to hold less of, in the same way. It counts down while entries are sent.
    pub to_give: Backlog,
    /// When the peer was last heard of what it holds, by the wall clock.
    pub last_exchange: Option<WallMs>,
    /// When that was last the same as here.
    pub last_equal: Option<WallMs>,
}

impl SyncStatus {
    /// Of two links to one peer, together.
    fn and(self, other: Self) -> Self {
        let in_sync = self.in_sync && other.in_sync;
        let last_exchange = self.last_exchange.max(other.last_exchange);
        // Nothing yet comes first.
        let last_equal = self.last_equal.min(other.last_equal);
        let (to_get, to_give) = (self.to_get.and(other.to_get), self.to_give.and(other.to_give));
        Self { in_sync, to_get, to_give, last_exchange, last_equal, ..self }
    }
}

/// What is still to come or to go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Entries.
    pub entries: u64,
    /// Estimated: so many entries of the mean encoded size of those stored or served since the start; 0
    /// before the first of them.
    pub bytes: u64,
}

impl Backlog {
    fn and(self, other: Self) -> Self {
        let [entries, bytes] = [(self.entries, other.entries), (self.bytes, other.bytes)]
            .map(|(one, other)| one.saturating_add(other));
        Self { entries, bytes }
    }
}

/// What a link remembers of a channel's status.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// To the application, of the peer.
    last: Last,
    /// The digest that both had when they last agreed.
    pub(super) agreed: Option<DigestTag>,
    pub(super) last_exchange: Option<WallMs>,
    pub(super) last_equal: Option<WallMs>,
    /// Beacons sent, and how many of them were answered by an agreement.
    pub(super) asked: u64,
    pub(super) answered: u64,
}

/// What the application was told last of a peer and a channel. All its links remember it: those that are left
/// speak for those that are gone.
#[derive(Debug, Default, Clone, Copy)]
struct Last {
    at: Tick,
    in_sync: bool,
    /// To get and to give.
    backlogs: [Backlog; 2],
}

/// Calls that wait until digests agree.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    waiting: VecDeque<Waiter>,
    /// Something may have become true.
    changed: bool,
}

#[derive(Debug)]
struct Waiter {
    command: CommandId,
    channel: ChannelId,
    /// With whom; `None` is everybody within reach.
    peer: Option<NodeId>,
    /// On each link, the number of the answer that counts: those before may have been on their way.
    from: BTreeMap<LinkId, u64>,
    /// On which links they agreed.
    agreed: BTreeSet<LinkId>,
}

impl Waiters {
    pub(super) fn look_again(&mut self) {
        self.changed = true;
    }

    /// A channel is shared anew on a link: answers are counted from the beginning.
    pub(super) fn begin_anew(&mut self, id: LinkId, name: &ChannelId) {
        for waiter in self.waiting.iter_mut().filter(|waiter| waiter.channel == *name) {
            waiter.from.remove(&id);
            waiter.agreed.remove(&id);
        }
    }
}

impl Node {
    pub(super) fn wait_synced(&mut self, command: CommandId, channel: ChannelId, peer: Option<NodeId>) {
        if self.state == NodeState::ShutDown {
            return self.reply(command, Err(CommandError::State { state: self.state }));
        }
        if self.waiters.waiting.len() >= WAITERS
            && let Some(oldest) = self.waiters.waiting.pop_front()
        {
            // Whoever was given up cannot be told from who still waits.
            self.reply(oldest.command, Err(CommandError::Busy));
        }
        let links = self.links_with(peer.as_ref(), &channel);
        let from = links.iter().filter_map(|id| Some((*id, self.next_answer(*id, &channel)?))).collect();
        for id in links {
            self.timers.bring_forward(Timer::Round(id, channel.clone()), self.now.tick);
        }
        self.waiters.waiting.push_back(Waiter { command, channel, peer, from, agreed: BTreeSet::new() });
        self.waiters.look_again();
    }

    /// The links on which a channel is spoken of with a peer, or with all.
    fn links_with(&self, peer: Option<&NodeId>, name: &ChannelId) -> Vec<LinkId> {
        peer.map_or_else(|| self.links_of(name), |peer| self.voices(peer, name).collect())
    }

    /// The number of the first answer to what is said from now on. What was said long ago was lost.
    fn next_answer(&mut self, id: LinkId, name: &ChannelId) -> Option<u64> {
        let (now, timeout) = (self.now.tick, self.links.get(&id)?.rtt.timeout());
        let shared = self.shared(id, name)?;
        if now.since(shared.looked) > timeout {
            shared.told.answered = shared.told.asked;
        }
        Some(shared.told.asked + 1)
    }

    /// Whether somebody waits for a proof that a link's peer holds the same.
    pub(super) fn is_awaited(&self, id: LinkId, name: &ChannelId) -> bool {
        let Some(peer) = self.links.get(&id).map(|link| &link.peer) else { return false };
        let waits = |waiter: &Waiter| {
            waiter.channel == *name
                && waiter.peer.as_ref().is_none_or(|wanted| wanted == peer)
                && !waiter.agreed.contains(&id)
        };
        self.waiters.waiting.iter().any(waits) && self.speaks(id, name)
    }

    /// Digests agree. If somebody waits and this was no answer to what was said since, it is asked again.
    pub(super) fn note_agreement(&mut self, id: LinkId, name: &ChannelId) {
        let wall = self.now.wall;
        let version = self.spoken(id);
        let Some(shared) = self.shared(id, name) else { return };
        shared.told.last_equal = Some(wall);
        let (asked, answered) = (shared.told.asked, shared.told.answered);
        let speaks = self.speaks(id, name);
        for waiter in self.waiters.waiting.iter_mut().filter(|waiter| speaks && waiter.channel == *name) {
            // A link that came up since was asked since.
            let from = waiter.from.get(&id).copied().unwrap_or(0);
            if version == 1 || answered >= from {
                waiter.agreed.insert(id);
                self.waiters.changed = true;
            }
        }
        self.prove_all(id, name);
        if self.is_awaited(id, name) {
            let timeout = self.links.get(&id).map_or(Duration::ZERO, |link| link.rtt.timeout());
            let wait = if answered >= asked { Duration::ZERO } else { timeout };
            self.timers.bring_forward(Timer::Round(id, name.clone()), self.now.tick + wait);
        }
    }

    /// Answers who has waited long enough.
    pub(super) fn answer_waiters(&mut self) {
        if !std::mem::take(&mut self.waiters.changed) {
            return;
        }
        let waiting = std::mem::take(&mut self.waiters.waiting);
        for waiter in waiting {
            match self.outcome(&waiter) {
                Some(result) => self.reply(waiter.command, result),
                None => self.waiters.waiting.push_back(waiter),
            }
        }
    }

    fn outcome(&self, waiter: &Waiter) -> Option<Result<Reply, CommandError>> {
        if self.state == NodeState::ShutDown {
            return Some(Err(CommandError::State { state: self.state }));
        }
        if self.channels.get(&waiter.channel).is_none_or(|channel| channel.removing) {
            return Some(Err(CommandError::UnknownChannel(waiter.channel.clone())));
        }
        let links = self.links_with(waiter.peer.as_ref(), &waiter.channel);
        let done = !links.is_empty() && links.iter().all(|id| waiter.agreed.contains(id));
        done.then_some(Ok(Reply::Done))
    }

    /// How far the linked peers are with a channel, or with all.
    pub(super) fn list_status(&self, channel: Option<&ChannelId>) -> Vec<SyncStatus> {
        let links = self.links.iter().filter_map(|(id, link)| Some((*id, link, link.session.as_ref()?)));
        let shared = links
            .flat_map(|(id, link, session)| session.shared.keys().map(move |name| (id, &link.peer, name)));
        let wanted = shared.filter(|(_, _, name)| channel.is_none_or(|channel| channel == *name));
        let first = wanted.filter(|(id, peer, name)| self.voices(peer, name).next() == Some(*id));
        first.filter_map(|(_, peer, name)| self.status(peer, name)).collect()
    }

    /// How far a peer is, over all links on which a channel is spoken of with it.
    fn status(&self, peer: &NodeId, name: &ChannelId) -> Option<SyncStatus> {
        let parts: Vec<SyncStatus> =
            self.voices(peer, name).filter_map(|id| self.status_on(id, name)).collect();
        parts.into_iter().reduce(SyncStatus::and)
    }

    /// As [`Node::status`], on one link.
    fn status_on(&self, id: LinkId, name: &ChannelId) -> Option<SyncStatus> {
        let link = self.links.get(&id)?;
        let shared = link.session.as_ref()?.shared.get(name)?;
        let in_sync = self.agrees(id, name);
        let held = |log| self.logs.get(log).map_or((0, 0), |log| (log.pending().height, log.stored.height));
        let more = shared.todo.iter().map(|(log, (height, _))| height.saturating_sub(held(log).0));
        let known = shared.knows.iter().filter(|(log, _)| self.may_compare(id, log));
        let less = known.map(|(log, height)| held(log).1.saturating_sub(*height));
        let [more, less] = [more.fold(0, u64::saturating_add), less.fold(0, u64::saturating_add)];
        let (get, give) = (more.max(shared.outlook.get), less.max(shared.outlook.give));
        let none = Backlog::default();
        Some(SyncStatus {
            peer: link.peer.clone(),
            channel: name.clone(),
            in_sync,
            to_get: if in_sync { none } else { self.backlog(get) },
            to_give: if in_sync { none } else { self.backlog(give) },
            last_exchange: shared.told.last_exchange,
            last_equal: shared.told.last_equal,
        })
    }

    fn backlog(&self, entries: u64) -> Backlog {
        let (moved, bytes) = self.stats.moved;
        Backlog { entries, bytes: entries.saturating_mul(bytes.checked_div(moved).unwrap_or(0)) }
    }

    /// Tells the application when a link's peer came into or out of step, and how far it is.
    pub(super) fn tell_status(&mut self, id: LinkId, name: &ChannelId) {
        let now = self.now.tick;
        let Some(peer) = self.links.get(&id).map(|link| &link.peer) else { return };
        if self.voices(peer, name).next().is_none() {
            return;
        }
        let shared = self.sharing(peer, name).filter_map(|(_, link)| link.session.as_ref()?.shared.get(name));
        let last = shared.map(|shared| shared.told.last).max_by_key(|last| last.at).unwrap_or_default();
        let in_sync = self.agrees_with(peer, name);
        let flips = in_sync != last.in_sync;
        let is_due = !in_sync && now.since(last.at) >= PROGRESS;
        if !(flips || is_due) {
            return;
        }
        let Some(status) = self.status(peer, name) else { return };
        let backlogs = [status.to_get, status.to_give];
        let links: Vec<LinkId> = self.sharing(peer, name).map(|(id, _)| id).collect();
        for link in links {
            if let Some(shared) = self.shared(link, name) {
                shared.told.last = Last { at: now, in_sync, backlogs };
            }
        }
        if flips || last.backlogs != backlogs {
            self.notify(Event::SyncChanged(status));
        }
    }
}
