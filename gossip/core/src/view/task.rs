//! The task behind a view: takes arrivals, folds, publishes.

use std::sync::Arc;
use std::time::Duration;

use gossip_proto::{Cursor, Fault, LogEntry, LogHead, LogId, SeqRange, Stamp};
use tokio::sync::{oneshot, watch};

use super::ViewReport;
use super::any::Any;
use super::total::Total;
use crate::handle::Counted;
use crate::stream::{
    Cut, Delivered, Direction, From, Merge, StreamRef, Subscription, heads, lacks, moved_from,
};
use crate::{Error, FoldOrder, StateMaterializer};

/// What readers of a view see.
#[derive(Debug)]
pub(super) struct Published<S> {
    pub(super) state: Arc<S>,
    pub(super) report: ViewReport,
    pub(super) ended: Option<String>,
}

impl<S> Published<S> {
    pub(super) fn begin(state: S) -> Self {
        Self { state: Arc::new(state), report: ViewReport::default(), ended: None }
    }
}

/// A pause after a store failure that may pass.
const RETRY: Duration = Duration::from_millis(100);

/// Folds until the stream ends; says through `ready` when everything held is folded.
pub(super) async fn run<M: StateMaterializer>(
    at: Arc<StreamRef>,
    rules: M,
    waiting: watch::Receiver<u64>,
    publish: watch::Sender<Published<M::State>>,
    ready: oneshot::Sender<Result<(), Error>>,
    _counted: Counted,
) {
    let begun = Folding::begin(at.clone(), rules, waiting, publish).await;
    let mut folding = match begun {
        Ok(folding) => folding,
        Err(error) => return drop(ready.send(Err(error))),
    };
    let mut ready = Some(ready);
    loop {
        match folding.step().await {
            Ok(true) => {}
            Ok(false) => {
                if let Some(ready) = ready.take() {
                    let _ = ready.send(Ok(()));
                }
                if !folding.arrivals.wait().await {
                    return folding.end("the stream was removed or the node shut down");
                }
            }
            Err(error) if passing(&error) => {
                tracing::warn!(%error, stream = %at.stream, "a view waits for its store");
                let retry = at.shared.timer.now().tick + RETRY;
                at.shared.timer.sleep_until(retry).await;
            }
            Err(error) => {
                tracing::warn!(%error, stream = %at.stream, "a view ended");
                folding.end(&error.to_string());
                return drop(ready.map(|ready| ready.send(Err(error))));
            }
        }
    }
}

fn passing(error: &Error) -> bool {
    matches!(error, Error::Store(failure) if matches!(failure.fault, Fault::Transient | Fault::Unknown | Fault::Full))
}

enum Engine<M: StateMaterializer> {
    Any(Any<M>),
    Total(Box<Total<M>>),
}

struct Folding<M: StateMaterializer> {
    at: Arc<StreamRef>,
    arrivals: Subscription,
    engine: Engine<M>,
    publish: watch::Sender<Published<M::State>>,
}

impl<M: StateMaterializer> Folding<M> {
    async fn begin(
        at: Arc<StreamRef>,
        rules: M,
        waiting: watch::Receiver<u64>,
        publish: watch::Sender<Published<M::State>>,
    ) -> Result<Self, Error> {
        if M::ORDER == FoldOrder::Any {
            let arrivals = Subscription::open(at.clone(), From::Start, waiting).await?;
            let mut any = Any::new(rules);
            let heads = heads(&at).await?;
            any.partial = heads.iter().any(|head| lacks(head, &heads));
            return Ok(Self { at, arrivals, engine: Engine::Any(any), publish });
        }
        // The place in the arrivals is taken first: what comes while the stream is read in order
        // arrives again, and is known by then.
        let arrival = at.shared.store.last_arrival().await?;
        let from = From::Cursor(Cursor { incarnation: at.shared.incarnation, arrival });
        let mut arrivals = Subscription::open(at.clone(), from, waiting).await?;
        let mut total = Box::new(Total::new(rules));
        let heads = heads(&at).await?;
        arrivals.expect(&heads);
        total.known = heads.iter().map(|head| (head.name.id(), head.height)).collect();
        catch_up(&at, &mut total, &heads).await?;
        let folding = Self { at, arrivals, engine: Engine::Total(total), publish };
        folding.publish();
        Ok(folding)
    }

    /// Folds one page of arrivals; `false` when there are none.
    async fn step(&mut self) -> Result<bool, Error> {
        if let Engine::Total(total) = &mut self.engine
            && total.is_behind()
        {
            repair(&self.at, total).await?;
            self.publish();
        }
        if !self.arrivals.fill().await? {
            return Ok(false);
        }
        let (mut entries, mut gaps) = (Vec::new(), Vec::new());
        while let Some(delivered) = self.arrivals.take() {
            match delivered {
                Delivered::Entry(entry) => entries.push(entry),
                Delivered::Gap { log, range } => gaps.push((log, range)),
            }
        }
        self.fold(&entries, &gaps).await?;
        self.publish();
        Ok(true)
    }

    async fn fold(&mut self, entries: &[LogEntry], gaps: &[(LogId, SeqRange)]) -> Result<(), Error> {
        for entry in entries.iter().filter(|entry| entry.log().branch.is_some()) {
            self.follow(entry).await?;
        }
        match &mut self.engine {
            Engine::Any(any) => {
                any.miss(gaps);
                any.take(entries);
            }
            Engine::Total(total) => {
                total.partial |= !gaps.is_empty();
                total.take(entries, future(&self.at));
                if total.is_behind() {
                    repair(&self.at, total).await?;
                }
            }
        }
        Ok(())
    }

    /// The first entry of a branch: what was folded of it as the end of another log is folded.
    async fn follow(&mut self, entry: &LogEntry) -> Result<(), Error> {
        let branch = entry.id().log;
        let is_known = match &self.engine {
            Engine::Any(any) => any.head.heights.contains_key(&branch),
            Engine::Total(total) => total.known.contains_key(&branch),
        };
        if is_known {
            return Ok(());
        }
        let Some(log) = moved_from(&self.at, entry.log(), entry.sequence()).await? else { return Ok(()) };
        let heights = match &mut self.engine {
            Engine::Any(any) => &mut any.head.heights,
            Engine::Total(total) => &mut total.known,
        };
        if let Some(height) = heights.get(&log).copied() {
            heights.insert(branch, height);
        }
        Ok(())
    }

    fn publish(&self) {
        let (state, report) = match &self.engine {
            Engine::Any(any) => (any.head.state.clone(), any.report()),
            Engine::Total(total) => (total.head.state.clone(), total.report()),
        };
        self.publish.send_replace(Published { state, report, ended: None });
    }

    fn end(&self, reason: &str) {
        self.publish.send_modify(|published| published.ended = Some(reason.to_owned()));
    }
}

/// Stamps after this one come from a clock that is wrong.
fn future(at: &StreamRef) -> Stamp {
    let drift = u64::try_from(at.shared.config.node.max_drift.as_millis()).unwrap_or(u64::MAX);
    Stamp::new(at.shared.timer.now().wall.0.saturating_add(drift), u16::MAX)
}

/// Goes back to before the entries that arrived late, and folds again from there.
async fn repair<M: StateMaterializer>(at: &StreamRef, total: &mut Total<M>) -> Result<(), Error> {
    let heads = heads(at).await?;
    if total.rewind(&heads) {
        catch_up(at, total, &heads).await?;
    }
    Ok(())
}

/// Folds everything known after the head, in stream order.
async fn catch_up<M: StateMaterializer>(
    at: &StreamRef,
    total: &mut Total<M>,
    heads: &[LogHead],
) -> Result<(), Error> {
    let known = total.reachable(heads);
    total.partial |= known.iter().any(|head| lacks(head, heads));
    let cut = total.head.key.clone().map(Cut::After);
    let mut entries = Merge::open(at, &known, Direction::Forward, cut).await?;
    let future = future(at);
    total.begin();
    while let Some(entry) = entries.next().await? {
        total.fold(&entry, future);
    }
    total.partial |= !entries.take_lost().is_empty();
    total.caught_up();
    Ok(())
}
