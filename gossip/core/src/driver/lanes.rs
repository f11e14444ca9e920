//! Store operations: one lane that writes, a few that read, one that joins small runs.
//!
//! Each lane but the first is a task. The one that writes is polled by the driver: a commit is with the store
//! before others are answered, no task has to be woken on the way there and back, and what the store does
//! without waiting is done in the same turn.

use std::collections::{BTreeSet, VecDeque};
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures_util::FutureExt;
use gossip_proto::node::OpId;
use gossip_proto::{
    ChannelId, CommitItem, Fault, Scope, StoreFailure, StoreReply, StoreRequest, StreamId, Tick,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::chores::Chores;
use super::group::Group;
use super::hints;
use super::joiner::Joiner;
use super::plan::Chore;
use super::tidy::{Step, Tidied, put};
use crate::handle::Shared;
use crate::{BoxFuture, Store, StoreError, StoreResult};

pub(super) type Outcome = Result<StoreReply, StoreFailure>;
type Job = (OpId, StoreRequest);

/// What a lane reports.
#[derive(Default)]
pub(super) struct Done {
    lane: usize,
    pub(super) outcomes: Vec<(OpId, Outcome)>,
    /// Streams that grew.
    pub(super) grown: BTreeSet<(ChannelId, StreamId)>,
    /// Runs were joined, and are to be put in their place.
    joined: Option<Vec<Step>>,
    /// What steps of coalescing came to.
    tidied: Vec<(Chore, Tidied)>,
    /// The lane takes its next batch.
    idle: bool,
}

impl Done {
    /// Steps of coalescing that wait to be put in place.
    pub(super) fn joined(steps: Vec<Step>) -> Self {
        Self { joined: Some(steps), ..Self::default() }
    }
}

/// Jobs waiting and under way, as many as the node's budget of outstanding store operations allows.
pub(super) struct Lanes {
    writer: Writer,
    readers: Vec<Reader>,
    writes: VecDeque<Job>,
    reads: VecDeque<Job>,
    chores: Chores,
    joiner: Joiner,
    commit_bytes: usize,
    waiting_bytes: usize,
}

/// The lane that writes.
struct Writer {
    shared: Arc<Shared>,
    /// What it does now. It has reported everything when it ends.
    work: Option<BoxFuture<'static, ()>>,
    reports: Reports,
    busy: bool,
    bytes: usize,
}

/// What the lane that writes reports: no more than it was given at once.
#[derive(Clone, Default)]
struct Reports(Arc<Mutex<VecDeque<Done>>>);

/// A lane that reads.
struct Reader {
    jobs: mpsc::Sender<Job>,
    task: JoinHandle<()>,
    busy: bool,
}

/// Number of the lane that writes.
const WRITER: usize = 0;

/// Most jobs a lane takes at once.
const BATCH: usize = 1024;

impl Lanes {
    /// Starts the lanes; the receiver gets the reports of all but the one that writes.
    pub(super) fn start(shared: &Arc<Shared>) -> (Self, mpsc::Receiver<Done>) {
        let read_lanes = shared.config.read_lanes;
        let (done, reports) = mpsc::channel(2 * (read_lanes + 2));
        let readers = (1..=read_lanes).map(|lane| {
            let (jobs, queue) = mpsc::channel(1);
            let task = tokio::spawn(read(lane, shared.clone(), queue, done.clone()));
            Reader { jobs, task, busy: false }
        });
        let lanes = Self {
            readers: readers.collect(),
            joiner: Joiner::start(shared, &done),
            writer: Writer::new(shared.clone()),
            writes: VecDeque::new(),
            reads: VecDeque::new(),
            chores: Chores::new(shared.config.coalesce),
            commit_bytes: shared.config.commit_bytes,
            waiting_bytes: 0,
        };
        (lanes, reports)
    }

    /// Waits until every lane has done what it was given: after that nobody here uses the store. The
    /// receiver of their reports must be gone or read.
    pub(super) async fn end(&mut self) {
        if let Some(work) = self.writer.work.take() {
            work.await;
        }
        for lane in self.readers.drain(..) {
            drop(lane.jobs);
            let _ = lane.task.await;
        }
        self.joiner.end().await;
    }

    /// Queues a job.
    pub(super) fn push(&mut self, op: OpId, request: StoreRequest) {
        match request {
            StoreRequest::Read { .. }
            | StoreRequest::Since { .. }
            | StoreRequest::Head { .. }
            | StoreRequest::HashAt { .. } => self.reads.push_back((op, request)),
            write => {
                self.waiting_bytes += bytes(&write);
                self.writes.push_back((op, write));
            }
        }
    }

    /// When [`Lanes::dispatch`] wants to be called although nothing else happens.
    pub(super) fn deadline(&self) -> Option<Tick> {
        self.chores.deadline(!self.writer.busy && self.joiner.is_free())
    }

    /// Gives idle lanes something to do.
    pub(super) fn dispatch(&mut self, now: Tick) {
        self.chores.settle(now);
        if self.joiner.is_free() {
            let at_rest = !self.writer.busy && self.writes.is_empty();
            let chores = if at_rest { self.chores.next_at_rest(now) } else { self.chores.next_paid() };
            self.joiner.give(chores, self.writer.busy);
        }
        if !self.writer.busy {
            self.dispatch_writes(now);
        }
        for lane in self.readers.iter_mut().filter(|lane| !lane.busy) {
            let Some(job) = self.reads.pop_front() else { return };
            lane.give(job);
        }
    }

    /// Goes on with what is being written until there is something to report; for ever when nothing is
    /// written. Cancel safe.
    pub(super) async fn write(&mut self) {
        poll_fn(|context| self.writer.poll(context)).await;
    }

    /// The next report of the lane that writes.
    pub(super) fn wrote(&mut self) -> Option<Done> {
        self.writer.reports.lock().pop_front()
    }

    /// What was joined goes first: it is short, and the lane that joins waits for it.
    fn dispatch_writes(&mut self, now: Tick) {
        if let Some(steps) = self.joiner.take() {
            self.writer.put(steps);
        } else if !self.writes.is_empty() {
            let batch = self.next_writes();
            self.joiner.beware(batch.iter().map(|(_, request)| request));
            self.chores.wrote(now, batch.iter().map(|(_, request)| request));
            self.writer.write(batch);
        }
    }

    /// Whether [`Lanes::dispatch`] would begin to write.
    pub(super) fn is_writer_idle(&self) -> bool {
        !self.writer.busy
    }

    /// Whether so much waits to be written that no more should be taken in.
    pub(super) fn is_stalled(&self) -> bool {
        self.waiting_bytes > self.commit_bytes
    }

    /// Notes a report.
    pub(super) fn note(&mut self, done: &mut Done) {
        if let Some(steps) = done.joined.take() {
            self.joiner.joined(steps);
        }
        if !done.tidied.is_empty() {
            self.joiner.placed();
        }
        for (chore, tidied) in &done.tidied {
            self.chores.done(*chore, tidied);
        }
        if !done.idle {
            return;
        }
        match done.lane.checked_sub(1) {
            None => {
                self.writer.busy = false;
                self.waiting_bytes -= std::mem::take(&mut self.writer.bytes);
            }
            Some(reader) => self.readers[reader].busy = false,
        }
    }

    fn next_writes(&mut self) -> Vec<Job> {
        let (mut batch, mut size) = (Vec::new(), 0);
        while let Some((_, request)) = self.writes.front() {
            size += bytes(request);
            if batch.len() >= BATCH || (!batch.is_empty() && size > self.commit_bytes) {
                break;
            }
            batch.extend(self.writes.pop_front());
        }
        batch
    }
}

impl Writer {
    fn new(shared: Arc<Shared>) -> Self {
        Self { shared, work: None, reports: Reports::default(), busy: false, bytes: 0 }
    }

    fn write(&mut self, batch: Vec<Job>) {
        self.bytes = batch.iter().map(|(_, request)| bytes(request)).sum();
        let (shared, reports) = (self.shared.clone(), self.reports.clone());
        self.begin(Box::pin(async move { write(&shared, batch.into(), &reports).await }));
    }

    /// Puts joined runs in their place.
    fn put(&mut self, steps: Vec<Step>) {
        let (shared, reports) = (self.shared.clone(), self.reports.clone());
        self.begin(Box::pin(async move {
            let tidied = put(&*shared.store, steps).await;
            for (_, tidied) in &tidied {
                shared.meters.coalesced_runs.fetch_add(tidied.runs, Ordering::Relaxed);
                shared.meters.coalesced_bytes.fetch_add(tidied.bytes, Ordering::Relaxed);
            }
            reports.lock().push_back(Done { lane: WRITER, tidied, idle: true, ..Done::default() });
        }));
    }

    /// Its first step is made at once: most stores have done the work or handed it to a thread after it.
    /// Whom to wake is said by [`Lanes::write`], which the driver polls before it waits.
    fn begin(&mut self, mut work: BoxFuture<'static, ()>) {
        self.busy = true;
        self.work = work.as_mut().now_or_never().is_none().then_some(work);
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(work) = &mut self.work else { return Poll::Pending };
        if work.as_mut().poll(context).is_ready() {
            self.work = None;
        } else if self.reports.lock().is_empty() {
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}

impl Reports {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Done>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader {
    fn give(&mut self, job: Job) {
        self.busy = true;
        // An idle lane's queue of one is empty; it ends only after this end is dropped.
        let _ = self.jobs.try_send(job);
    }
}

fn bytes(request: &StoreRequest) -> usize {
    match request {
        StoreRequest::Commit { items, .. } => items.iter().map(item_bytes).sum(),
        _ => 0,
    }
}

fn item_bytes(item: &CommitItem) -> usize {
    match item {
        CommitItem::Run { run, .. } | CommitItem::Fill { run, .. } => run.encoded().len(),
        CommitItem::Adopt { .. } => 0,
    }
}

async fn read(lane: usize, shared: Arc<Shared>, mut queue: mpsc::Receiver<Job>, done: mpsc::Sender<Done>) {
    while let Some((op, request)) = queue.recv().await {
        let outcomes = vec![(op, single(&*shared.store, request).await)];
        // The driver may have ended.
        let _ = done.send(Done { lane, outcomes, idle: true, ..Done::default() }).await;
    }
}

/// Writes all of it also when the driver has ended.
async fn write(shared: &Shared, mut batch: VecDeque<Job>, reports: &Reports) {
    while let Some((op, request)) = batch.pop_front() {
        let (outcomes, grown) = match request {
            StoreRequest::Commit { items, meta } => {
                let mut group = Group::new(op, items, meta);
                while let Some((_, StoreRequest::Commit { .. })) = batch.front()
                    && let Some((op, StoreRequest::Commit { items, meta })) = batch.pop_front()
                {
                    group.add(op, items, meta);
                }
                group.commit(shared).await
            }
            request => {
                shared.recent.forget();
                (vec![(op, single(&*shared.store, request).await)], BTreeSet::new())
            }
        };
        let idle = batch.is_empty();
        reports.lock().push_back(Done { lane: WRITER, outcomes, grown, idle, ..Done::default() });
    }
}

/// A panic in a store is a failure whose outcome is unknown, not the end of its lane.
pub(super) async fn guarded<T>(work: impl Future<Output = StoreResult<T>>) -> StoreResult<T> {
    let unknown = |_| Err(StoreError::new(Fault::Unknown, "using the store", "the store panicked"));
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(unknown)
}

async fn single(store: &dyn Store, request: StoreRequest) -> Outcome {
    guarded(perform(store, request)).await.map_err(|error| {
        tracing::warn!(%error, fault = ?error.fault, "store operation failed");
        error.to_failure()
    })
}

/// The order inside removals matters: the record goes (or says so) first, so that a crash in
/// between leaves orphans, which the next boot removes, and no channel that has lost entries. When the
/// entries cannot be removed after that it is half done, whatever the store says: not simply undone.
async fn perform(store: &dyn Store, request: StoreRequest) -> StoreResult<StoreReply> {
    let half = |error| StoreError { fault: Fault::Unknown, ..error };
    Ok(match request {
        StoreRequest::Commit { items, meta } => StoreReply::Committed(store.commit(&items, &meta).await?),
        StoreRequest::Read { log, from, budget } => StoreReply::Runs(store.read(log, from, budget).await?),
        StoreRequest::Since { channel, after, budget } => {
            StoreReply::Arrived(store.arrivals(&Scope::Channel(channel), after, budget).await?)
        }
        StoreRequest::Head { log } => {
            let heads = store.heads(&Scope::Log(log), None, 1).await?;
            StoreReply::Head(heads.items.into_iter().next().map(Box::new))
        }
        StoreRequest::HashAt { log, positions } => StoreReply::Hashes(store.hash_at(log, &positions).await?),
        StoreRequest::Turn { log, turn } => saved(store.turn(&log, &turn).await)?,
        StoreRequest::Prune { floors } => StoreReply::Pruned(store.prune(&floors).await?),
        StoreRequest::Isolate { log, at } => StoreReply::Isolated(store.isolate(log, at).await?),
        StoreRequest::Erase { log, sequences } => {
            StoreReply::Erased(super::erase::erase(store, log, &sequences).await?)
        }
        StoreRequest::SaveNode(record) => saved(store.save_node(&record).await)?,
        StoreRequest::SaveChannel(record) => saved(store.save_channel(&record).await)?,
        StoreRequest::SaveStream(channel, record) => saved(store.save_stream(&channel, &record).await)?,
        StoreRequest::RemoveChannel(channel) => {
            store.delete_channel(&channel).await?;
            hints::forget(store, &channel).await;
            StoreReply::Removed(store.remove(&Scope::Channel(channel)).await.map_err(half)?)
        }
        StoreRequest::RemoveStream(channel, record) => {
            store.save_stream(&channel, &record).await?;
            StoreReply::Removed(store.remove(&Scope::Stream(channel, record.id)).await.map_err(half)?)
        }
        StoreRequest::SaveHints(channel, hints) => saved(hints::save(store, &channel, &hints).await)?,
        StoreRequest::SavePeer(record) => saved(store.save_peer(&record).await)?,
        StoreRequest::RemovePeer(peer) => saved(store.delete_peer(&peer).await)?,
    })
}

fn saved(result: StoreResult<()>) -> StoreResult<StoreReply> {
    result.map(|()| StoreReply::Saved)
}
