//! Laws of `turn`.

use std::sync::Arc;

use gossip_core::Store;
use gossip_proto::{
    Branch, ChainHash, CommitItem, LogHead, LogId, LogName, Scope, Seq, SeqRange, Stamp, StoredRun, Turn,
};

use super::StoreHarness;
use super::expect::{
    commit, everything, find_head, head, read_all, refuses, rejected, sequences, short_rows,
};
use crate::fixture::{LogWriter, filling, stored};

/// A turn that fits what is stored.
async fn fitting(store: &dyn Store, log: LogId, at: Seq) -> Turn {
    let hashes = store.hash_at(log, &[at - 1, at]).await.unwrap();
    Turn { at, prev: hashes[0], first: Some(hashes[1]) }
}

async fn turn_at(store: &dyn Store, log: &LogName, at: Seq) -> Turn {
    let turn = fitting(store, log.id(), at).await;
    store.turn(log, &turn).await.unwrap();
    turn
}

async fn refuses_turn(store: &dyn Store, log: &LogName, turn: Turn) {
    let before = everything(store).await;
    rejected(store.turn(log, &turn).await);
    assert_eq!(everything(store).await, before, "a refusal writes nothing: {turn:?}");
}

/// What lies above goes; what lies below, and the order of arrival, stays.
pub async fn the_log_ends_before_it<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let items = [ann.run(3), ann.run(2), ann.run(1)];
    commit(&*store, &items).await;
    let rows = short_rows(&*store, &Scope::All, 0).await;
    let turn = turn_at(&*store, ann.name(), 4).await;
    let expected = LogHead {
        height: 3,
        hash: turn.prev,
        stamp: LogWriter::stamp_at(3),
        turn: Some(turn),
        ..LogHead::empty((**ann.name()).clone())
    };
    assert_eq!(head(&*store, ann.id()).await, expected);
    assert_eq!(read_all(&*store, ann.id()).await, [stored(&items[0])]);
    assert_eq!(short_rows(&*store, &Scope::All, 0).await, rows);
    let told = store.arrivals(&Scope::All, gossip_proto::Arrival(0), usize::MAX).await.unwrap().items;
    assert!(told.iter().all(|row| row.damaged.is_none()), "what was dropped is not missed");
    let usage = store.usage(&Scope::All).await.unwrap();
    assert_eq!((usage.entries, usage.bytes), (3, stored(&items[0]).run.encoded().len() as u64));
    rejected(store.hash_at(ann.id(), &[4]).await);
}

/// The place may lie inside a run, and be the very first.
pub async fn a_run_across_it_is_cut<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    commit(&*store, &[ann.run(2), ann.run(4)]).await;
    for at in [6, 5, 4, 2, 1] {
        let turn = turn_at(&*store, ann.name(), at).await;
        assert_eq!(sequences(&*store, ann.id()).await, (1..at).collect::<Vec<_>>());
        let head = head(&*store, ann.id()).await;
        assert_eq!((head.height, head.hash, head.turn), (at - 1, turn.prev, Some(turn)));
        let stamp = if at == 1 { Stamp::ZERO } else { LogWriter::stamp_at(at - 1) };
        assert_eq!(head.stamp, stamp);
        let bytes: usize = read_all(&*store, ann.id()).await.iter().map(|s| s.run.encoded().len()).sum();
        assert_eq!(store.usage(&Scope::All).await.unwrap().bytes, bytes as u64);
    }
}

/// The same again is accepted and changes nothing, also when what it speaks of is gone.
pub async fn is_idempotent<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    commit(&*store, &[ann.run(5)]).await;
    let turn = turn_at(&*store, ann.name(), 3).await;
    for floor in [0, 2] {
        store.prune(&[(ann.id(), floor)]).await.unwrap();
        let before = everything(&*store).await;
        store.turn(ann.name(), &turn).await.unwrap();
        assert_eq!(everything(&*store).await, before);
    }
}

/// It is there after reopening, whether the log reached it or not.
pub async fn survives_reopening<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let (mut ann, mut bob) = (LogWriter::new("c", "s", "ann"), LogWriter::new("c", "s", "bob"));
    commit(&*store, &[ann.run(5), bob.run(2)]).await;
    turn_at(&*store, ann.name(), 3).await;
    let open = Turn { at: 9, prev: ChainHash([5; 32]), first: None };
    store.turn(bob.name(), &open).await.unwrap();
    let before = everything(&*store).await;
    drop(store);
    let store = place.open().await;
    assert_eq!(everything(&*store).await, before);
    assert_eq!(head(&*store, bob.id()).await.turn, Some(open));
    refuses(&*store, &[ann.run(1)]).await;
}

/// Commits that would go on above it are refused; those of what is held are known.
pub async fn nothing_goes_beyond_it<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let items = [ann.run(2), ann.run(2)];
    commit(&*store, &items).await;
    let adopt = ann.adopt();
    turn_at(&*store, ann.name(), 3).await;
    refuses(&*store, &items[1..]).await;
    refuses(&*store, &[adopt]).await;
    assert_eq!(commit(&*store, &items[..1]).await.arrivals, [None]);
}

/// A log that does not reach it yet grows up to it, if it is the chain that was told.
pub async fn a_log_below_it_grows_up_to_it<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let mut fork = ann.clone();
    let (first, second, third) = (ann.run(2), ann.run(2), ann.clone().run(2));
    commit(&*store, std::slice::from_ref(&first)).await;
    let turn = Turn { at: 5, prev: ann.hash(), first: None };
    store.turn(ann.name(), &turn).await.unwrap();
    assert_eq!(head(&*store, ann.id()).await.height, 2);
    let other = fork.run_of(&["a".into(), "b".into()]);
    refuses(&*store, &[other]).await;
    refuses(&*store, &[second.clone(), third]).await;
    commit(&*store, &[second]).await;
    let head = head(&*store, ann.id()).await;
    assert_eq!((head.height, head.hash, head.turn), (4, turn.prev, Some(turn)));
    // At its very height a log may end as well.
    let mut bob = LogWriter::new("c", "s", "bob");
    commit(&*store, &[bob.run(2)]).await;
    store.turn(bob.name(), &Turn { at: 3, prev: bob.hash(), first: None }).await.unwrap();
    refuses(&*store, &[bob.run(1)]).await;
}

/// A log of which nothing is known yet comes to be with its end, and grows up to that.
pub async fn an_unknown_log_begins_with_it<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let items = [ann.run(2), ann.run(2)];
    let turn = Turn { at: 5, prev: ann.hash(), first: None };
    store.turn(ann.name(), &turn).await.unwrap();
    let expected = LogHead { turn: Some(turn), ..LogHead::empty((**ann.name()).clone()) };
    assert_eq!(head(&*store, ann.id()).await, expected);
    assert_eq!(store.usage(&Scope::All).await.unwrap().entries, 0);
    drop(store);
    let store = place.open().await;
    for scope in [Scope::All, Scope::Stream(ann.name().channel.clone(), ann.name().stream.clone())] {
        let listed = store.heads(&scope, None, 10).await.unwrap().items;
        assert_eq!(
            listed,
            std::slice::from_ref(&expected),
            "it is listed like any other, also after reopening"
        );
    }
    commit(&*store, &items).await;
    let after = head(&*store, ann.id()).await;
    assert_eq!((after.height, after.hash, after.turn), (4, turn.prev, Some(turn)));
    refuses(&*store, &[ann.run(1)]).await;
    store.remove(&Scope::All).await.unwrap();
    assert_eq!(find_head(&*store, ann.id()).await, None);
}

/// Another fork may be found below; above there is no log any more.
pub async fn it_may_come_earlier_not_later<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    commit(&*store, &[ann.run(3), ann.run(3)]).await;
    let far = Turn { at: 9, prev: ChainHash([5; 32]), first: None };
    store.turn(ann.name(), &far).await.unwrap();
    refuses_turn(&*store, ann.name(), Turn { prev: ChainHash([6; 32]), ..far }).await;
    refuses_turn(&*store, ann.name(), Turn { at: 10, ..far }).await;
    let high = fitting(&*store, ann.id(), 5).await;
    for at in [6, 4] {
        turn_at(&*store, ann.name(), at).await;
    }
    refuses_turn(&*store, ann.name(), high).await;
    refuses_turn(&*store, ann.name(), far).await;
}

/// Entries below it may be dropped, up to all of them.
pub async fn a_prune_leaves_it<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    commit(&*store, &[ann.run(6)]).await;
    store.prune(&[(ann.id(), 2)]).await.unwrap();
    let below = Turn { at: 2, prev: ChainHash([1; 32]), first: Some(ChainHash([2; 32])) };
    refuses_turn(&*store, ann.name(), below).await;
    let turn = turn_at(&*store, ann.name(), 5).await;
    for floor in [3, 9] {
        store.prune(&[(ann.id(), floor)]).await.unwrap();
        let head = head(&*store, ann.id()).await;
        assert_eq!((head.floor, head.height, head.turn), (floor.min(4), 4, Some(turn)));
    }
    assert!(read_all(&*store, ann.id()).await.is_empty());
}

/// A gap that lies above is no hole any more, one that reaches across ends at the place.
pub async fn gaps_above_it_go<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let mut batch = vec![ann.run(2)];
    let missed = ann.run(2);
    batch.extend([ann.adopt(), ann.run(1)]);
    ann.run(2);
    batch.extend([ann.adopt(), ann.run(1)]);
    commit(&*store, &batch).await;
    turn_at(&*store, ann.name(), 5).await;
    let gap = SeqRange { first: 3, last: 4 };
    let after = head(&*store, ann.id()).await;
    assert_eq!((after.gaps, after.missed), (vec![gap], vec![gap]));
    assert_eq!(after.stamp, LogWriter::stamp_at(2));
    commit(&*store, &[filling(&missed)]).await;
    assert_eq!(sequences(&*store, ann.id()).await, [1, 2, 3, 4]);
}

/// Both hashes must be those of the chain stored, and none is left out; 0 is no place.
pub async fn what_is_not_of_the_chain_is_refused<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let bob = LogWriter::new("c", "s", "bob");
    commit(&*store, &[ann.run(2), ann.run(3)]).await;
    let other = ChainHash([1; 32]);
    for at in 1..=5 {
        let turn = fitting(&*store, ann.id(), at).await;
        refuses_turn(&*store, ann.name(), Turn { prev: other, ..turn }).await;
        refuses_turn(&*store, ann.name(), Turn { first: Some(other), ..turn }).await;
        refuses_turn(&*store, ann.name(), Turn { first: None, ..turn }).await;
    }
    refuses_turn(&*store, ann.name(), Turn { at: 6, prev: other, first: None }).await;
    refuses_turn(&*store, ann.name(), Turn { at: 6, prev: ann.hash(), first: Some(other) }).await;
    refuses_turn(&*store, ann.name(), Turn { at: 0, prev: other, first: None }).await;
    refuses_turn(&*store, bob.name(), Turn { at: 1, prev: other, first: None }).await;
    refuses_turn(&*store, bob.name(), Turn { at: 2, prev: other, first: Some(other) }).await;
}

/// In a gap nothing can be compared.
pub async fn what_is_not_known_is_taken_as_told<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let held = ann.run(2);
    ann.run(3);
    commit(&*store, &[held, ann.adopt(), ann.run(1)]).await;
    let wrong = Turn { at: 6, prev: ChainHash([3; 32]), first: Some(ann.hash()) };
    refuses_turn(&*store, ann.name(), wrong).await;
    let inside = Turn { at: 4, prev: ChainHash([3; 32]), first: Some(ChainHash([4; 32])) };
    store.turn(ann.name(), &inside).await.unwrap();
    let head = head(&*store, ann.id()).await;
    assert_eq!((head.height, head.hash), (3, inside.prev));
    assert_eq!(head.gaps, [SeqRange { first: 3, last: 3 }]);
}

/// What is dropped goes on under the name of a branch.
pub async fn the_branch_is_a_log_like_any_other<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let items = [ann.run(2), ann.run(3)];
    commit(&*store, &items).await;
    let turn = fitting(&*store, ann.id(), 3).await;
    let branch = Some(Branch { parent: ann.id(), first: turn.first.unwrap() });
    let name = Arc::new(LogName { branch, ..(**ann.name()).clone() });
    let tail: StoredRun = stored(&items[1]).relabel(name.id()).unwrap();
    let stamp = LogWriter::stamp_at(2);
    let batch = [
        CommitItem::Adopt { log: name.clone(), floor: 2, hash: turn.prev, stamp, seal: None },
        CommitItem::Run { log: name.clone(), prev: tail.prev, run: tail.run.clone(), end: ann.hash() },
    ];
    commit(&*store, &batch).await;
    store.turn(ann.name(), &turn).await.unwrap();
    let after = head(&*store, name.id()).await;
    assert_eq!((after.floor, after.floor_hash, after.height, after.hash), (2, turn.prev, 5, ann.hash()));
    assert_eq!(read_all(&*store, name.id()).await, [tail]);
    assert_eq!(commit(&*store, &batch).await.arrivals, [None, None]);
}

/// A log that comes back after its removal has none.
pub async fn is_removed_with_the_log<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let item = ann.run(2);
    commit(&*store, std::slice::from_ref(&item)).await;
    let turn = turn_at(&*store, ann.name(), 2).await;
    store.remove(&Scope::Log(ann.id())).await.unwrap();
    assert_eq!(find_head(&*store, ann.id()).await, None);
    rejected(store.turn(ann.name(), &turn).await);
    commit(&*store, &[item]).await;
    assert_eq!(head(&*store, ann.id()).await.turn, None);
}
