//! Between driver and store: group commit, failures, what a crash leaves behind.

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use common::tuned::Tuned;
use common::{Count, Joined, eventually, notes, on, payloads, soon};
use gossip_core::proto::{Meta, Scope};
use gossip_core::{
    ChannelId, ChannelRepository, CommandError, EntryRepository, Error, Fault, From, StreamId,
};
use gossip_store_memory::MemoryStore;
use gossip_testkit::fixture::LogWriter;
use tokio::sync::Semaphore;

#[tokio::test]
async fn what_waits_for_the_store_becomes_one_commit_over_all_streams() {
    // Ten commits pass; then the gate is shut, and every stream knows its writer.
    let tuned = Arc::new(Tuned { gate: Semaphore::new(10), ..Tuned::new() });
    let node = on("ann", tuned.double()).await;
    let channel = node.channel("project").await.unwrap();
    let mut streams = Vec::new();
    for n in 0..10 {
        let stream = channel.stream(format!("s{n}")).await.unwrap();
        stream.append("begin").await.unwrap();
        streams.push(stream);
    }
    let mut appends = Vec::new();
    for (n, stream) in streams.into_iter().enumerate() {
        appends.push(tokio::spawn(async move {
            let id = stream.append(format!("{n}")).await.unwrap();
            assert_eq!(stream.get(id).await.unwrap().unwrap().payload(), format!("{n}").as_bytes());
            id
        }));
        tokio::task::yield_now().await;
    }
    // The first commit waits at the gate with what came first; all others, of a byte each, wait behind it.
    eventually("handed over", || async { node.health().await.unwrap().append_bytes == 10 }).await;
    tuned.gate.add_permits(100);
    let mut logs = std::collections::BTreeSet::new();
    for append in appends {
        logs.insert(soon("append", append).await.unwrap().log);
    }
    assert_eq!(logs.len(), 10);
    assert!(tuned.commits.load(Ordering::SeqCst) <= 10 + 3, "{:?} commits", tuned.commits);
}

#[tokio::test]
async fn one_bad_commit_does_not_fail_its_neighbours() {
    let tuned = Arc::new(Tuned { gate: Semaphore::new(4), poison: Some(b"poison"), ..Tuned::new() });
    let node = on("ann", tuned.double()).await;
    let channel = node.channel("project").await.unwrap();
    let mut streams = Vec::new();
    for payload in ["first", "good", "poison", "fine"] {
        let stream = channel.stream(payload).await.unwrap();
        stream.append("begin").await.unwrap();
        streams.push((payload, stream));
    }
    let mut appends = Vec::new();
    for (payload, stream) in streams {
        appends.push(tokio::spawn(async move { stream.append(payload).await.map(|id| id.sequence) }));
        tokio::task::yield_now().await;
    }
    eventually("handed over", || async { node.health().await.unwrap().append_bytes == 19 }).await;
    tuned.gate.add_permits(100);
    let mut results = Vec::new();
    for append in appends {
        results.push(soon("append", append).await.unwrap());
    }
    assert!(
        matches!(&results[2], Err(Error::Command(CommandError::Store(failure))) if failure.fault == Fault::Rejected)
    );
    let others = [&results[0], &results[1], &results[3]];
    assert!(others.iter().all(|result| matches!(result, Ok(2))), "{others:?}");
}

#[tokio::test]
async fn a_failed_commit_is_told_and_the_next_one_works() {
    let tuned = Arc::new(Tuned::new());
    let node = on("ann", tuned.double()).await;
    let stream = notes(&node).await;
    stream.append("1").await.unwrap();
    for fault in [Fault::Transient, Fault::Full] {
        *tuned.fail.lock().unwrap() = Some(fault);
        let failed = soon("failure", stream.append("lost")).await;
        assert!(
            matches!(failed, Err(Error::Command(CommandError::Store(failure))) if failure.fault == fault)
        );
    }
    assert_eq!(soon("append", stream.append("2")).await.unwrap().sequence, 2);
    assert_eq!(payloads(&stream).await, ["1", "2"]);
    soon("shutdown", node.shutdown()).await.unwrap();
}

#[tokio::test]
async fn views_wait_for_a_store_that_recovers() {
    let tuned = Arc::new(Tuned::new());
    let node = on("ann", tuned.double()).await;
    let stream = notes(&node).await;
    let (total, any) = (stream.view(Joined).await.unwrap(), stream.view(Count).await.unwrap());
    let mut live = stream.subscribe(From::Start).await.unwrap();
    tuned.blind.store(true, Ordering::SeqCst);
    // Too large to be handed over from memory.
    let large = vec![b'a'; 100_000];
    stream.append(large.clone()).await.unwrap();
    let failed = soon("failure", live.next()).await;
    assert!(matches!(failed, Some(Err(Error::Store(_)))));
    tuned.blind.store(false, Ordering::SeqCst);
    assert_eq!(soon("again", live.next()).await.unwrap().unwrap().payload(), large);
    soon("total", total.wait_for(|seen| seen.len() == 1)).await.unwrap();
    soon("any", any.wait_for(|n| *n == 1)).await.unwrap();
}

#[tokio::test]
async fn what_an_interrupted_removal_left_is_cleaned_at_the_next_start() {
    let store = Arc::new(MemoryStore::new());
    let node = on("ann", store.clone()).await;
    let channel = node.channel("project").await.unwrap();
    for stream in ["kept", "refused"] {
        channel.stream(stream).await.unwrap().append("x").await.unwrap();
    }
    node.channel("half").await.unwrap().stream("s").await.unwrap().append("x").await.unwrap();
    node.shutdown().await.unwrap();
    // As after a crash between the two steps of each removal.
    store.delete_channel(&ChannelId::new("half").unwrap()).await.unwrap();
    let project = ChannelId::new("project").unwrap();
    let mut record = gossip_core::proto::StreamRecord::new(StreamId::new("refused").unwrap());
    record.refused = true;
    store.save_stream(&project, &record).await.unwrap();

    let node = on("ann", store.clone()).await;
    assert_eq!(store.usage(&Scope::All).await.unwrap().logs, 1);
    assert_eq!(node.channels().await.unwrap(), [project]);
    let stream = node.channel("half").await.unwrap().stream("s").await.unwrap();
    assert!(payloads(&stream).await.is_empty());
}

/// More logs than a store lists at once: all are known after a start, read, and written to a file.
#[tokio::test]
async fn logs_beyond_the_first_page_of_a_listing_are_known_too() {
    const LOGS: usize = 600;
    let store = Arc::new(MemoryStore::new());
    let node = on("ann", store.clone()).await;
    notes(&node).await;
    node.shutdown().await.unwrap();
    let authors = (0..LOGS).map(|n| LogWriter::new("project", "notes", &format!("author-{n}")).run(1));
    store.commit(&authors.collect::<Vec<_>>(), &Meta::default()).await.unwrap();
    let node = on("ann", store).await;
    let stream = notes(&node).await;
    assert_eq!(stream.version().await.unwrap().iter().count(), LOGS);
    assert_eq!(payloads(&stream).await.len(), LOGS);
    let channel = node.channel("project").await.unwrap();
    let (told, _) = channel.export(Vec::new()).await.unwrap();
    assert_eq!((told.logs, told.entries), (LOGS as u64, LOGS as u64));
}

/// The record says that it is gone before the entries are: what is taken in after that would not be
/// there at the next start.
#[tokio::test]
async fn what_is_acknowledged_after_half_a_removal_outlives_the_node() {
    for whole in [true, false] {
        let (tuned, store) = (Arc::new(Tuned::new()), MemoryStore::new());
        let node = on("ann", tuned.around(store.clone())).await;
        let stream = notes(&node).await;
        stream.append("before").await.unwrap();
        tuned.stuck.store(1, Ordering::SeqCst);
        let removing = async {
            match whole {
                true => node.remove_channel("project").await,
                false => node.channel("project").await.unwrap().remove_stream("notes").await,
            }
        };
        let removed = soon("an answer", removing).await;
        let held = soon("an answer", stream.append("after")).await.is_ok();
        soon("the end", node.shutdown()).await.unwrap();
        let node = on("ann", Arc::new(store)).await;
        let found = payloads(&notes(&node).await).await;
        assert_eq!(found.contains(&"after".to_owned()), held, "{whole}: {removed:?}, {found:?}");
        assert!(removed.is_ok(), "{whole}: a disk that was full for a moment: {removed:?}");
    }
}
