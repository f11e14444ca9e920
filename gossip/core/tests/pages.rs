//! Pages and subscriptions over many logs with floors and gaps, against everything held.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::on;
use futures_util::FutureExt;
use gossip_core::proto::{
    ChannelRecord, CommitItem, Epoch, LogHead, LogName, Meta, Rng, RunBuilder, StreamRecord,
};
use gossip_core::{
    ChannelId, ChannelRepository, Delivered, EntryId, EntryRepository, EventStream, From, LogId, NodeId,
    OrderKey, PageQuery, Payload, Place, Seq, Stamp, StreamId,
};
use gossip_store_memory::MemoryStore;

/// A stream of a few logs of other authors: runs of random sizes, gaps between some, floors.
async fn stocked(rng: &mut Rng) -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::new());
    let (channel, stream) = (ChannelId::new("project").unwrap(), StreamId::new("notes").unwrap());
    let members = [NodeId::new("ann").unwrap()].into();
    store.save_channel(&ChannelRecord { id: channel.clone(), members, payload_limit: 1000 }).await.unwrap();
    store.save_stream(&channel, &StreamRecord::new(stream.clone())).await.unwrap();
    for author in 0..1 + rng.below(5) {
        let author = NodeId::new(format!("author-{author}")).unwrap();
        let (channel, stream) = (channel.clone(), stream.clone());
        let name = LogName { channel, stream, author, epoch: Epoch::new(1, 0), branch: None };
        let (name, log) = (Arc::new(name.clone()), name.id());
        let (mut height, mut hash, mut stamp) = (0, name.hash().root(), Stamp::ZERO);
        for _ in 0..rng.below(12) {
            if rng.chance(200) {
                height += 1 + rng.below(100);
                hash = gossip_core::proto::ChainHash([rng.below(255) as u8; 32]);
                let adopt = CommitItem::Adopt { log: name.clone(), floor: height, hash, stamp, seal: None };
                store.commit(&[adopt], &Meta::default()).await.unwrap();
            }
            let mut run = RunBuilder::new(log, height + 1, hash);
            for _ in 0..1 + rng.below(30) {
                stamp = Stamp::new(stamp.millis() + 1 + rng.below(50), rng.below(3) as u16);
                run.push(stamp, &Payload::Present(vec![7; rng.below(100) as usize].into())).unwrap();
            }
            let (run, end) = run.finish(None).unwrap();
            let (prev, last) = (hash, run.last());
            let item = CommitItem::Run { log: name.clone(), prev, run, end };
            store.commit(&[item], &Meta::default()).await.unwrap();
            (height, hash) = (last, end);
        }
        if rng.chance(300) {
            store.prune(&[(log, rng.below(height + 1))]).await.unwrap();
        }
    }
    store
}

/// Keys of everything held, read log by log and sorted.
async fn all(store: &MemoryStore) -> Vec<OrderKey> {
    let heads: Vec<LogHead> = store.heads(&gossip_core::proto::Scope::All, None, 1000).await.unwrap().items;
    let mut keys = Vec::new();
    for head in heads {
        let log = head.name.id();
        for stored in store.read(log, 1, usize::MAX).await.unwrap() {
            let held = stored.run.entries().filter(|entry| entry.sequence > head.floor);
            keys.extend(held.map(|entry| OrderKey {
                stamp: entry.stamp,
                author: head.name.author.clone(),
                epoch: head.name.epoch,
                sequence: entry.sequence,
                log,
            }));
        }
    }
    keys.sort();
    keys
}

async fn keys(stream: &EventStream, query: PageQuery) -> (Vec<OrderKey>, Option<PageQuery>) {
    let page = stream.page(query).await.unwrap();
    (page.entries.iter().map(|entry| entry.key()).collect(), page.next)
}

#[tokio::test]
async fn pages_in_both_directions_show_exactly_what_is_held_in_order() {
    for seed in 0..60 {
        let mut rng = Rng::new(seed);
        let store = stocked(&mut rng).await;
        let all = all(&store).await;
        let node = on("ann", store.clone()).await;
        let stream = common::notes(&node).await;
        let pager = stream.read_all().await.unwrap().collect().await.unwrap();
        assert_eq!(pager.iter().map(|entry| entry.key()).collect::<Vec<_>>(), all, "seed {seed}");

        let limit = 1 + rng.below(20) as usize;
        let (mut forward, mut next) = (Vec::new(), Some(PageQuery::first(limit)));
        while let Some(query) = next {
            let (page, after) = keys(&stream, query).await;
            forward.extend(page);
            next = after;
        }
        assert_eq!(forward, all, "forward, seed {seed}");
        let (mut backward, mut next) = (Vec::new(), Some(PageQuery::last(limit)));
        while let Some(query) = next {
            let (page, before) = keys(&stream, query).await;
            backward.splice(0..0, page);
            next = before;
        }
        assert_eq!(backward, all, "backward, seed {seed}");

        if all.is_empty() {
            continue;
        }
        let at = rng.below(all.len() as u64) as usize;
        let id = EntryId { log: all[at].log, sequence: all[at].sequence };
        let (page, _) = keys(&stream, PageQuery::forward(Place::After(id)).limit(limit)).await;
        assert_eq!(page, all[at + 1..(at + 1 + limit).min(all.len())], "after, seed {seed}");
        let (page, _) = keys(&stream, PageQuery::backward(Place::Before(id)).limit(limit)).await;
        assert_eq!(page, all[at.saturating_sub(limit)..at], "before, seed {seed}");
    }
}

#[tokio::test]
async fn what_a_subscription_delivers_has_no_hole() {
    for seed in 0..60 {
        let mut rng = Rng::new(seed);
        let store = stocked(&mut rng).await;
        let held = all(&store).await.len();
        let node = on("ann", store.clone()).await;
        let stream = common::notes(&node).await;
        let mut live = stream.subscribe(From::Start).await.unwrap();
        let mut next: BTreeMap<LogId, Seq> = BTreeMap::new();
        let (mut entries, mut cursor) = (0, None);
        while let Some(Some(delivered)) = live.next_delivered().now_or_never() {
            let (log, first, last) = match delivered.unwrap() {
                Delivered::Entry(entry) => (entry.id().log, entry.sequence(), entry.sequence()),
                Delivered::Gap { log, range } => (log, range.first, range.last),
            };
            entries += usize::from(
                first == last && stream.get(EntryId { log, sequence: first }).await.unwrap().is_some(),
            );
            let next = next.entry(log).or_insert(1);
            assert_eq!(first, *next, "seed {seed}");
            *next = last + 1;
            assert!(cursor <= Some(live.cursor()), "seed {seed}");
            cursor = Some(live.cursor());
        }
        assert_eq!(entries, held, "seed {seed}");
    }
}
