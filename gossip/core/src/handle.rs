//! What every handle holds: the way to the node, and what is shared beside it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gossip_proto::node::{Command, CommandError, NodeState, Query, Reply, SyncStatus};
use gossip_proto::{ChannelId, NodeId, StoreIncarnation};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use crate::damage::Damage;
use crate::events::Listeners;
use crate::pulse::Pulses;
use crate::recent::Recent;
use crate::retention::{Holds, Policies};
use crate::stream::Names;
use crate::{Config, Error, MessagePort, Store, TimerPort};

/// Answer to a command.
pub(crate) type CommandResult = Result<Reply, CommandError>;

/// A command on its way to the node. Dropping the caller does not take it back.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) command: Command,
    pub(crate) caller: Caller,
}

/// Who waits for an answer, with the room it takes in the append queue: given back when the node
/// answers, also when the caller was dropped long before.
#[derive(Debug)]
pub(crate) struct Caller {
    reply: oneshot::Sender<CommandResult>,
    _room: Option<OwnedSemaphorePermit>,
}

impl Caller {
    pub(crate) fn answer(self, result: CommandResult) {
        // A caller that was dropped does not want the answer.
        let _ = self.reply.send(result);
    }
}

impl Request {
    pub(crate) fn new(
        command: Command,
        room: Option<OwnedSemaphorePermit>,
    ) -> (Self, oneshot::Receiver<CommandResult>) {
        let (reply, answer) = oneshot::channel();
        (Self { command, caller: Caller { reply, _room: room } }, answer)
    }
}

/// Sends a command and waits for its answer, for tasks that must not keep the node alive.
pub(crate) async fn ask(commands: &mpsc::Sender<Request>, command: Command) -> Result<Reply, Error> {
    let (request, answer) = Request::new(command, None);
    commands.send(request).await.map_err(|_| Error::Ended)?;
    Ok(answer.await.map_err(|_| Error::Ended)??)
}

/// What the supervisor is asked for.
pub(crate) use crate::driver::Order;

/// State that handles read without asking the node.
pub(crate) struct Shared {
    pub(crate) id: NodeId,
    pub(crate) incarnation: StoreIncarnation,
    pub(crate) config: Config,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) timer: Arc<dyn TimerPort>,
    pub(crate) state: watch::Sender<NodeState>,
    pub(crate) listeners: Listeners,
    pub(crate) pulses: Pulses,
    pub(crate) recent: Recent,
    pub(crate) names: Names,
    pub(crate) holds: Holds,
    pub(crate) policies: Policies,
    pub(crate) damage: Damage,
    /// Who holds the one permit may change the saved cursors.
    pub(crate) cursors: Semaphore,
    pub(crate) meters: Meters,
    ports: Mutex<Vec<Arc<dyn MessagePort>>>,
}

/// Counters for [`ResourceUsage`](crate::ResourceUsage).
#[derive(Debug, Default)]
pub(crate) struct Meters {
    pub(crate) outbox_frames: AtomicUsize,
    pub(crate) outbox_bytes: AtomicUsize,
    pub(crate) outbox_dropped: AtomicU64,
    pub(crate) subscriptions: AtomicUsize,
    pub(crate) views: AtomicUsize,
    pub(crate) coalesced_runs: AtomicU64,
    pub(crate) coalesced_bytes: AtomicU64,
}

impl Shared {
    pub(crate) fn new(
        id: NodeId,
        incarnation: StoreIncarnation,
        config: Config,
        store: Arc<dyn Store>,
        timer: Arc<dyn TimerPort>,
    ) -> Self {
        Self {
            listeners: Listeners::new(config.events),
            state: watch::Sender::new(NodeState::Stopped),
            pulses: Pulses::new(),
            recent: Recent::default(),
            names: Names::default(),
            holds: Holds::default(),
            policies: Policies::default(),
            damage: Damage::default(),
            cursors: Semaphore::new(1),
            meters: Meters::default(),
            ports: Mutex::default(),
            id,
            incarnation,
            config,
            store,
            timer,
        }
    }

    /// Live ports; empty while stopped.
    pub(crate) fn ports(&self) -> MutexGuard<'_, Vec<Arc<dyn MessagePort>>> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads are refused after shutdown: the store may already serve another coordinator.
    pub(crate) fn check_open(&self) -> Result<(), Error> {
        match *self.state.borrow() {
            NodeState::ShutDown => Err(Error::State { state: NodeState::ShutDown }),
            _ => Ok(()),
        }
    }
}

/// Counts something for as long as it lives.
pub(crate) struct Counted(Arc<Shared>, fn(&Meters) -> &AtomicUsize);

impl Counted {
    pub(crate) fn new(shared: &Arc<Shared>, which: fn(&Meters) -> &AtomicUsize) -> Self {
        which(&shared.meters).fetch_add(1, Ordering::Relaxed);
        Self(shared.clone(), which)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.1)(&self.0.meters).fetch_sub(1, Ordering::Relaxed);
    }
}

/// Kept by every coordinator, channel and stream handle; when the last one goes, the supervisor
/// shuts the node down.
#[derive(Clone)]
pub(crate) struct Handle(Arc<Inner>);

struct Inner {
    commands: mpsc::Sender<Request>,
    orders: mpsc::Sender<Order>,
    /// One permit per KiB of payload that appends may have on the way.
    appends: Arc<Semaphore>,
    append_permits: usize,
    shared: Arc<Shared>,
}

impl Handle {
    const PERMIT_BYTES: usize = 1024;

    pub(crate) fn new(
        commands: mpsc::Sender<Request>,
        orders: mpsc::Sender<Order>,
        shared: Arc<Shared>,
    ) -> Self {
        let bytes = shared.config.node.append_queue_bytes;
        let append_permits = (bytes / Self::PERMIT_BYTES).clamp(1, u32::MAX as usize >> 3);
        let appends = Arc::new(Semaphore::new(append_permits));
        Self(Arc::new(Inner { commands, orders, appends, append_permits, shared }))
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.0.shared
    }

    /// The way to the node alone, for [`ask`].
    pub(crate) fn commands(&self) -> &mpsc::Sender<Request> {
        &self.0.commands
    }

    /// Sends a command and waits for its answer. Dropped before it is sent, nothing happens;
    /// after that, it is carried out whole.
    pub(crate) async fn command(&self, command: Command) -> Result<Reply, Error> {
        self.send(command, None).await
    }

    async fn send(&self, command: Command, room: Option<OwnedSemaphorePermit>) -> Result<Reply, Error> {
        let (request, answer) = Request::new(command, room);
        self.0.commands.send(request).await.map_err(|_| self.ended())?;
        Ok(answer.await.map_err(|_| self.ended())??)
    }

    pub(crate) async fn query(&self, query: Query) -> Result<Reply, Error> {
        self.command(Command::Query(query)).await
    }

    pub(crate) async fn sync_status(&self, channel: Option<ChannelId>) -> Result<Vec<SyncStatus>, Error> {
        match self.query(Query::Sync(channel)).await? {
            Reply::Sync(all) => Ok(all),
            _ => Ok(Vec::new()),
        }
    }

    pub(crate) async fn changed(&self, command: Command) -> Result<bool, Error> {
        match self.command(command).await? {
            Reply::Changed(changed) => Ok(changed),
            _ => Ok(false),
        }
    }

    /// As [`Handle::command`] for an append of so many bytes, after waiting for room in the append queue.
    pub(crate) async fn append(&self, command: Command, bytes: usize) -> Result<Reply, Error> {
        let permits = (bytes / Self::PERMIT_BYTES + 1).min(self.0.append_permits);
        let permits = u32::try_from(permits).unwrap_or(u32::MAX);
        let room = self.0.appends.clone().acquire_many_owned(permits).await.map_err(|_| self.ended())?;
        self.send(command, Some(room)).await
    }

    /// Asks the supervisor and waits. Dropping the caller does not take it back.
    pub(crate) async fn order<T>(
        &self,
        make: impl FnOnce(oneshot::Sender<Result<T, Error>>) -> Order,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.0.orders.send(make(reply)).await.map_err(|_| self.ended())?;
        answer.await.map_err(|_| self.ended())?
    }

    fn ended(&self) -> Error {
        match *self.0.shared.state.borrow() {
            NodeState::ShutDown => Error::State { state: NodeState::ShutDown },
            _ => Error::Ended,
        }
    }
}
