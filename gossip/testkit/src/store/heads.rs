//! Laws of heads, hashes and usage.

use gossip_core::Store;
use gossip_proto::{ChannelId, CommitItem, LogHead, LogId, RunBuilder, Scope, Seq, Stamp, StreamId, Usage};

use super::StoreHarness;
use super::expect::{commit, find_head, head, rejected, sequences, short_rows};
use crate::fixture::{LogWriter, stored};

/// A head tells height, hash and newest stamp; an unknown log has none.
pub async fn tell_height_hash_and_stamp<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    assert_eq!(find_head(&*store, ann.id()).await, None);
    commit(&*store, &[ann.run(2), ann.run(3)]).await;
    let expected = LogHead {
        height: 5,
        hash: ann.hash(),
        stamp: LogWriter::stamp_at(5),
        ..LogHead::empty((**ann.name()).clone())
    };
    assert_eq!(head(&*store, ann.id()).await, expected);
    assert_ne!(expected.stamp, Stamp::ZERO);
}

/// The newest seal stays in the head: over runs without one, prunes and reopening.
pub async fn keep_the_newest_seal<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let (first, second) = (sealed(&ann.run(2), b"first"), sealed(&ann.run(3), b"second"));
    assert_eq!(
        head_seal(&*store, std::slice::from_ref(&first), ann.id()).await,
        Some((2, b"first".to_vec()))
    );
    assert_eq!(head_seal(&*store, &[second], ann.id()).await, Some((5, b"second".to_vec())));
    assert_eq!(head_seal(&*store, &[ann.run(1), first], ann.id()).await, Some((5, b"second".to_vec())));
    store.prune(&[(ann.id(), 6)]).await.unwrap();
    drop(store);
    let store = place.open().await;
    assert_eq!(head_seal(&*store, &[], ann.id()).await, Some((5, b"second".to_vec())));
}

/// Commits and looks at the seal then.
async fn head_seal(store: &dyn Store, batch: &[CommitItem], log: LogId) -> Option<(Seq, Vec<u8>)> {
    commit(store, batch).await;
    head(store, log).await.seal.map(|(at, seal)| (at, seal.into_vec()))
}

/// The same run with a seal at its end.
fn sealed(item: &CommitItem, seal: &[u8]) -> CommitItem {
    let CommitItem::Run { log, prev, run, end } = item.clone() else { unreachable!("a run") };
    let mut builder = RunBuilder::new(run.log(), run.first(), prev);
    for entry in run.entries() {
        builder.push(entry.stamp, &entry.payload).unwrap();
    }
    let (run, _) = builder.finish(Some(seal)).unwrap();
    CommitItem::Run { log, prev, run, end }
}

/// Heads come in pages of at most `limit`, in order of their id, without omission.
pub async fn come_in_pages_in_order<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut logs: Vec<_> =
        (0..10).map(|n| LogWriter::new("c", if n % 2 == 0 { "s" } else { "t" }, &format!("n{n}"))).collect();
    let batch: Vec<_> = logs.iter_mut().map(|log| log.run(1)).collect();
    commit(&*store, &batch).await;
    let mut ids: Vec<_> = logs.iter().map(LogWriter::id).collect();
    ids.sort_unstable();
    for scope in [Scope::All, Scope::Channel(ChannelId::new("c").unwrap())] {
        for limit in [1, 3, 5, 10, 11] {
            let (mut seen, mut after) = (Vec::new(), None);
            loop {
                let page = store.heads(&scope, after, limit).await.unwrap();
                assert!((1..=limit).contains(&page.items.len()));
                seen.extend(page.items.iter().map(|head| head.name.id()));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(seen, ids, "limit {limit}");
        }
    }
}

/// Heads follow the scope.
pub async fn follow_the_scope<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut logs = [("c", "s", "ann"), ("c", "t", "ann"), ("d", "s", "ann"), ("c", "s", "bob")]
        .map(|(channel, stream, author)| LogWriter::new(channel, stream, author));
    let batch: Vec<_> = logs.iter_mut().map(|log| log.run(1)).collect();
    commit(&*store, &batch).await;
    let of = |indexes: &[usize]| {
        let mut ids: Vec<LogId> = indexes.iter().map(|index| logs[*index].id()).collect();
        ids.sort_unstable();
        ids
    };
    let scopes = [
        (Scope::All, of(&[0, 1, 2, 3])),
        (Scope::Channel(ChannelId::new("c").unwrap()), of(&[0, 1, 3])),
        (logs[0].stream(), of(&[0, 3])),
        (Scope::Log(logs[2].id()), of(&[2])),
        (Scope::Channel(ChannelId::new("e").unwrap()), vec![]),
    ];
    for (scope, expected) in scopes {
        let page = store.heads(&scope, None, 100).await.unwrap();
        let ids: Vec<_> = page.items.iter().map(|head| head.name.id()).collect();
        assert_eq!((ids, page.next), (expected, None), "{scope:?}");
    }
}

/// Ids that look alike when put side by side, or begin alike, stay apart.
pub async fn tricky_ids_stay_apart<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let long = "x".repeat(128);
    let pairs =
        [("ab", "c"), ("a", "bc"), ("a", "b"), ("a", "b c"), ("a/b", "c"), ("ä", "ÿ"), (&long, &long)];
    let mut logs = pairs.map(|(channel, stream)| LogWriter::new(channel, stream, "ann"));
    let batch: Vec<_> = logs.iter_mut().zip(1..).map(|(log, count)| log.run(count)).collect();
    commit(&*store, &batch).await;
    for (log, count) in logs.iter().zip(1_u64..) {
        let usage = store.usage(&log.stream()).await.unwrap();
        assert_eq!((usage.logs, usage.entries), (1, count), "{:?}", log.name());
        assert_eq!(short_rows(&*store, &log.stream(), 0).await.len(), 1);
    }
    let channel = |name: &str| Scope::Channel(ChannelId::new(name).unwrap());
    assert_eq!(store.heads(&channel("a"), None, 10).await.unwrap().items.len(), 3);
    assert_eq!(short_rows(&*store, &channel("a"), 0).await.len(), 3);
    let stream = Scope::Stream(ChannelId::new("a").unwrap(), StreamId::new("b").unwrap());
    assert_eq!(store.remove(&stream).await.unwrap().logs, 1);
    assert_eq!(sequences(&*store, logs[3].id()).await, [1, 2, 3, 4]);
}

/// 0 is the root; every position held has its hash, in the order asked.
pub async fn hashes_are_known_where_entries_are_held<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let items = [ann.run(3), ann.run(2)];
    commit(&*store, &items).await;
    let mut expected = vec![ann.name().hash().root()];
    for item in items.iter().map(stored) {
        expected.extend(item.run.hashes(item.prev));
    }
    assert_eq!(store.hash_at(ann.id(), &[0, 1, 2, 3, 4, 5]).await.unwrap(), expected);
    let mixed = store.hash_at(ann.id(), &[5, 0, 4, 4]).await.unwrap();
    assert_eq!(mixed, [expected[5], expected[0], expected[4], expected[4]]);
    assert!(store.hash_at(ann.id(), &[]).await.unwrap().is_empty());
}

/// Positions above the height or below the floor, and unknown logs, are refused.
pub async fn other_hashes_are_refused<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    rejected(store.hash_at(ann.id(), &[0]).await);
    commit(&*store, &[ann.run(3), ann.run(3)]).await;
    rejected(store.hash_at(ann.id(), &[1, 7]).await);
    rejected(store.hash_at(ann.id(), &[u64::MAX]).await);
    let before = store.hash_at(ann.id(), &[4, 5]).await.unwrap();
    store.prune(&[(ann.id(), 4)]).await.unwrap();
    assert_eq!(store.hash_at(ann.id(), &[4, 5]).await.unwrap(), before, "the floor is known");
    for below in 1..4 {
        rejected(store.hash_at(ann.id(), &[below]).await);
    }
    assert_eq!(store.hash_at(ann.id(), &[0]).await.unwrap(), [ann.name().hash().root()]);
}

/// Usage counts logs, entries and encoded bytes held, by scope.
pub async fn usage_counts_what_is_held<H: StoreHarness>(place: H) {
    let store = place.open().await;
    assert_eq!(store.usage(&Scope::All).await.unwrap(), Usage::default());
    let (mut ann, mut bob) = (LogWriter::new("c", "s", "ann"), LogWriter::new("c", "t", "bob"));
    let items = [ann.run(3), ann.run(2), bob.run(4)];
    commit(&*store, &items).await;
    let size = |item: &_| stored(item).run.encoded().len() as u64;
    let sizes = items.each_ref().map(size);
    let all = Usage { logs: 2, entries: 9, bytes: sizes.iter().sum() };
    assert_eq!(store.usage(&Scope::All).await.unwrap(), all);
    assert_eq!(store.usage(&Scope::Channel(ChannelId::new("c").unwrap())).await.unwrap(), all);
    let stream = Usage { logs: 1, entries: 5, bytes: sizes[0] + sizes[1] };
    assert_eq!(store.usage(&ann.stream()).await.unwrap(), stream);
    store.prune(&[(ann.id(), 3)]).await.unwrap();
    let pruned = Usage { logs: 1, entries: 2, bytes: sizes[1] };
    assert_eq!(store.usage(&Scope::Log(ann.id())).await.unwrap(), pruned);
}
