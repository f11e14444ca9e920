//! Laws of limits and budgets at their ends, and of places to go on from that are not there.

use std::future::Future;

use gossip_core::StoreResult;
use gossip_proto::{
    Arrival, ChannelId, ChannelRecord, LogId, NodeId, Page, PeerRecord, Scope, StreamId, StreamRecord,
};

use super::StoreHarness;
use super::expect::{commit, read_all};
use crate::fixture::{LogWriter, stored};

const IDS: [&str; 4] = ["a", "b c", "d", "ä"];

/// Walks a listing at every limit: 0 is taken as 1, a huge one takes all.
async fn walks<T: PartialEq + std::fmt::Debug, K: Clone, F>(
    expected: &[T],
    list: impl Fn(Option<K>, usize) -> F,
) where
    F: Future<Output = StoreResult<Page<T, K>>>,
{
    for limit in [0, 1, 3, expected.len(), usize::MAX] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = list(after, limit).await.unwrap();
            assert!(page.items.len() <= limit.max(1), "limit {limit}");
            assert!(!page.items.is_empty() || page.next.is_none(), "pages advance");
            seen.extend(page.items);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, expected, "limit {limit}");
    }
}

/// Heads at every limit, and after an id that is not there.
pub async fn heads_take_any_limit<H: StoreHarness>(place: H) {
    let store = place.open().await;
    walks(&[], |after, limit| store.heads(&Scope::All, after, limit)).await;
    let mut logs = IDS.map(|stream| LogWriter::new("c", stream, "ann"));
    commit(&*store, &logs.each_mut().map(|log| log.run(1))).await;
    let heads = store.heads(&Scope::All, None, 100).await.unwrap().items;
    assert!(heads.windows(2).all(|pair| pair[0].name.id() < pair[1].name.id()));
    let channel = Scope::Channel(ChannelId::new("c").unwrap());
    for scope in [&Scope::All, &channel] {
        walks(&heads, |after, limit| store.heads(scope, after, limit)).await;
        let first = store.heads(scope, Some(LogId([0; 16])), 1).await.unwrap();
        assert_eq!(first.items, heads[..1], "after an id that is not there");
        let beyond = store.heads(scope, Some(LogId([0xff; 16])), 9).await.unwrap();
        assert!(beyond.items.is_empty() && beyond.next.is_none());
    }
    let log = logs[2].id();
    assert!(store.heads(&Scope::Log(log), Some(log), 9).await.unwrap().items.is_empty());
}

/// Channels, streams and peers at every limit, and after an id that is not there.
pub async fn records_take_any_limit<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let channel = |id| ChannelId::new(id).unwrap();
    let owner = channel("d");
    let channels =
        IDS.map(|id| ChannelRecord { id: channel(id), members: [].into(), payload_limit: 1 }).to_vec();
    let streams = IDS.map(|id| StreamRecord::new(StreamId::new(id).unwrap())).to_vec();
    let peers = IDS.map(|id| PeerRecord {
        id: NodeId::new(id).unwrap(),
        display_name: String::new(),
        addresses: vec![],
    });
    for index in [2, 0, 3, 1] {
        store.save_channel(&channels[index]).await.unwrap();
        store.save_stream(&owner, &streams[index]).await.unwrap();
        store.save_peer(&peers[index]).await.unwrap();
    }
    let (store, owner) = (&store, &owner);
    walks(
        &channels,
        |after: Option<ChannelId>, limit| async move { store.channels(after.as_ref(), limit).await },
    )
    .await;
    walks(&streams, |after: Option<StreamId>, limit| async move {
        store.streams(owner, after.as_ref(), limit).await
    })
    .await;
    walks(&peers, |after: Option<NodeId>, limit| async move { store.peers(after.as_ref(), limit).await })
        .await;
    let absent = store.channels(Some(&channel("b")), 9).await.unwrap().items;
    assert_eq!(absent, channels[1..], "after an id that is not there");
    assert!(store.channels(Some(&channel("öl")), 9).await.unwrap().items.is_empty());
}

/// Reads with no budget give one run, with a huge one all, from 0 as from 1.
pub async fn reads_take_any_budget<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let items = [ann.run(2), ann.run(1), ann.run(3)];
    commit(&*store, &items).await;
    let runs = items.each_ref().map(stored);
    for from in [0, 1, 2] {
        assert_eq!(store.read(ann.id(), from, 0).await.unwrap(), runs[..1]);
        assert_eq!(store.read(ann.id(), from, usize::MAX).await.unwrap(), runs);
    }
    assert_eq!(store.read(ann.id(), 6, 0).await.unwrap(), runs[2..]);
    assert_eq!(read_all(&*store, ann.id()).await, runs);
}

/// Arrivals after the newest are none, and that is the end.
pub async fn arrivals_end_at_the_newest<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    commit(&*store, &[ann.run(2)]).await;
    for (after, budget) in [2, 3, u64::MAX].into_iter().flat_map(|after| [(after, 0), (after, usize::MAX)]) {
        for scope in [Scope::All, ann.stream(), Scope::Log(ann.id()), Scope::Log(LogId([9; 16]))] {
            let page = store.arrivals(&scope, Arrival(after), budget).await.unwrap();
            assert!(page.items.is_empty() && page.next.is_none());
        }
    }
}
