//! Subscriptions: nothing lost, nothing twice, resumable anywhere.

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use common::tuned::Tuned;
use common::{local, notes, on, soon};
use futures_util::FutureExt;
use gossip_core::{Cursor, Delivered, Error, From, Retention};
use gossip_store_memory::MemoryStore;

#[tokio::test]
async fn history_first_then_live_and_other_streams_do_not_show() {
    let node = local("ann").await;
    let stream = notes(&node).await;
    let other = node.channel("project").await.unwrap().stream("other").await.unwrap();
    stream.append_all(["1", "2"]).await.unwrap();
    let mut live = stream.subscribe(From::Start).await.unwrap();
    let mut now = stream.subscribe(From::Now).await.unwrap();
    other.append("elsewhere").await.unwrap();
    stream.append("3").await.unwrap();
    for expected in ["1", "2", "3"] {
        let entry = soon("entry", live.next()).await.unwrap().unwrap();
        assert_eq!(entry.payload(), expected.as_bytes());
    }
    assert_eq!(soon("entry", now.next()).await.unwrap().unwrap().payload(), b"3");
    assert!(live.next().now_or_never().is_none());
    assert_eq!(node.resource_usage().await.unwrap().subscriptions, 2);
    drop((live, now));
    assert_eq!(node.resource_usage().await.unwrap().subscriptions, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_is_dropped_and_slow_misses_nothing() {
    let node = local("ann").await;
    let stream = notes(&node).await;
    let mut live = stream.subscribe(From::Now).await.unwrap();
    let writer = tokio::spawn({
        let stream = stream.clone();
        async move {
            for n in 0..500_u32 {
                stream.append(n.to_be_bytes().to_vec()).await.unwrap();
            }
        }
    });
    let mut expected = 0_u32;
    while expected < 500 {
        // Dropped at every other turn, wherever it stands.
        tokio::select! {
            biased;
            () = tokio::task::yield_now() => {}
            entry = live.next() => {
                assert_eq!(entry.unwrap().unwrap().payload(), expected.to_be_bytes());
                expected += 1;
            }
        }
        if let Some(Some(entry)) = live.next().now_or_never() {
            assert_eq!(entry.unwrap().payload(), expected.to_be_bytes());
            expected += 1;
        }
    }
    writer.await.unwrap();
}

#[tokio::test]
async fn a_cursor_resumes_inside_a_run_after_a_restart() {
    let store = Arc::new(MemoryStore::new());
    let node = on("ann", store.clone()).await;
    let stream = notes(&node).await;
    stream.append_all(["1", "2", "3"]).await.unwrap();
    let mut live = stream.subscribe(From::Start).await.unwrap();
    live.next().await.unwrap().unwrap();
    let cursor: Cursor = live.cursor().to_string().parse().unwrap();
    node.shutdown().await.unwrap();
    soon("the rest, then the end", async { while live.next().await.is_some() {} }).await;

    let node = on("ann", store).await;
    let stream = notes(&node).await;
    stream.append("4").await.unwrap();
    let mut live = stream.subscribe(From::Cursor(cursor)).await.unwrap();
    for expected in ["2", "3", "4"] {
        assert_eq!(soon("entry", live.next()).await.unwrap().unwrap().payload(), expected.as_bytes());
    }
}

#[tokio::test]
async fn cursors_that_mean_nothing_here_are_refused() {
    let node = local("ann").await;
    let stream = notes(&node).await;
    stream.append("x").await.unwrap();
    let mine = stream.subscribe(From::Now).await.unwrap().cursor();
    let beyond = Cursor { arrival: gossip_core::proto::Arrival(mine.arrival.0 + 1), ..mine };
    let refused = stream.subscribe(From::Cursor(beyond)).await;
    assert!(matches!(refused, Err(Error::CursorBeyondEnd { .. })));
    let other = notes(&local("bob").await).await;
    let refused = other.subscribe(From::Cursor(mine)).await;
    assert!(matches!(refused, Err(Error::ForeignCursor { .. })));
}

#[tokio::test]
async fn what_was_pruned_shows_as_one_gap() {
    let node = local("ann").await;
    let stream = node.channel("project").await.unwrap();
    let stream = stream.stream_with("notes", Retention::CountBased(3)).await.unwrap();
    for n in 1..=10 {
        stream.append(format!("{n}")).await.unwrap();
    }
    assert_eq!(stream.compact().await.unwrap().entries, 7);
    let mut live = stream.subscribe(From::Start).await.unwrap();
    let gap = live.next_delivered().await.unwrap().unwrap();
    let Delivered::Gap { range, .. } = gap else { panic!("{gap:?}") };
    assert_eq!((range.first, range.last), (1, 7));
    for expected in ["8", "9", "10"] {
        assert_eq!(live.next().await.unwrap().unwrap().payload(), expected.as_bytes());
    }
    let mut live = stream.subscribe(From::Start).await.unwrap();
    assert!(matches!(live.next().await, Some(Err(Error::Gap { .. }))));
    assert_eq!(live.next().await.unwrap().unwrap().payload(), b"8");
}

#[tokio::test]
async fn a_subscription_ends_with_its_stream() {
    let node = local("ann").await;
    let stream = notes(&node).await;
    let mut live = stream.subscribe(From::Start).await.unwrap();
    let mut other = stream.subscribe(From::Start).await.unwrap();
    node.channel("project").await.unwrap().remove_stream("notes").await.unwrap();
    assert!(soon("end", live.next()).await.is_none());
    assert!(matches!(stream.subscribe(From::Start).await, Err(Error::Command(_))));
    node.shutdown().await.unwrap();
    assert!(soon("end", other.next()).await.is_none());
}

#[tokio::test]
async fn a_reader_that_has_caught_up_reads_only_what_was_too_large_to_remember() {
    let tuned = Arc::new(Tuned::new());
    let stream = notes(&on("ann", tuned.double()).await).await;
    let mut live = stream.subscribe(From::Now).await.unwrap();
    let before = tuned.reads.load(Ordering::SeqCst);
    for n in 0..20_u8 {
        stream.append(vec![n]).await.unwrap();
        assert_eq!(soon("entry", live.next()).await.unwrap().unwrap().payload(), [n]);
        assert!(live.next().now_or_never().is_none());
    }
    assert_eq!(tuned.reads.load(Ordering::SeqCst) - before, 0);
    for _ in 0..3 {
        stream.append(vec![7; 100_000]).await.unwrap();
        assert_eq!(soon("entry", live.next()).await.unwrap().unwrap().payload(), [7; 100_000]);
        assert!(live.next().now_or_never().is_none());
    }
    assert_eq!(tuned.reads.load(Ordering::SeqCst) - before, 3, "once for each wake");
}

#[tokio::test]
async fn what_was_erased_or_pruned_is_not_delivered_from_memory() {
    let stream = notes(&local("ann").await).await;
    let mut live = stream.subscribe(From::Now).await.unwrap();
    let first = stream.append("first").await.unwrap();
    let second = stream.append("second").await.unwrap();
    assert!(stream.erase(second).await.unwrap());
    assert_eq!(soon("entry", live.next()).await.unwrap().unwrap().id(), first);
    let erased = soon("entry", live.next()).await.unwrap().unwrap();
    assert_eq!((erased.id(), erased.bytes()), (second, None));
    stream.set_retention(Retention::CountBased(1)).await.unwrap();
    for payload in ["3", "4", "5"] {
        stream.append(payload).await.unwrap();
    }
    stream.compact().await.unwrap();
    let gap = soon("gap", live.next()).await.unwrap();
    assert!(matches!(gap, Err(Error::Gap { range, .. }) if (range.first, range.last) == (3, 4)));
    assert_eq!(soon("entry", live.next()).await.unwrap().unwrap().payload(), b"5");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_readers_of_several_streams_miss_nothing_and_see_nothing_twice() {
    let node = local("ann").await;
    let channel = node.channel("project").await.unwrap();
    let mut tasks = Vec::new();
    for name in ["a", "b", "c"] {
        let stream = channel.stream(name).await.unwrap();
        let mut live = stream.subscribe(From::Now).await.unwrap();
        tasks.push(tokio::spawn(async move {
            for n in 0..300_u32 {
                stream.append(n.to_be_bytes().to_vec()).await.unwrap();
            }
        }));
        tasks.push(tokio::spawn(async move {
            for n in 0..300_u32 {
                let entry = soon("entry", live.next()).await.unwrap().unwrap();
                assert_eq!(entry.payload(), n.to_be_bytes());
            }
            assert!(live.next().now_or_never().is_none());
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}
