//! What a store under test brings along, and how one law is run.

use std::future::Future;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use gossip_core::Store;
use gossip_proto::{LogId, Seq};

/// A place for one store under test: its guard is dropped after the law.
///
/// The last two methods are abilities: a harness without them skips the laws that need them, and
/// each such law prints that it was skipped and why.
pub trait StoreHarness: Sized + Send + Sync + 'static {
    /// Whether what was committed survives the end of the process. Laws about reopening hold
    /// within one process for every store; this only says what `Store::durability` may promise.
    const DURABLE: bool;

    /// Whether reads go on while writes fail. Not so for a store that must open its files again after
    /// a failure, which writes: until the disk is well such a store may answer reads with `Transient`.
    const READS_GO_ON: bool = true;

    /// A fresh place.
    fn create() -> Self;

    /// Opens the store of this place: empty the first time, later with what was kept. The store
    /// opened before was dropped.
    fn open(&self) -> impl Future<Output = Arc<dyn Store>> + Send;

    /// Spoils the stored run that holds a sequence, and nothing else, as a failing disk would: it
    /// is lost, does not decode or does not match its chain. The store is not open meanwhile.
    ///
    /// # Errors
    /// [`Cannot`] says why this store cannot be damaged so.
    fn damage(&self, _log: LogId, _at: Seq) -> impl Future<Output = Result<(), Cannot>> + Send {
        std::future::ready(Err(Cannot("its harness has no way to damage what is stored")))
    }

    /// The switch that makes this place fail while the store is open.
    ///
    /// # Errors
    /// [`Cannot`] says why there is none.
    fn faults(&self) -> Result<Arc<dyn FaultSwitch>, Cannot> {
        Err(Cannot("its harness has no way to make the disk fail"))
    }
}

/// Why a harness lacks an ability, for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cannot(pub &'static str);

/// Where a write fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Moment {
    /// At its beginning, with an error of the device.
    Write,
    /// At its beginning, because there is no space left.
    Space,
    /// In the midst: some of the bytes were handed over.
    Torn,
    /// When what was handed over is to be made durable.
    Sync,
    /// After everything was done: only the answer is an error.
    Answer,
}

/// Makes the place of a store fail and work again, while the store is open.
pub trait FaultSwitch: Send + Sync {
    /// From now on every write fails at this moment; reads go on.
    ///
    /// # Errors
    /// [`Cannot`] when this moment is not one the place can fail at.
    fn fail(&self, moment: Moment) -> Result<(), Cannot>;

    /// From now on nothing fails.
    fn heal(&self);
}

/// How a law ended that did not fail.
pub trait Verdict {
    /// Why it could not be tried, if it could not.
    fn skipped(self) -> Option<Cannot>;
}

impl Verdict for () {
    fn skipped(self) -> Option<Cannot> {
        None
    }
}

impl Verdict for Result<(), Cannot> {
    fn skipped(self) -> Option<Cannot> {
        self.err()
    }
}

/// Longest time one law may take: a store that hangs is a failure.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs one law in a fresh place, on a runtime of its own with two threads.
///
/// # Panics
/// When the law does not hold, or takes too long.
pub fn run<H: StoreHarness, F: Future<Output: Verdict>>(name: &str, law: impl FnOnce(H) -> F) {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).enable_all().build().expect("a runtime");
    let law = Box::pin(law(H::create()));
    let done = runtime.block_on(async { tokio::time::timeout(PATIENCE, law).await });
    if let Some(Cannot(why)) = done.expect("the store hangs").skipped() {
        // Past the capture of the test runner: a law that was not tried must show.
        let line = format!("store law {name} SKIPPED: {why}\n");
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}
