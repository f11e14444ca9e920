//! One node without links: channels, streams, appends and reads.

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;

use common::{local, notes, on, payloads};
use gossip_core::{
    ChannelOptions, CommandError, Config, Coordinator, Direction, EntryId, Error, IdError, LogId, PageQuery,
    Place, Retention,
};
use gossip_store_memory::MemoryStore;

#[tokio::test]
async fn opening_again_never_wipes() {
    let node = local("ann").await;
    notes(&node).await.append("kept").await.unwrap();
    node.channel("project").await.unwrap();
    let again = notes(&node).await;
    assert_eq!(payloads(&again).await, ["kept"]);
    assert!(node.open_channel("none").await.unwrap().is_none());
    let channel = node.open_channel("project").await.unwrap().unwrap();
    assert!(channel.open_stream("none").await.unwrap().is_none());
    assert!(channel.open_stream("notes").await.unwrap().is_some());
    assert_eq!(channel.members().await.unwrap(), [node.id().clone()]);
    node.shutdown().await.unwrap();
}

#[tokio::test]
async fn names_are_checked_at_the_call() {
    let node = local("ann").await;
    assert!(matches!(node.channel(" ").await, Err(Error::Id(IdError::Blank))));
    let channel = node.channel("project").await.unwrap();
    assert!(matches!(channel.stream("a\nb").await, Err(Error::Id(IdError::Control(1)))));
    assert!(matches!(channel.add_member("x".repeat(200)).await, Err(Error::Id(IdError::TooLong(200)))));
    assert!(matches!(channel.stream_with("s", Retention::Composite(vec![])).await, Err(Error::Invalid(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_from_many_tasks_get_distinct_contiguous_sequences() {
    let node = local("ann").await;
    let stream = notes(&node).await;
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let stream = stream.clone();
            tokio::spawn(async move {
                let mut ids = Vec::new();
                for n in 0..50 {
                    ids.push(stream.append(format!("{task}/{n}")).await.unwrap());
                }
                ids
            })
        })
        .collect();
    let mut sequences = BTreeSet::new();
    for task in tasks {
        let ids = task.await.unwrap();
        assert!(ids.windows(2).all(|pair| pair[0].sequence < pair[1].sequence));
        sequences.extend(ids.into_iter().map(|id| id.sequence));
    }
    assert_eq!(sequences, (1..=400).collect());
    node.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_batch_is_whole_or_absent() {
    let node = Coordinator::builder().store(MemoryStore::new()).build().await.unwrap();
    let options = ChannelOptions { payload_limit: Some(10) };
    let stream = node.create_channel("small", options).await.unwrap().stream("s").await.unwrap();
    let refused = stream.append_all(["fits", "is far too large"]).await;
    assert!(matches!(refused, Err(Error::Command(CommandError::PayloadTooLarge { len: 16, limit: 10 }))));
    assert!(matches!(
        stream.append_all::<&str>([]).await,
        Err(Error::Command(CommandError::BatchSize { .. }))
    ));
    assert!(payloads(&stream).await.is_empty());
    let ids = stream.append_all(["a", "b", "c"]).await.unwrap();
    assert_eq!(ids.iter().map(|id| id.sequence).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(stream.version().await.unwrap().height(&ids[0].log), 3);
}

#[tokio::test]
async fn get_finds_entries_of_this_stream_only() {
    let node = local("ann").await;
    let (stream, other) = (notes(&node).await, node.channel("project").await.unwrap());
    let other = other.stream("other").await.unwrap();
    let id = stream.append("here").await.unwrap();
    let found = stream.get(id).await.unwrap().unwrap();
    assert_eq!((found.id(), found.payload()), (id, &b"here"[..]));
    assert_eq!(found.author(), node.id());
    assert_eq!(other.get(id).await.unwrap(), None);
    assert_eq!(stream.get(EntryId { sequence: 2, ..id }).await.unwrap(), None);
    let nowhere = EntryId { log: LogId([7; 16]), sequence: 1 };
    assert_eq!(stream.get(nowhere).await.unwrap(), None);
}

#[tokio::test]
async fn pages_go_both_ways_from_any_place() {
    let node = local("ann").await;
    let stream = notes(&node).await;
    let mut ids = Vec::new();
    for n in 0..300 {
        ids.push(stream.append(format!("{n}")).await.unwrap());
    }
    for direction in [Direction::Forward, Direction::Backward] {
        let mut next = Some(match direction {
            Direction::Forward => PageQuery::first(7),
            Direction::Backward => PageQuery::last(7),
        });
        let mut seen = Vec::new();
        while let Some(query) = next {
            let page = stream.page(query).await.unwrap();
            assert!(page.complete() && page.entries.len() <= 7);
            let ids = page.entries.iter().map(|entry| entry.id());
            match direction {
                Direction::Forward => seen.extend(ids),
                Direction::Backward => drop(seen.splice(0..0, ids)),
            }
            next = page.next;
        }
        assert_eq!(seen, ids, "{direction:?}");
    }
    let ids_of = |query| async {
        stream.page(query).await.unwrap().entries.iter().map(|e| e.id()).collect::<Vec<_>>()
    };
    let at = ids[150];
    assert_eq!(ids_of(PageQuery::forward(Place::After(at)).limit(2)).await, ids[151..153]);
    assert_eq!(ids_of(PageQuery::forward(Place::Before(at)).limit(2)).await, ids[150..152]);
    assert_eq!(ids_of(PageQuery::backward(Place::Before(at)).limit(2)).await, ids[148..150]);
    assert_eq!(ids_of(PageQuery::backward(Place::After(at)).limit(2)).await, ids[149..151]);
    assert!(ids_of(PageQuery::forward(Place::End)).await.is_empty());
    assert!(ids_of(PageQuery::backward(Place::Start)).await.is_empty());
    let unknown = EntryId { sequence: 301, ..at };
    assert!(matches!(
        stream.page(PageQuery::forward(Place::After(unknown))).await,
        Err(Error::UnknownEntry(_))
    ));
}

#[tokio::test]
async fn a_page_stops_at_its_bytes_but_has_one_entry() {
    let node = local("ann").await;
    let stream = notes(&node).await;
    stream.append_all(["0123456789"; 5]).await.unwrap();
    let page = stream.page(PageQuery::first(100).bytes(15)).await.unwrap();
    assert_eq!(page.entries.len(), 2);
    let page = stream.page(PageQuery::first(100).bytes(0)).await.unwrap();
    assert_eq!((page.entries.len(), page.next.is_some()), (1, true));
}

#[tokio::test]
async fn everything_is_there_after_a_restart_and_the_id_stays() {
    let store = Arc::new(MemoryStore::new());
    let node = Coordinator::builder().shared_store(store.clone()).build().await.unwrap();
    let id = node.id().clone();
    assert!(id.is_key(), "made for it");
    let stream = node.channel("project").await.unwrap();
    let stream = stream.stream_with("notes", Retention::CountBased(7)).await.unwrap();
    stream.append("before").await.unwrap();
    node.shutdown().await.unwrap();

    let other = Coordinator::builder().shared_store(store.clone()).node_id("bob").build().await;
    assert!(matches!(other, Err(gossip_core::BuildError::OtherNode { stored, .. }) if stored == id));
    let node = on(id.as_str(), store).await;
    let stream = notes(&node).await;
    stream.append("after").await.unwrap();
    assert_eq!(payloads(&stream).await, ["before", "after"]);
    assert_eq!(stream.retention().await.unwrap(), Retention::CountBased(7));
}

#[tokio::test]
async fn removed_channels_and_streams_are_gone_and_typed() {
    let node = local("ann").await;
    let stream = notes(&node).await;
    let id = stream.append("x").await.unwrap();
    let channel = node.channel("project").await.unwrap();
    assert!(channel.remove_stream("notes").await.unwrap());
    assert!(!channel.remove_stream("notes").await.unwrap());
    assert!(matches!(stream.append("y").await, Err(Error::Command(CommandError::UnknownStream(..)))));
    assert_eq!(stream.get(id).await.unwrap(), None);
    assert!(node.remove_channel("project").await.unwrap());
    assert!(!node.remove_channel("project").await.unwrap());
    assert!(matches!(channel.streams().await, Err(Error::Command(CommandError::UnknownChannel(_)))));
    let usage = node.resource_usage().await.unwrap();
    assert_eq!((usage.channels, usage.streams, usage.entries), (0, 0, 0));
    let again = notes(&node).await;
    assert!(payloads(&again).await.is_empty(), "a new channel of that name is empty");
}

#[tokio::test]
async fn more_appends_than_the_queue_holds_wait_their_turn() {
    let mut config = Config::default();
    config.node.payload_limit = 1 << 10;
    config.node.append_queue_bytes = 4 << 10;
    let node = Coordinator::builder().store(MemoryStore::new()).config(config).build().await.unwrap();
    let stream = notes(&node).await;
    let appends = (0..200).map(|n| stream.append(vec![n as u8; 1000]));
    let results = futures_util::future::join_all(appends).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(stream.usage().await.unwrap().entries, 200);
}

#[tokio::test]
async fn a_dropped_append_is_whole_or_absent() {
    use futures_util::FutureExt;
    let node = local("ann").await;
    let stream = notes(&node).await;
    for n in 0..20 {
        // Polled once, which sends the command, then dropped.
        assert!(stream.append_all([format!("{n}a"), format!("{n}b")]).now_or_never().is_none());
    }
    stream.append("end").await.unwrap();
    let found = payloads(&stream).await;
    assert_eq!(found.len() % 2, 1);
    for pair in found[..found.len() - 1].chunks(2) {
        assert_eq!(pair[0].trim_end_matches('a'), pair[1].trim_end_matches('b'));
    }
    assert_eq!(found.last().unwrap(), "end");
}
