//! Laws about damaged runs: told where they are, made a gap of, filled again.

use std::sync::Arc;

use gossip_core::Store;
use gossip_proto::{Arrival, CommitItem, Fault, Scope, Seq, SeqRange};

use super::expect::{PLENTY, commit, entries, everything, head, numbered, read_all, rows, sequences};
use super::{Cannot, StoreHarness};
use crate::fixture::{LogWriter, filling, stored};

/// Five runs of one log (1 to 3, 4 and 5, 6 to 9, 10, 11 and 12), another log between.
struct Scene {
    store: Arc<dyn Store>,
    ann: LogWriter,
    bob: LogWriter,
    items: [CommitItem; 5],
}

impl Scene {
    /// The scene with the runs that hold these sequences damaged.
    async fn set<H: StoreHarness>(place: &H, damage: &[Seq]) -> Result<Self, Cannot> {
        let store = place.open().await;
        let (mut ann, mut bob) = (LogWriter::new("c", "s", "ann"), LogWriter::new("c", "s", "bob"));
        let items = [ann.run(3), ann.run(2), ann.run(4), ann.run(1), ann.run(2)];
        commit(&*store, &items[..2]).await;
        commit(&*store, &[bob.run(3), items[2].clone(), items[3].clone(), bob.run(1)]).await;
        commit(&*store, &items[4..]).await;
        drop(store);
        for at in damage {
            place.damage(ann.id(), *at).await?;
        }
        Ok(Self { store: place.open().await, ann, bob, items })
    }

    /// Isolates every damaged place, and checks that exactly these runs became gaps.
    async fn isolate(&self, places: &[Seq]) {
        for at in places {
            let gap = self.store.isolate(self.ann.id(), *at).await.unwrap();
            assert!(gap.is_none_or(|gap| gap.contains(*at)), "{gap:?} is not about {at}");
            assert_eq!(self.store.isolate(self.ann.id(), *at).await.unwrap(), None, "it is a gap now");
        }
        let gaps = head(&*self.store, self.ann.id()).await.gaps;
        let in_gaps: Vec<_> = (1..=12).filter(|at| gaps.iter().any(|gap| gap.contains(*at))).collect();
        let runs = self.items.iter().map(|item| stored(item).run.range());
        let damaged = runs.filter(|range| places.iter().any(|at| range.contains(*at)));
        let expected: Vec<_> = damaged.flat_map(|range| range.first..=range.last).collect();
        assert_eq!(in_gaps, expected);
    }

    /// Puts back what these places held, from the upper end down.
    async fn restore(&self, places: &[Seq]) {
        for item in self.items.iter().rev() {
            if places.iter().any(|at| stored(item).run.range().contains(*at)) {
                assert_eq!(commit(&*self.store, &[filling(item)]).await.arrivals, [None], "it arrived once");
            }
        }
        let held = read_all(&*self.store, self.ann.id()).await;
        assert_eq!(held, self.items.iter().map(stored).collect::<Vec<_>>());
    }
}

/// `read` gives what is before the damage, then `Corrupt`; what is after it can be read.
pub async fn reads_stop_before_it<H: StoreHarness>(place: H) -> Result<(), Cannot> {
    let Scene { store, ann, bob, items } = Scene::set(&place, &[7]).await?;
    for (from, runs) in [(1, &items[..2]), (4, &items[1..2])] {
        let read = store.read(ann.id(), from, PLENTY).await.unwrap();
        assert_eq!(read, runs.iter().map(stored).collect::<Vec<_>>(), "from {from}");
    }
    for from in [6, 7, 9] {
        let error = store.read(ann.id(), from, PLENTY).await.expect_err("damaged");
        assert_eq!(error.fault, Fault::Corrupt, "from {from}: {error}");
    }
    let after = store.read(ann.id(), 10, PLENTY).await.unwrap();
    assert_eq!(after, [stored(&items[3]), stored(&items[4])]);
    assert_eq!(sequences(&*store, bob.id()).await, [1, 2, 3, 4], "other logs are as they were");
    Ok(())
}

/// `arrivals` does not fail: it tells where the damage is and gives everything else.
pub async fn arrivals_tell_it_and_hide_nothing_else<H: StoreHarness>(place: H) -> Result<(), Cannot> {
    let Scene { store, ann, items, .. } = Scene::set(&place, &[7]).await?;
    for after in [0, 9, 10, 11, 12] {
        let (mut told, mut given) = (Vec::new(), Vec::new());
        for row in rows(&*store, &Scope::Log(ann.id()), after).await {
            told.extend(row.damaged);
            given.extend(row.runs);
        }
        let first_asked = if after < 9 { 6 } else { 6 + (after - 8) };
        assert_eq!(told, if after < 12 { vec![first_asked] } else { vec![] }, "after {after}");
        assert!(given.contains(&stored(&items[3])) && given.contains(&stored(&items[4])));
        assert!(!given.iter().any(|run| run.run.range().contains(7)));
    }
    assert_eq!(numbered(&*store, &Scope::All, 0).await.len(), 16, "no row is missing");
    assert!(rows(&*store, &Scope::All, 13).await.iter().all(|row| row.damaged.is_none()));
    Ok(())
}

/// `isolate` makes exactly the damage a gap; the chain around it stays known, the rest readable.
pub async fn isolating_makes_a_gap_of_it<H: StoreHarness>(place: H) -> Result<(), Cannot> {
    let scene = Scene::set(&place, &[7]).await?;
    let (store, ann) = (&scene.store, &scene.ann);
    let before = head(&**store, ann.id()).await;
    assert_eq!(store.isolate(ann.id(), 5).await.unwrap(), None, "its neighbour is sound");
    assert_eq!(store.isolate(ann.id(), 8).await.unwrap(), Some(SeqRange { first: 6, last: 9 }));
    scene.isolate(&[7]).await;
    let after = head(&**store, ann.id()).await;
    assert_eq!((after.height, after.hash, after.floor), (before.height, before.hash, before.floor));
    assert_eq!(after.missed, before.missed, "what was isolated had arrived");
    assert_eq!(sequences(&**store, ann.id()).await, [1, 2, 3, 4, 5, 10, 11, 12]);
    let around = stored(&scene.items[2]);
    let end = around.run.hashes(around.prev).last().unwrap();
    assert_eq!(store.hash_at(ann.id(), &[5, 9]).await.unwrap(), [around.prev, end]);
    assert!(rows(&**store, &Scope::All, 0).await.iter().all(|row| row.damaged.is_none()));
    let usage = store.usage(&Scope::Log(ann.id())).await.unwrap();
    let bytes = read_all(&**store, ann.id()).await.iter().map(|run| run.run.encoded().len() as u64).sum();
    assert_eq!((usage.entries, usage.bytes), (8, bytes));
    Ok(())
}

/// A fill restores it: the log is as before, and nothing arrives twice.
pub async fn a_fill_restores_it<H: StoreHarness>(place: H) -> Result<(), Cannot> {
    let scene = Scene::set(&place, &[]).await?;
    let sound = everything(&*scene.store).await;
    drop(scene.store);
    place.damage(scene.ann.id(), 6).await?;
    let scene = Scene { store: place.open().await, ..scene };
    scene.isolate(&[6]).await;
    scene.restore(&[6]).await;
    assert_eq!(everything(&*scene.store).await, sound);
    assert_eq!(scene.store.last_arrival().await.unwrap(), Arrival(16));
    Ok(())
}

/// A gap made of damage is there after reopening, and is filled then.
pub async fn the_gap_survives_reopening<H: StoreHarness>(place: H) -> Result<(), Cannot> {
    let scene = Scene::set(&place, &[10]).await?;
    scene.isolate(&[10]).await;
    let before = everything(&*scene.store).await;
    drop(scene.store);
    let scene = Scene { store: place.open().await, ..scene };
    assert_eq!(everything(&*scene.store).await, before);
    scene.restore(&[10]).await;
    Ok(())
}

/// Damage in the first and in the last run: the head still stands, the log goes on.
pub async fn the_ends_of_a_log_are_like_the_middle<H: StoreHarness>(place: H) -> Result<(), Cannot> {
    let mut scene = Scene::set(&place, &[2, 12]).await?;
    scene.isolate(&[12, 2]).await;
    let next = scene.ann.run(2);
    commit(&*scene.store, std::slice::from_ref(&next)).await;
    assert_eq!(sequences(&*scene.store, scene.ann.id()).await, [4, 5, 6, 7, 8, 9, 10, 13, 14]);
    for item in [&scene.items[4], &scene.items[0]] {
        assert_eq!(commit(&*scene.store, &[filling(item)]).await.arrivals, [None]);
    }
    assert_eq!(entries(&*scene.store, scene.ann.id()).await.len(), 14);
    Ok(())
}

/// Damaged neighbours are isolated in any order, and filled one after the other.
pub async fn damaged_neighbours_are_restored<H: StoreHarness>(_: H) -> Result<(), Cannot> {
    for order in [[5, 6, 10], [10, 6, 5], [6, 10, 5]] {
        let place = H::create();
        let scene = Scene::set(&place, &[5, 6, 10]).await?;
        scene.isolate(&order).await;
        assert_eq!(head(&*scene.store, scene.ann.id()).await.gaps, [SeqRange { first: 4, last: 10 }]);
        scene.restore(&order).await;
    }
    Ok(())
}

/// Damage beside a gap joins it, and both are filled.
pub async fn damage_beside_a_gap_joins_it<H: StoreHarness>(place: H) -> Result<(), Cannot> {
    let scene = Scene::set(&place, &[6]).await?;
    scene.isolate(&[6]).await;
    drop(scene.store);
    place.damage(scene.ann.id(), 4).await?;
    place.damage(scene.ann.id(), 10).await?;
    let scene = Scene { store: place.open().await, ..scene };
    scene.isolate(&[4, 6, 10]).await;
    scene.restore(&[4, 6, 10]).await;
    Ok(())
}
