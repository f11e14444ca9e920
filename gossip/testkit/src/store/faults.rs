//! Laws about writes that fail before, during and after a commit: told by a typed error, whole or
//! absent, and over when the disk is well again.

use std::collections::BTreeSet;
use std::sync::Arc;

use gossip_core::{Store, StoreError, StoreResult};
use gossip_proto::{CommitItem, Fault, Meta, Scope, StoredRun};

use super::expect::{Everything, commit, everything, head, numbered, sequences};
use super::{Cannot, FaultSwitch, Moment, StoreHarness};
use crate::fixture::LogWriter;
use crate::wait::eventually;

/// A store with one committed batch, and a switch to make it fail.
struct Scene<H> {
    place: H,
    store: Arc<dyn Store>,
    switch: Arc<dyn FaultSwitch>,
    ann: LogWriter,
    bob: LogWriter,
    before: Everything,
}

impl<H: StoreHarness> Scene<H> {
    async fn set(place: H) -> Result<Self, Cannot> {
        let (store, switch) = (place.open().await, place.faults()?);
        let (mut ann, bob) = (LogWriter::new("c", "s", "ann"), LogWriter::new("c", "t", "bob"));
        commit(&*store, &[ann.run(2), ann.run(2)]).await;
        let before = everything(&*store).await;
        Ok(Self { place, store, switch, ann, bob, before })
    }

    /// Commits a batch of both logs while writes fail; the error is typed and reads go on.
    async fn fail(&mut self, moment: Moment) -> Result<([CommitItem; 2], Fault), Cannot> {
        let batch = [self.ann.run(3), self.bob.run(2)];
        self.switch.fail(moment)?;
        let error = self.store.commit(&batch, &Meta::default()).await.expect_err("the fault is told");
        assert_typed(&error, moment);
        self.assert_whole_if_readable(moment, error.fault).await;
        Ok((batch, error.fault))
    }

    /// While the fault lasts a store that must be opened again may be unable to: then it says so.
    async fn assert_whole_if_readable(&self, moment: Moment, fault: Fault) {
        match self.store.last_arrival().await {
            Ok(_) => self.assert_whole(&self.store, fault).await,
            Err(error) => {
                assert!(!H::READS_GO_ON, "{error}");
                let transient = error.fault == Fault::Transient;
                assert!(transient || (moment, error.fault) == (Moment::Space, Fault::Full), "{error}");
            }
        }
    }

    /// Nothing fails any more: reads work again.
    async fn heal(&self) {
        self.switch.heal();
        soon("reads go on", async || self.store.last_arrival().await).await;
    }

    /// All of the failed batch is there or nothing; nothing when the error says so.
    async fn assert_whole(&self, store: &Arc<dyn Store>, fault: Fault) {
        let now = everything(&**store).await;
        if now == self.before {
            return;
        }
        assert_eq!(fault, Fault::Unknown, "only an unknown outcome may have happened");
        assert_eq!(head(&**store, self.ann.id()).await.height, 7);
        assert_eq!(head(&**store, self.bob.id()).await.height, 2);
        self.assert_done(store).await;
    }

    async fn assert_done(&self, store: &Arc<dyn Store>) {
        assert_eq!(sequences(&**store, self.ann.id()).await, [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(sequences(&**store, self.bob.id()).await, [1, 2]);
        let told = numbered(&**store, &Scope::All, 0).await;
        let entries: BTreeSet<_> = told.iter().map(|(_, log, sequence)| (*log, *sequence)).collect();
        assert_eq!((told.len(), entries.len()), (9, 9), "each entry arrived once");
    }

    /// The same batch again succeeds, and again, and is there after reopening.
    async fn assert_resumes(self, batch: &[CommitItem]) {
        commit(&*self.store, batch).await;
        self.assert_done(&self.store).await;
        let after = everything(&*self.store).await;
        drop(self.store);
        assert_eq!(everything(&*self.place.open().await).await, after, "and after reopening");
    }
}

/// A disk that failed is tried again after a pause: until then callers are told to come back.
async fn soon<T>(what: &str, mut ask: impl AsyncFnMut() -> StoreResult<T>) -> T {
    let answer = eventually(what, async || match ask().await {
        Err(error) if error.fault == Fault::Transient => None,
        answer => Some(answer),
    });
    answer.await.unwrap_or_else(|error| panic!("{what}: {error}"))
}

fn assert_typed(error: &StoreError, moment: Moment) {
    let allowed: &[Fault] = match moment {
        Moment::Write | Moment::Torn => &[Fault::Transient, Fault::Unknown],
        Moment::Space => &[Fault::Full, Fault::Unknown],
        Moment::Sync | Moment::Answer => &[Fault::Transient, Fault::Unknown],
    };
    assert!(allowed.contains(&error.fault), "{moment:?} is told as {:?}: {error}", error.fault);
    assert!(!error.to_string().is_empty());
}

/// Fails, heals, goes on with the same store; then again, but reopens before going on.
async fn trial<H: StoreHarness>(place: H, moment: Moment) -> Result<(), Cannot> {
    let mut scene = Scene::set(place).await?;
    let (batch, fault) = scene.fail(moment).await?;
    scene.heal().await;
    scene.assert_whole(&scene.store, fault).await;
    scene.assert_resumes(&batch).await;

    let mut scene = Scene::set(H::create()).await?;
    let (batch, fault) = scene.fail(moment).await?;
    scene.switch.heal();
    drop(scene.store);
    scene.store = scene.place.open().await;
    scene.assert_whole(&scene.store, fault).await;
    scene.switch = scene.place.faults()?;
    scene.assert_resumes(&batch).await;
    Ok(())
}

/// A write that fails at once leaves nothing behind.
pub async fn before_a_commit<H: StoreHarness>(place: H) -> Result<(), Cannot> {
    trial(place, Moment::Write).await
}

/// A full disk is told as such, and service resumes when there is space again.
pub async fn for_want_of_space<H: StoreHarness>(place: H) -> Result<(), Cannot> {
    trial(place, Moment::Space).await
}

/// A write that fails half-way leaves nothing half done.
pub async fn during_a_commit<H: StoreHarness>(place: H) -> Result<(), Cannot> {
    trial(place, Moment::Torn).await
}

/// What could not be made durable is not told as done.
pub async fn while_making_it_durable<H: StoreHarness>(place: H) -> Result<(), Cannot> {
    trial(place, Moment::Sync).await
}

/// When only the answer is lost, the outcome is unknown and whole.
pub async fn after_a_commit<H: StoreHarness>(place: H) -> Result<(), Cannot> {
    trial(place, Moment::Answer).await
}

/// Failing again and again changes nothing, and wears nothing out.
pub async fn many_times<H: StoreHarness>(place: H) -> Result<(), Cannot> {
    let mut scene = Scene::set(place).await?;
    let (batch, mut fault) = scene.fail(Moment::Torn).await?;
    for _ in 0..20 {
        let error = scene.store.commit(&batch, &Meta::default()).await.expect_err("still broken");
        assert_typed(&error, Moment::Torn);
        // What one of them left open stays open.
        fault = if fault == Fault::Unknown { fault } else { error.fault };
        scene.assert_whole_if_readable(Moment::Torn, fault).await;
    }
    scene.heal().await;
    scene.assert_whole(&scene.store, fault).await;
    scene.assert_resumes(&batch).await;
    Ok(())
}

/// Joins, prunes and removals that fail are whole or absent too, and succeed later.
pub async fn other_writes_are_whole_too<H: StoreHarness>(place: H) -> Result<(), Cannot> {
    let scene = Scene::set(place).await?;
    let (store, log) = (&*scene.store, scene.ann.id());
    let runs = store.read(log, 1, usize::MAX).await.unwrap();
    let joined = StoredRun::join(&runs[..2]).unwrap();
    scene.switch.fail(Moment::Write)?;
    // What says the same as before may be left to a later sync, and then need not fail.
    let joins = store.replace(std::slice::from_ref(&joined)).await;
    joins.as_ref().err().into_iter().for_each(|error| assert_typed(error, Moment::Write));
    assert_typed(&store.prune(&[(log, 3)]).await.expect_err("failing"), Moment::Write);
    assert_typed(&store.remove(&Scope::All).await.expect_err("failing"), Moment::Write);
    let error = store.save_snapshot("key", "value".into()).await.expect_err("failing");
    assert_typed(&error, Moment::Write);
    scene.heal().await;
    if joins.is_err() {
        assert_eq!(everything(store).await, scene.before);
    }
    assert_eq!(store.load_snapshot("key").await.unwrap(), None);
    store.replace(std::slice::from_ref(&joined)).await.unwrap();
    assert_eq!(store.read(log, 1, usize::MAX).await.unwrap(), [joined]);
    assert_eq!(store.prune(&[(log, 3)]).await.unwrap().entries, 3);
    store.save_snapshot("key", "value".into()).await.unwrap();
    assert_eq!(store.remove(&Scope::All).await.unwrap().entries, 1);
    Ok(())
}
