//! Entries: commits, reads and what changes them.

use std::sync::atomic::Ordering::Relaxed;

use async_trait::async_trait;
use gossip_core::proto::{
    Arrival, Arrived, ChainHash, CommitItem, Committed, Durability, Fault, LogHead, LogId, LogName, Meta,
    Page, Pruned, Removed, Scope, Seq, SeqRange, StoreStats, StoredRun, Turn as At, Usage,
};
use gossip_core::{EntryRepository, StoreError, StoreResult};

use super::KvStore;
use crate::arrivals::Stop;
use crate::commit::{self, COMMITTING};
use crate::engine::Engine;
use crate::host::When;
use crate::numbers::Numbers;
use crate::turn::Turn;
use crate::{arrivals, edit, group, haste, heads, isolate, mend, remove, runs};

#[async_trait]
impl<E: Engine> EntryRepository for KvStore<E> {
    async fn commit(&self, batch: &[CommitItem], meta: &Meta) -> StoreResult<Committed> {
        let (batch, meta) = (batch.to_vec(), *meta);
        let is_small = haste::is_small(&batch);
        let work = move |turn: &mut Turn<'_>| commit::commit(turn, &batch, &meta);
        let (committed, bytes) = match is_small {
            true => self.host.write_swiftly(COMMITTING, work).await?,
            false => self.host.write(COMMITTING, When::AsPromised, work).await?,
        };
        self.host.commits.fetch_add(1, Relaxed);
        self.host.committed_bytes.fetch_add(bytes, Relaxed);
        if let Durability::Group(delay) = self.host.durability {
            group::schedule(&self.host, delay);
        }
        Ok(committed)
    }

    async fn read(&self, log: LogId, from: Seq, budget: usize) -> StoreResult<Vec<StoredRun>> {
        let work = move |engine: &E| runs::read(&engine.view()?, log, from, budget);
        self.host.read("reading entries", work).await
    }

    async fn arrivals(
        &self,
        scope: &Scope,
        after: Arrival,
        budget: usize,
    ) -> StoreResult<Page<Arrived, Arrival>> {
        let mut mended = None;
        loop {
            let stream = match self.arrivals_or_torn(scope.clone(), after, budget).await? {
                Ok(page) => return Ok(page),
                Err(stream) => stream,
            };
            if mended.as_ref() == Some(&stream) {
                return Err(StoreError::new(Fault::Corrupt, ARRIVALS, "damaged again as soon as mended"));
            }
            mended = Some(stream.clone());
            let mend = move |turn: &mut Turn<'_>| mend::mend(turn, &stream);
            self.host.write("mending the order of arrival", When::Now, mend).await?;
        }
    }

    async fn heads(
        &self,
        scope: &Scope,
        after: Option<LogId>,
        limit: usize,
    ) -> StoreResult<Page<LogHead, LogId>> {
        let scope = scope.clone();
        let work = move |engine: &E| heads::heads(&engine.view()?, &scope, after, limit);
        self.host.read("listing heads", work).await
    }

    async fn hash_at(&self, log: LogId, positions: &[Seq]) -> StoreResult<Vec<ChainHash>> {
        let positions = positions.to_vec();
        let work = move |engine: &E| runs::hash_at(&engine.view()?, log, &positions);
        self.host.read("looking up chain hashes", work).await
    }

    async fn replace(&self, runs: &[StoredRun]) -> StoreResult<()> {
        let runs = runs.to_vec();
        self.host.write("replacing runs", When::Now, move |turn| edit::replace(turn, &runs)).await
    }

    async fn turn(&self, log: &LogName, turn: &At) -> StoreResult<()> {
        let (name, at) = (log.clone(), *turn);
        let work = move |turn: &mut Turn<'_>| edit::turn(turn, &name, &at);
        self.host.write(edit::TURNING, When::Now, work).await
    }

    async fn prune(&self, floors: &[(LogId, Seq)]) -> StoreResult<Pruned> {
        let floors = floors.to_vec();
        self.host.write("pruning logs", When::Now, move |turn| edit::prune(turn, &floors)).await
    }

    async fn isolate(&self, log: LogId, at: Seq) -> StoreResult<Option<SeqRange>> {
        self.host.write("isolating damage", When::Now, move |turn| isolate::isolate(turn, log, at)).await
    }

    async fn remove(&self, scope: &Scope) -> StoreResult<Removed> {
        let scope = scope.clone();
        self.host.write("removing logs", When::Now, move |turn| remove::remove(turn, &scope)).await
    }

    async fn last_arrival(&self) -> StoreResult<Arrival> {
        let work = |engine: &E| Ok(Arrival(Numbers::read(&engine.view()?)?.arrival));
        self.host.read("reading the newest arrival", work).await
    }

    async fn stats(&self) -> StoreResult<StoreStats> {
        let engine = self.host.read("reading statistics", Engine::stats).await?;
        Ok(StoreStats {
            disk_bytes: engine.disk_bytes,
            memory_bytes: engine.memory_bytes,
            commits: self.host.commits.load(Relaxed),
            committed_bytes: self.host.committed_bytes.load(Relaxed),
            written_bytes: engine.written_bytes,
        })
    }

    async fn usage(&self, scope: &Scope) -> StoreResult<Usage> {
        let scope = scope.clone();
        let work = move |engine: &E| heads::usage(&engine.view()?, &scope);
        self.host.read("measuring usage", work).await
    }
}

const ARRIVALS: &str = "reading arrivals";

impl<E: Engine> KvStore<E> {
    /// A page, or the stream that is to be mended first.
    async fn arrivals_or_torn(
        &self,
        scope: Scope,
        after: Arrival,
        budget: usize,
    ) -> StoreResult<Result<Page<Arrived, Arrival>, Vec<u8>>> {
        let work = move |engine: &E| match arrivals::page(&engine.view()?, &scope, after, budget) {
            Ok(page) => Ok(Ok(page)),
            Err(Stop::Torn(stream)) => Ok(Err(stream)),
            Err(Stop::Failed(failure)) => Err(failure),
        };
        self.host.read(ARRIVALS, work).await
    }
}
