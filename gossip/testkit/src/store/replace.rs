//! Laws of `replace`.

use gossip_proto::{ChainHash, CommitItem, Scope, StoredRun};

use super::StoreHarness;
use super::expect::{arrived_runs, commit, everything, head, read_all, rejected, sequences, short_rows};
use crate::fixture::{LogWriter, stored};

fn join(items: &[CommitItem]) -> StoredRun {
    StoredRun::join(&items.iter().map(stored).collect::<Vec<_>>()).unwrap()
}

/// Neighbours become one run; entries, head and arrival rows stay.
pub async fn joins_runs_and_keeps_arrivals<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let items = [ann.run(2), ann.run(3), ann.run(1)];
    commit(&*store, &items).await;
    let (head_before, rows_before) =
        (head(&*store, ann.id()).await, short_rows(&*store, &Scope::All, 0).await);
    let joined = join(&items[..2]);
    store.replace(std::slice::from_ref(&joined)).await.unwrap();
    assert_eq!(read_all(&*store, ann.id()).await, [joined.clone(), stored(&items[2])]);
    assert_eq!(head(&*store, ann.id()).await, head_before);
    assert_eq!(short_rows(&*store, &Scope::All, 0).await, rows_before);
    assert_eq!(arrived_runs(&*store, &ann.stream(), 2).await, [joined.clone(), stored(&items[2])]);
    let bytes = (joined.run.encoded().len() + stored(&items[2]).run.encoded().len()) as u64;
    assert_eq!(store.usage(&Scope::All).await.unwrap().bytes, bytes);
    store.replace(&[join(&items)]).await.unwrap();
    assert_eq!(read_all(&*store, ann.id()).await, [join(&items)]);
    commit(&*store, &[ann.run(1)]).await;
    assert_eq!(sequences(&*store, ann.id()).await, [1, 2, 3, 4, 5, 6, 7]);
}

/// A run of another chain, another log or another beginning is refused and nothing is written.
pub async fn refuses_another_chain<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let mut fork = ann.clone();
    let mut bob = LogWriter::new("c", "s", "bob");
    let items = [ann.run(2), ann.run(2)];
    commit(&*store, &items).await;
    let before = everything(&*store).await;
    let other = fork.run_of(&["a".into(), "b".into(), "c".into(), "d".into()]);
    rejected(store.replace(&[stored(&other)]).await);
    rejected(store.replace(&[stored(&bob.run(4))]).await);
    let unrooted = StoredRun { prev: ChainHash([1; 32]), ..join(&items) };
    rejected(store.replace(&[unrooted]).await);
    assert_eq!(everything(&*store).await, before);
}

/// A run must span whole runs that are held, and nothing else.
pub async fn refuses_to_cut_runs<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let items = [ann.run(2), ann.run(2), ann.run(2)];
    commit(&*store, &items).await;
    let before = everything(&*store).await;
    let whole = join(&items);
    let next = ann.run(2);
    rejected(store.replace(&[whole.cut_front(2).unwrap()]).await);
    rejected(store.replace(&[whole.cut_front(4).unwrap()]).await);
    rejected(store.replace(&[whole.cut_back(5).unwrap().0]).await);
    rejected(store.replace(&[StoredRun::join(&[whole, stored(&next)]).unwrap()]).await);
    rejected(store.replace(&[stored(&next)]).await);
    assert_eq!(everything(&*store).await, before);
}

/// Several runs, in any order and of several logs, are put in place at once; none at all is fine.
pub async fn takes_runs_of_several_logs<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let (mut ann, mut bob) = (LogWriter::new("c", "s", "ann"), LogWriter::new("c", "s", "bob"));
    let anns = [ann.run(2), ann.run(3), ann.run(1), ann.run(1), ann.run(2)];
    let bobs = [bob.run(1), bob.run(1)];
    commit(&*store, &[&anns[..], &bobs].concat()).await;
    let rows_before = short_rows(&*store, &Scope::All, 0).await;
    let joined = [join(&anns[3..]), join(&bobs), join(&anns[..2])];
    store.replace(&joined).await.unwrap();
    store.replace(&[]).await.unwrap();
    let [late, of_bob, early] = joined;
    assert_eq!(read_all(&*store, ann.id()).await, [early, stored(&anns[2]), late]);
    assert_eq!(read_all(&*store, bob.id()).await, [of_bob]);
    assert_eq!(short_rows(&*store, &Scope::All, 0).await, rows_before);
    let mut bytes = 0;
    for log in [ann.id(), bob.id()] {
        bytes += read_all(&*store, log).await.iter().map(|run| run.run.encoded().len() as u64).sum::<u64>();
    }
    assert_eq!(store.usage(&Scope::All).await.unwrap().bytes, bytes);
    commit(&*store, &[ann.run(1), bob.run(1)]).await;
}

/// One run that is refused takes the others with it, and so do runs that overlap.
pub async fn puts_all_runs_in_place_or_none<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let (mut ann, mut bob) = (LogWriter::new("c", "s", "ann"), LogWriter::new("c", "s", "bob"));
    let (anns, bobs) = ([ann.run(2), ann.run(3), ann.run(1)], [bob.run(1), bob.run(1)]);
    commit(&*store, &[&anns[..], &bobs].concat()).await;
    let before = everything(&*store).await;
    let (good, unknown) = (join(&anns[..2]), stored(&LogWriter::new("c", "s", "eve").run(1)));
    let unrooted = StoredRun { prev: ChainHash([1; 32]), ..join(&bobs) };
    for bad in [unknown, unrooted, join(&anns), join(&anns[1..]), good.clone()] {
        rejected(store.replace(&[good.clone(), bad.clone()]).await);
        rejected(store.replace(&[bad, good.clone()]).await);
    }
    assert_eq!(everything(&*store).await, before);
    drop(store);
    let store = place.open().await;
    assert_eq!(everything(&*store).await, before);
    store.replace(&[good, join(&bobs)]).await.unwrap();
}

/// Payloads may be erased: the chain is the same over their hashes.
pub async fn takes_hollow_payloads<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let item = ann.run(3);
    commit(&*store, &[item.clone(), ann.run(1)]).await;
    let old = stored(&item);
    let erased = old.hollowed(|entry| entry.sequence == 2).unwrap();
    store.replace(std::slice::from_ref(&erased)).await.unwrap();
    assert_eq!(read_all(&*store, ann.id()).await[0], erased);
    assert_eq!(commit(&*store, &[item]).await.arrivals, [None], "the full run is still known");
}

/// Erased payloads may come back the same way, and space is counted as it is.
pub async fn hollow_payloads_may_be_filled<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let item = ann.run_of(&[vec![7; 5000].into(), vec![8; 5000].into()]);
    let (whole, hollow) = (stored(&item), stored(&item).hollowed(|_| true).unwrap());
    commit(&*store, &[item]).await;
    for run in [&hollow, &whole, &hollow] {
        store.replace(std::slice::from_ref(run)).await.unwrap();
        assert_eq!(read_all(&*store, ann.id()).await, std::slice::from_ref(run));
        let usage = store.usage(&Scope::All).await.unwrap();
        assert_eq!((usage.entries, usage.bytes), (2, run.run.encoded().len() as u64));
    }
}

/// The same replacement again is accepted and changes nothing.
pub async fn is_idempotent<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let items = [ann.run(2), ann.run(3)];
    commit(&*store, &items).await;
    store.replace(&[join(&items)]).await.unwrap();
    let before = everything(&*store).await;
    store.replace(&[join(&items)]).await.unwrap();
    assert_eq!(everything(&*store).await, before);
    drop(store);
    assert_eq!(everything(&*place.open().await).await, before, "and is there after reopening");
}

/// What reaches into a gap or below the floor stands for nothing held: refused.
pub async fn refuses_what_is_not_held<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let held = [ann.run(2), ann.run(2)];
    commit(&*store, &held).await;
    let missed = ann.run(2);
    let (adopt, next) = (ann.adopt(), ann.run(2));
    commit(&*store, &[adopt, next.clone()]).await;
    let over_gap = join(&[held[1].clone(), missed.clone(), next]);
    rejected(store.replace(&[stored(&missed)]).await);
    rejected(store.replace(&[over_gap]).await);
    store.prune(&[(ann.id(), 2)]).await.unwrap();
    let before = everything(&*store).await;
    rejected(store.replace(&[join(&held)]).await);
    rejected(store.replace(&[stored(&held[0])]).await);
    assert_eq!(everything(&*store).await, before);
}
