//! What holds above any engine.

mod bytes;
mod engine;
mod flips;
mod haste;
mod names;
mod upgrade;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::time::Duration;

use gossip_core::proto::{Arrival, Durability, Fault, Meta, Scope, StoredRun};
use gossip_core::{EntryRepository, NodeRepository, SnapshotRepository, StoreError};
use gossip_testkit::fixture::LogWriter;
use tokio::runtime::Builder;
use tokio::task::spawn_blocking;

use self::engine::{Ground, Tiny};
use crate::{KvStore, Table};

fn store(durability: Durability) -> (KvStore<Tiny>, Arc<Ground>) {
    let ground = Arc::new(Ground::default());
    (KvStore::with_opener(Tiny::opener(&ground), durability).unwrap(), ground)
}

#[test]
fn a_read_queued_behind_the_closing_does_not_open_the_store_again() {
    let runtime = Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let (store, ground) = store(Durability::Sync);
        // The one thread is busy: closing and reading wait for it in this order.
        let (go, wait) = mpsc::channel::<()>();
        let busy = spawn_blocking(move || wait.recv());
        let mut closing = pin!(store.host.release("closing", Ok(())));
        let mut reading = pin!(store.last_arrival());
        poll_fn(|context| {
            assert!(closing.as_mut().poll(context).is_pending());
            assert!(reading.as_mut().poll(context).is_pending());
            Poll::Ready(())
        })
        .await;
        go.send(()).unwrap();
        busy.await.unwrap().unwrap();
        closing.await.unwrap();
        assert_eq!(reading.await.unwrap_err().fault, Fault::Closed);
        assert_eq!(ground.opened.load(Relaxed), 1, "nobody opened it again");
        store.load_node().await.unwrap();
        assert_eq!(ground.opened.load(Relaxed), 2, "a start does");
    });
}

#[tokio::test]
async fn only_a_start_opens_what_was_closed() {
    let (store, ground) = store(Durability::Group(Duration::from_secs(1)));
    let item = LogWriter::new("c", "s", "ann").run(1);
    store.commit(std::slice::from_ref(&item), &Meta::default()).await.unwrap();
    store.mark_closed().await.unwrap();
    store.mark_closed().await.expect("it is");
    let late = [
        store.commit(&[item], &Meta::default()).await.map(drop),
        store.incarnation().await.map(drop),
        store.delete_snapshot("key").await,
        store.prune(&[]).await.map(drop),
        store.heads(&Scope::All, None, 9).await.map(drop),
        store.arrivals(&Scope::All, Arrival(0), 9).await.map(drop),
    ];
    for late in late {
        assert_eq!(late.unwrap_err().fault, Fault::Closed);
    }
    assert_eq!((ground.opened.load(Relaxed), ground.open.load(Relaxed)), (1, 0), "others may have the files");
    assert!(!store.mark_open().await.unwrap());
    assert_eq!(store.last_arrival().await.unwrap(), Arrival(1));
}

#[tokio::test]
async fn a_start_that_fails_leaves_the_store_closed() {
    let (ground, taken) = (Arc::new(Ground::default()), Arc::new(AtomicBool::new(false)));
    let (mut open, by_others) = (Tiny::opener(&ground), taken.clone());
    let opener = Box::new(move |opening| match by_others.load(Relaxed) {
        true => Err(StoreError::new(Fault::Rejected, "opening", "it is open already")),
        false => open(opening),
    });
    let store = KvStore::with_opener(opener, Durability::Sync).unwrap();
    store.mark_closed().await.unwrap();
    taken.store(true, Relaxed);
    assert_eq!(store.load_node().await.unwrap_err().fault, Fault::Rejected);
    taken.store(false, Relaxed);
    assert_eq!(store.last_arrival().await.unwrap_err().fault, Fault::Closed);
    assert_eq!(ground.open.load(Relaxed), 0);
    store.load_node().await.unwrap();
    store.last_arrival().await.unwrap();
}

#[tokio::test]
async fn another_store_in_the_place_of_the_one_that_was_open_is_refused() {
    let (store, ground) = store(Durability::Sync);
    store.mark_closed().await.unwrap();
    let own = ground.rows.lock().unwrap().clone();
    let (_, other) = self::store(Durability::Sync);
    ground.rows.lock().unwrap().clone_from(&other.rows.lock().unwrap());
    assert_eq!(store.load_node().await.unwrap_err().fault, Fault::Rejected);
    *ground.rows.lock().unwrap() = own;
    store.load_node().await.unwrap();
    let rows = std::mem::take(&mut *ground.rows.lock().unwrap());
    store.mark_closed().await.unwrap();
    ground.rows.lock().unwrap().clear();
    assert_eq!(store.load_node().await.unwrap_err().fault, Fault::Rejected, "an empty one too");
    *ground.rows.lock().unwrap() = rows;
    store.load_node().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_group_is_synced_after_its_delay_and_once() {
    let (store, ground) = store(Durability::Group(Duration::from_millis(50)));
    let before = ground.syncs.load(Relaxed);
    let mut ann = LogWriter::new("c", "s", "ann");
    for _ in 0..5 {
        store.commit(&[ann.run(1)], &Meta::default()).await.unwrap();
    }
    assert_eq!(ground.syncs.load(Relaxed), before, "commits do not wait");
    tokio::time::sleep(Duration::from_millis(60)).await;
    // The task has its turn when it asked for the writer's; an empty write comes behind it.
    store.commit(&[], &Meta::default()).await.unwrap();
    assert_eq!(ground.syncs.load(Relaxed), before + 1);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(ground.syncs.load(Relaxed), before + 1, "nothing runs while nothing is to be synced");
}

#[tokio::test(start_paused = true)]
async fn a_sync_that_failed_in_the_background_fails_the_next_commit() {
    let (store, ground) = store(Durability::Group(Duration::from_millis(50)));
    let mut ann = LogWriter::new("c", "s", "ann");
    ground.fail_syncs.store(true, Relaxed);
    store.commit(&[ann.run(1)], &Meta::default()).await.unwrap();
    let opened = ground.opened.load(Relaxed);
    tokio::time::sleep(Duration::from_millis(60)).await;
    let item = ann.run(1);
    let mut told = store.commit(std::slice::from_ref(&item), &Meta::default()).await;
    for _ in 0..100 {
        if told.is_err() {
            break;
        }
        told = store.commit(std::slice::from_ref(&item), &Meta::default()).await;
    }
    assert_eq!(told.unwrap_err().fault, Fault::Unknown);
    ground.fail_syncs.store(false, Relaxed);
    // Another sync may have been under way, and is told as well.
    let mut again = store.commit(std::slice::from_ref(&item), &Meta::default()).await;
    if again.is_err() {
        again = store.commit(&[item], &Meta::default()).await;
    }
    again.unwrap();
    assert!((1..=2).contains(&(ground.opened.load(Relaxed) - opened)), "and was opened again");
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_synced_in_the_background_is_still_to_be_synced() {
    let (store, ground) = store(Durability::Group(Duration::from_millis(50)));
    ground.fail_syncs.store(true, Relaxed);
    store.commit(&[LogWriter::new("c", "s", "ann").run(1)], &Meta::default()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(60)).await;
    while store.commit(&[], &Meta::default()).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(store.host.unsynced.load(Relaxed), "it is not claimed to be synced");
    let before = ground.syncs.load(Relaxed);
    ground.fail_syncs.store(false, Relaxed);
    // Another sync may have been under way, and is told as well.
    if store.commit(&[], &Meta::default()).await.is_err() {
        store.commit(&[], &Meta::default()).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(ground.syncs.load(Relaxed) > before && !store.host.unsynced.load(Relaxed));
}

#[tokio::test(start_paused = true)]
async fn a_sync_that_failed_in_the_background_is_tried_again_without_a_commit() {
    let (store, ground) = store(Durability::Group(Duration::from_millis(50)));
    ground.fail_syncs.store(true, Relaxed);
    let before = ground.syncs.load(Relaxed);
    store.commit(&[LogWriter::new("c", "s", "ann").run(1)], &Meta::default()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let tries = ground.syncs.load(Relaxed) - before;
    assert!((50..80).contains(&tries), "{tries}: about once a second in the end");
    assert!(store.host.unsynced.load(Relaxed), "it is not claimed to be synced");
    ground.fail_syncs.store(false, Relaxed);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!store.host.unsynced.load(Relaxed));
    let synced = ground.syncs.load(Relaxed);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(ground.syncs.load(Relaxed), synced, "nothing is left to do");
    // What the disk kept of it is known to nobody here.
    assert_eq!(store.commit(&[], &Meta::default()).await.unwrap_err().fault, Fault::Unknown);
    store.commit(&[], &Meta::default()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nothing_is_synced_in_the_background_after_the_closing() {
    let (store, ground) = store(Durability::Group(Duration::from_millis(50)));
    ground.fail_syncs.store(true, Relaxed);
    store.commit(&[LogWriter::new("c", "s", "ann").run(1)], &Meta::default()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    ground.fail_syncs.store(false, Relaxed);
    store.mark_closed().await.unwrap_err();
    let opened = ground.opened.load(Relaxed);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!((ground.opened.load(Relaxed), ground.open.load(Relaxed)), (opened, 0));
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_keeps_failing_is_not_opened_again_for_every_caller() {
    let (store, ground) = store(Durability::Sync);
    let opened = || ground.opened.load(Relaxed);
    ground.fail_syncs.store(true, Relaxed);
    let before = opened();
    for turn in 0..200 {
        let error = store.mark_open().await.unwrap_err();
        assert!(turn == 0 || matches!(error.fault, Fault::Unknown | Fault::Transient), "{error}");
    }
    assert_eq!(opened() - before, 3, "no time passed: tried at once, and then no more");
    for pause in [10, 20, 40, 80, 160, 320, 640, 1000, 1000] {
        let before = opened();
        tokio::time::advance(Duration::from_millis(pause - 1)).await;
        assert_eq!(store.last_arrival().await.unwrap_err().fault, Fault::Transient, "before {pause} ms");
        tokio::time::advance(Duration::from_millis(1)).await;
        store.last_arrival().await.unwrap();
        assert_eq!(opened(), before + 1, "after {pause} ms");
        assert!(store.mark_open().await.is_err());
    }
    ground.fail_syncs.store(false, Relaxed);
    tokio::time::advance(Duration::from_secs(1)).await;
    store.mark_open().await.unwrap();
    ground.fail_syncs.store(true, Relaxed);
    store.mark_open().await.unwrap_err();
    store.last_arrival().await.expect("at once again: it had worked meanwhile");
}

#[tokio::test]
async fn what_is_buffered_is_synced_with_the_next_record_at_the_latest() {
    let (store, ground) = store(Durability::Buffered);
    let before = ground.syncs.load(Relaxed);
    store.commit(&[LogWriter::new("c", "s", "ann").run(1)], &Meta::default()).await.unwrap();
    assert_eq!(ground.syncs.load(Relaxed), before);
    store.mark_open().await.unwrap();
    assert_eq!(ground.syncs.load(Relaxed), before + 1);
}

#[tokio::test]
async fn without_syncs_joining_needs_none_and_erasing_does() {
    let (store, ground) = store(Durability::Buffered);
    let mut ann = LogWriter::new("c", "s", "ann");
    store.commit(&[ann.run(2), ann.run(2)], &Meta::default()).await.unwrap();
    let before = ground.syncs.load(Relaxed);
    let joined = StoredRun::join(&store.read(ann.id(), 1, usize::MAX).await.unwrap()).unwrap();
    store.replace(std::slice::from_ref(&joined)).await.unwrap();
    assert_eq!(store.read(ann.id(), 1, usize::MAX).await.unwrap().len(), 1);
    assert_eq!(ground.syncs.load(Relaxed), before, "it would not be missed");
    let hollow = joined.hollowed(|entry| entry.sequence == 2).unwrap();
    store.replace(std::slice::from_ref(&hollow)).await.unwrap();
    assert_eq!(store.read(ann.id(), 1, usize::MAX).await.unwrap(), [hollow]);
    assert_eq!(ground.syncs.load(Relaxed), before + 1, "what was erased must not come back");
}

#[tokio::test]
async fn an_append_to_a_known_log_reads_nothing() {
    let (store, ground) = store(Durability::Sync);
    let mut ann = LogWriter::new("c", "s", "ann");
    store.commit(&[ann.run(1)], &Meta::default()).await.unwrap();
    let before = ground.reads.load(Relaxed);
    store.commit(&[ann.run(3)], &Meta::default()).await.unwrap();
    assert_eq!(ground.reads.load(Relaxed), before);
}

#[tokio::test]
async fn a_log_written_one_entry_at_a_time_has_one_row_that_is_read_in_parts() {
    let (store, ground) = store(Durability::Sync);
    let (mut ann, mut bob) = (LogWriter::new("c", "s", "ann"), LogWriter::new("c", "s", "bob"));
    for _ in 0..4 {
        store.commit(&[ann.run(1)], &Meta::default()).await.unwrap();
    }
    // What was joined is found again by a store that was opened anew.
    store.mark_closed().await.unwrap();
    store.load_node().await.unwrap();
    store.commit(&[ann.run(2)], &Meta::default()).await.unwrap();
    store.commit(&[bob.run(1), ann.run(1)], &Meta::default()).await.unwrap();
    let rows = || {
        let rows = ground.rows.lock().unwrap();
        rows.keys().filter(|(table, _)| *table == Table::Arrivals).count()
    };
    assert_eq!(rows(), 3, "bob came in between");
    let (mut after, mut parts) = (Arrival(0), Vec::new());
    loop {
        let page = store.arrivals(&Scope::All, after, 1).await.unwrap();
        parts.extend(page.items.iter().map(|part| (part.arrival.0, part.range.first, part.range.last)));
        let Some(next) = page.next else { break };
        after = next;
    }
    let ann = [(1, 1, 1), (2, 2, 2), (3, 3, 3), (4, 4, 4), (5, 5, 6)];
    assert_eq!(parts, [&ann[..], &[(7, 1, 1), (8, 7, 7)]].concat());
}

#[tokio::test]
async fn a_damaged_head_hides_no_other_and_its_log_comes_in_anew() {
    let (store, ground) = store(Durability::Sync);
    let (mut ann, mut bob) = (LogWriter::new("c", "s", "ann"), LogWriter::new("c", "s", "bob"));
    let items = [ann.run(2), bob.run(2), ann.run(1)];
    store.commit(&items, &Meta::default()).await.unwrap();
    store.mark_closed().await.unwrap();
    store.load_node().await.unwrap();
    let key = (Table::Heads, ann.id().0.to_vec());
    ground.rows.lock().unwrap().get_mut(&key).unwrap()[8] ^= 1;
    for scope in [Scope::All, ann.stream(), Scope::Log(ann.id())] {
        let heads = store.heads(&scope, None, 9).await.unwrap().items;
        assert!(heads.iter().all(|head| head.name.id() == bob.id()), "{scope:?}");
        assert_eq!(heads.len(), usize::from(!matches!(scope, Scope::Log(_))), "{scope:?}");
    }
    store.commit(&[bob.run(1)], &Meta::default()).await.unwrap();
    assert_eq!(store.usage(&Scope::All).await.unwrap().logs, 1);
    // Its first run again, as from a peer: nothing of before is left beside it.
    store.commit(&items[..1], &Meta::default()).await.unwrap();
    assert_eq!(store.heads(&Scope::All, None, 9).await.unwrap().items.len(), 2);
    assert_eq!(store.read(ann.id(), 1, usize::MAX).await.unwrap().len(), 1);
    let rows = store.arrivals(&Scope::Log(ann.id()), Arrival(0), usize::MAX).await.unwrap().items;
    let rows: Vec<_> = rows.iter().map(|row| (row.arrival.0, row.range.last, row.damaged)).collect();
    assert_eq!(rows, [(7, 2, None)]);
}

#[tokio::test]
async fn a_damaged_run_hides_nothing_around_it_and_becomes_a_gap() {
    let (store, ground) = store(Durability::Sync);
    let mut ann = LogWriter::new("c", "s", "ann");
    let items = [ann.run(2), ann.run(2), ann.run(2)];
    store.commit(&items, &Meta::default()).await.unwrap();
    for (key, value) in ground.rows.lock().unwrap().iter_mut() {
        if key.0 == Table::Runs && key.1.ends_with(&[4]) {
            value[60] ^= 1;
        }
    }
    let page = store.arrivals(&Scope::All, Arrival(0), usize::MAX).await.unwrap();
    let row = &page.items[0];
    let runs: Vec<_> = row.runs.iter().map(|stored| stored.run.first()).collect();
    assert_eq!((runs, row.damaged, page.items.len()), (vec![1, 5], Some(3), 1));
    let gap = store.isolate(ann.id(), 4).await.unwrap().expect("a gap");
    assert_eq!((gap.first, gap.last), (3, 4));
    assert_eq!(store.isolate(ann.id(), 4).await.unwrap(), None);
    assert_eq!(store.isolate(ann.id(), 5).await.unwrap(), None, "sound");
    store.hash_at(ann.id(), &[2, 4]).await.unwrap();
    let page = store.arrivals(&Scope::All, Arrival(0), usize::MAX).await.unwrap();
    assert_eq!(page.items[0].damaged, None);
}

#[tokio::test(start_paused = true)]
async fn closing_lets_go_of_the_files_also_when_an_earlier_sync_failed() {
    let (store, ground) = store(Durability::Group(Duration::from_millis(50)));
    assert!(!store.mark_open().await.unwrap());
    ground.fail_syncs.store(true, Relaxed);
    store.commit(&[LogWriter::new("c", "s", "ann").run(1)], &Meta::default()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(60)).await;
    while store.host.sync_failed.lock().unwrap().is_none() {
        tokio::task::yield_now().await;
    }
    ground.fail_syncs.store(false, Relaxed);
    assert_eq!(store.mark_closed().await.unwrap_err().fault, Fault::Unknown, "it is told");
    assert_eq!(ground.open.load(Relaxed), 0, "and nobody holds the files");
    assert_eq!(store.mark_closed().await.unwrap_err().fault, Fault::Closed, "and not marked by asking again");
    assert!(store.mark_open().await.unwrap(), "it was not closed cleanly");
    store.mark_closed().await.unwrap();
    assert_eq!(ground.open.load(Relaxed), 0);
    assert!(!store.mark_open().await.unwrap());
}

#[tokio::test]
async fn claims_of_a_life_that_promised_less_do_not_outlive_its_unclean_end() {
    use gossip_core::ChannelRepository;
    use gossip_core::proto::{ChannelId, Epoch, StreamId, StreamRecord};
    for (before, after, kept) in [
        (Durability::Buffered, Durability::Sync, false),
        (Durability::Group(Duration::from_secs(1)), Durability::Sync, false),
        (Durability::Sync, Durability::Sync, true),
        // The node itself sees to it, from what the store promises now.
        (Durability::Buffered, Durability::Buffered, true),
    ] {
        let (first, ground) = store(before);
        let channel = ChannelId::new("c").unwrap();
        let writer = Some(Epoch::new(1, 7));
        let record = StreamRecord { writer, ..StreamRecord::new(StreamId::new("s").unwrap()) };
        assert!(!first.mark_open().await.unwrap());
        first.save_stream(&channel, &record).await.unwrap();
        drop(first);
        let second = KvStore::with_opener(Tiny::opener(&ground), after).unwrap();
        assert!(second.mark_open().await.unwrap(), "the end was unclean");
        let found = second.streams(&channel, None, 9).await.unwrap().items;
        assert_eq!(found[0].writer.is_some(), kept, "{before:?}, then {after:?}");
    }
}
