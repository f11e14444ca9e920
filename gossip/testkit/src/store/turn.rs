//! Laws of `turn`.

use gossip_core::Store;
use gossip_core::continuity::MAX_TURNS;
use gossip_proto::{ChainHash, LogId, Scope, Seq, SeqRange, StoredRun, Turn};

use super::StoreHarness;
use super::expect::{commit, everything, find_head, head, rejected, sequences};
use crate::fixture::{LogWriter, stored};

/// A turn that fits what is stored.
async fn fitting(store: &dyn Store, log: LogId, at: Seq) -> Turn {
    let hashes = store.hash_at(log, &[at - 1, at]).await.unwrap();
    Turn { at, prev: hashes[0], first: Some(hashes[1]) }
}

async fn refuses(store: &dyn Store, log: LogId, turn: Turn) {
    let before = everything(store).await;
    rejected(store.turn(log, &turn).await);
    assert_eq!(everything(store).await, before, "a refusal writes nothing: {turn:?}");
}

/// Turns stand in the head in order of their place, whatever the order they came in; nothing else moves.
pub async fn is_kept_in_order_and_moves_nothing<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    commit(&*store, &[ann.run(3), ann.run(3)]).await;
    let (mut before, mut turns) = (everything(&*store).await, Vec::new());
    assert_eq!(before.0[0].turns, []);
    for at in [5, 1, 4, 6] {
        turns.push(fitting(&*store, ann.id(), at).await);
        store.turn(ann.id(), turns.last().unwrap()).await.unwrap();
    }
    turns.sort();
    before.0[0].turns = turns;
    assert_eq!(everything(&*store).await, before);
}

/// The same again is accepted and changes nothing, also when what it speaks of is gone.
pub async fn is_idempotent<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    commit(&*store, &[ann.run(5)]).await;
    let turn = fitting(&*store, ann.id(), 3).await;
    store.turn(ann.id(), &turn).await.unwrap();
    for floor in [0, 5] {
        store.prune(&[(ann.id(), floor)]).await.unwrap();
        let before = everything(&*store).await;
        store.turn(ann.id(), &turn).await.unwrap();
        assert_eq!(everything(&*store).await, before);
    }
}

/// It is there after reopening.
pub async fn survives_reopening<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let (mut ann, mut bob) = (LogWriter::new("c", "s", "ann"), LogWriter::new("c", "s", "bob"));
    commit(&*store, &[ann.run(5), bob.run(2)]).await;
    for (log, at) in [(ann.id(), 3), (ann.id(), 5), (bob.id(), 1)] {
        let turn = fitting(&*store, log, at).await;
        store.turn(log, &turn).await.unwrap();
    }
    let open = Turn { at: 3, prev: bob.hash(), first: None };
    store.turn(bob.id(), &open).await.unwrap();
    let before = everything(&*store).await;
    drop(store);
    let store = place.open().await;
    assert_eq!(everything(&*store).await, before);
    assert_eq!(head(&*store, ann.id()).await.turns.len(), 2);
    assert_eq!(head(&*store, bob.id()).await.turns[1], open);
}

/// Entries below and above it may be dropped: it stays.
pub async fn a_prune_passes_it<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    commit(&*store, &[ann.run(6)]).await;
    let turn = fitting(&*store, ann.id(), 3).await;
    store.turn(ann.id(), &turn).await.unwrap();
    for floor in 1..=6 {
        store.prune(&[(ann.id(), floor)]).await.unwrap();
        let head = head(&*store, ann.id()).await;
        assert_eq!((head.floor, head.turns), (floor, vec![turn]));
    }
    // What lies below the floor is not known any more.
    refuses(&*store, ann.id(), Turn { at: 5, prev: ChainHash([1; 32]), first: Some(ann.hash()) }).await;
}

/// Runs may be joined over the place.
pub async fn a_replacement_leaves_it<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let items = [ann.run(2), ann.run(3)];
    commit(&*store, &items).await;
    let turn = fitting(&*store, ann.id(), 3).await;
    store.turn(ann.id(), &turn).await.unwrap();
    let joined = StoredRun::join(&items.iter().map(stored).collect::<Vec<_>>()).unwrap();
    store.replace(ann.id(), SeqRange { first: 1, last: 5 }, joined).await.unwrap();
    assert_eq!(head(&*store, ann.id()).await.turns, [turn]);
}

/// Commits above a turn are what they always were, and leave it.
pub async fn the_log_goes_on_above_it<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    commit(&*store, &[ann.run(2)]).await;
    let turn = fitting(&*store, ann.id(), 2).await;
    store.turn(ann.id(), &turn).await.unwrap();
    commit(&*store, &[ann.run(3), ann.adopt()]).await;
    assert_eq!(sequences(&*store, ann.id()).await, [1, 2, 3, 4, 5]);
    assert_eq!(head(&*store, ann.id()).await.turns, [turn]);
}

/// Where the log does not reach yet no hash is told; once it does, it may be.
pub async fn a_turn_above_the_height_tells_no_hash<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    commit(&*store, &[ann.run(2)]).await;
    let (far, hash) = (ChainHash([5; 32]), ChainHash([6; 32]));
    refuses(&*store, ann.id(), Turn { at: 3, prev: ann.hash(), first: Some(hash) }).await;
    refuses(&*store, ann.id(), Turn { at: 9, prev: far, first: Some(hash) }).await;
    let next = Turn { at: 3, prev: ann.hash(), first: None };
    for turn in [Turn { at: 9, prev: far, first: None }, next] {
        store.turn(ann.id(), &turn).await.unwrap();
    }
    commit(&*store, &[ann.run(1)]).await;
    let grown = Turn { first: Some(ann.hash()), ..next };
    store.turn(ann.id(), &grown).await.unwrap();
    assert_eq!(head(&*store, ann.id()).await.turns, [grown, Turn { at: 9, prev: far, first: None }]);
    refuses(&*store, ann.id(), next).await;
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
        refuses(&*store, ann.id(), Turn { prev: other, ..turn }).await;
        refuses(&*store, ann.id(), Turn { first: Some(other), ..turn }).await;
        refuses(&*store, ann.id(), Turn { first: None, ..turn }).await;
    }
    refuses(&*store, ann.id(), Turn { at: 6, prev: other, first: None }).await;
    refuses(&*store, ann.id(), Turn { at: 0, prev: other, first: None }).await;
    refuses(&*store, bob.id(), Turn { at: 1, prev: bob.hash(), first: None }).await;
}

/// In a gap nothing can be compared.
pub async fn what_is_not_known_is_taken_as_told<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let held = ann.run(2);
    ann.run(3);
    commit(&*store, &[held, ann.adopt(), ann.run(1)]).await;
    let inside = Turn { at: 4, prev: ChainHash([3; 32]), first: Some(ChainHash([4; 32])) };
    store.turn(ann.id(), &inside).await.unwrap();
    assert_eq!(head(&*store, ann.id()).await.turns, [inside]);
    let after = Turn { at: 6, prev: ChainHash([3; 32]), first: Some(ann.hash()) };
    refuses(&*store, ann.id(), after).await;
}

/// What was noted of a place stays.
pub async fn another_word_on_a_place_is_refused<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    commit(&*store, &[ann.run(2)]).await;
    let far = Turn { at: 9, prev: ChainHash([5; 32]), first: None };
    store.turn(ann.id(), &far).await.unwrap();
    refuses(&*store, ann.id(), Turn { prev: ChainHash([6; 32]), ..far }).await;
}

/// The number of turns is bounded; those noted may be repeated all the same.
pub async fn more_than_the_bound_are_refused<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    commit(&*store, &[ann.run(MAX_TURNS as u64 + 1)]).await;
    for at in 2..MAX_TURNS as u64 + 2 {
        let turn = fitting(&*store, ann.id(), at).await;
        store.turn(ann.id(), &turn).await.unwrap();
    }
    let more = fitting(&*store, ann.id(), 1).await;
    refuses(&*store, ann.id(), more).await;
    let again = fitting(&*store, ann.id(), 2).await;
    store.turn(ann.id(), &again).await.unwrap();
    assert_eq!(head(&*store, ann.id()).await.turns.len(), MAX_TURNS);
}

/// A log that comes back after its removal has none.
pub async fn is_removed_with_the_log<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let item = ann.run(2);
    commit(&*store, std::slice::from_ref(&item)).await;
    let turn = fitting(&*store, ann.id(), 2).await;
    store.turn(ann.id(), &turn).await.unwrap();
    store.remove(&Scope::Log(ann.id())).await.unwrap();
    assert_eq!(find_head(&*store, ann.id()).await, None);
    rejected(store.turn(ann.id(), &turn).await);
    commit(&*store, &[item]).await;
    assert_eq!(head(&*store, ann.id()).await.turns, []);
}
