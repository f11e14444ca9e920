//! Hooks that make a memory store count, wait and fail as told.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use gossip_core::proto::CommitItem;
use gossip_core::{Fault, Store, StoreError, StoreResult};
use gossip_store_memory::MemoryStore;
use gossip_testkit::double::{StoreCall, StoreDouble, StoreHooks};
use tokio::sync::Semaphore;

/// See the fields.
pub(crate) struct Tuned {
    /// Commits tried.
    pub(crate) commits: AtomicU64,
    /// Each commit takes one permit.
    pub(crate) gate: Semaphore,
    /// The next commit fails so.
    pub(crate) fail: Mutex<Option<Fault>>,
    /// Commits that contain this byte string are rejected.
    pub(crate) poison: Option<&'static [u8]>,
    /// How often arrivals were read.
    pub(crate) reads: AtomicU64,
    /// Arrivals cannot be read.
    pub(crate) blind: AtomicBool,
    /// Commits panic.
    pub(crate) panics: AtomicBool,
    /// So many removals of logs fail.
    pub(crate) stuck: AtomicU64,
}

impl Tuned {
    pub(crate) fn new() -> Self {
        Self {
            commits: AtomicU64::new(0),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            fail: Mutex::new(None),
            poison: None,
            reads: AtomicU64::new(0),
            blind: AtomicBool::new(false),
            panics: AtomicBool::new(false),
            stuck: AtomicU64::new(0),
        }
    }

    /// A fresh store with these hooks.
    pub(crate) fn double(self: &Arc<Self>) -> Arc<dyn Store> {
        self.around(MemoryStore::new())
    }

    /// This store with these hooks.
    pub(crate) fn around(self: &Arc<Self>, store: MemoryStore) -> Arc<dyn Store> {
        Arc::new(StoreDouble::new(store, self.clone()))
    }

    async fn commit(&self, batch: &[CommitItem]) -> StoreResult<()> {
        self.gate.acquire().await.expect("gate").forget();
        self.commits.fetch_add(1, Ordering::SeqCst);
        assert!(!self.panics.load(Ordering::SeqCst), "a store that panics");
        if let Some(fault) = self.fail.lock().expect("fail").take() {
            return Err(failed(fault));
        }
        match self.poison {
            Some(poison) if batch.iter().any(|item| contains(item, poison)) => Err(failed(Fault::Rejected)),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl StoreHooks for Tuned {
    async fn before(&self, call: StoreCall<'_>) -> StoreResult<()> {
        match call {
            StoreCall::Commit(batch) => self.commit(batch).await,
            StoreCall::Other("arrivals") => {
                self.reads.fetch_add(1, Ordering::SeqCst);
                if self.blind.load(Ordering::SeqCst) { Err(failed(Fault::Transient)) } else { Ok(()) }
            }
            StoreCall::Other("remove") => {
                let stuck = |left: u64| left.checked_sub(1);
                match self.stuck.fetch_update(Ordering::SeqCst, Ordering::SeqCst, stuck) {
                    Ok(_) => Err(failed(Fault::Full)),
                    Err(_) => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}

fn failed(fault: Fault) -> StoreError {
    StoreError::new(fault, "testing", "as told")
}

fn contains(item: &CommitItem, poison: &[u8]) -> bool {
    match item {
        CommitItem::Run { run, .. } | CommitItem::Fill { run, .. } => {
            run.encoded().windows(poison.len()).any(|bytes| bytes == poison)
        }
        CommitItem::Adopt { .. } => false,
    }
}
