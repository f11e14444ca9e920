//! Streams drop by themselves what they need not keep: bounded, and not before it was read.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::hand::Hand;
use common::{Joined, eventually, local, notes, payloads, soon};
use gossip_core::proto::{LogHead, WallMs};
use gossip_core::{
    Config, Coordinator, Delivered, Error, Event, EventStream, From, LogId, Retention, RetentionPolicy, Seq,
};
use gossip_store_memory::MemoryStore;

const HOUR: Duration = Duration::from_secs(3600);

async fn timed(hand: &Hand, config: Config) -> Coordinator {
    let builder = Coordinator::builder().store(MemoryStore::new()).timer(hand.clone()).config(config);
    builder.node_id("ann").seed(1).build().await.expect("build")
}

async fn keeping(node: &Coordinator, retention: Retention) -> EventStream {
    let channel = node.channel("project").await.expect("channel");
    channel.stream_with("notes", retention).await.expect("stream")
}

async fn held(stream: &EventStream) -> u64 {
    stream.usage().await.expect("usage").entries
}

/// Until the stream holds so many entries; time goes on meanwhile.
async fn shrinks_to(stream: &EventStream, hand: &Hand, entries: u64) {
    eventually("shrunk", || async {
        hand.advance(Duration::from_secs(60));
        held(stream).await == entries
    })
    .await;
}

/// Lets several looks pass.
async fn looks(node: &Coordinator, hand: &Hand) {
    for _ in 0..20 {
        hand.advance(Duration::from_secs(60));
        for _ in 0..20 {
            node.health().await.expect("health");
        }
    }
}

#[tokio::test]
async fn old_and_surplus_entries_go_by_themselves() {
    let hand = Hand::new();
    let node = timed(&hand, Config::default()).await;
    let counted = keeping(&node, Retention::CountBased(3)).await;
    let channel = node.channel("project").await.unwrap();
    let aged = channel.stream_with("aged", Retention::TimeBased(HOUR)).await.unwrap();
    for n in 0..10 {
        counted.append(format!("{n}")).await.unwrap();
        aged.append(format!("{n}")).await.unwrap();
    }
    shrinks_to(&counted, &hand, 3).await;
    assert_eq!(payloads(&counted).await, ["7", "8", "9"]);
    shrinks_to(&aged, &hand, 0).await;
    // What came later is younger.
    aged.append("young").await.unwrap();
    counted.append_all(["10", "11"]).await.unwrap();
    shrinks_to(&counted, &hand, 3).await;
    assert_eq!(payloads(&aged).await, ["young"]);
    let version = counted.version().await.unwrap();
    assert_eq!(version.iter().map(|(_, height)| height).sum::<u64>(), 12, "heights stay");
    node.shutdown().await.unwrap();
}

#[tokio::test]
async fn it_can_be_paused_and_switched_off() {
    let hand = Hand::new();
    let node = timed(&hand, Config::default()).await;
    let stream = keeping(&node, Retention::CountBased(1)).await;
    node.start().await.unwrap();
    node.pause().await.unwrap();
    stream.append_all(["1", "2", "3"]).await.unwrap();
    looks(&node, &hand).await;
    assert_eq!(held(&stream).await, 3, "paused");
    node.resume().await.unwrap();
    shrinks_to(&stream, &hand, 1).await;

    let hand = Hand::new();
    let node = timed(&hand, Config { auto_retention: false, ..Config::default() }).await;
    let stream = keeping(&node, Retention::CountBased(1)).await;
    stream.append_all(["1", "2", "3"]).await.unwrap();
    looks(&node, &hand).await;
    assert_eq!(held(&stream).await, 3, "off");
    assert_eq!(stream.compact().await.unwrap().entries, 2);
}

#[tokio::test]
async fn what_a_reader_has_not_got_yet_waits_up_to_a_cap() {
    let hand = Hand::new();
    let node = timed(&hand, Config { hold_entries: 50, page_bytes: 1, ..Config::default() }).await;
    let stream = keeping(&node, Retention::CountBased(1)).await;
    let mut live = stream.subscribe(From::Start).await.unwrap();
    for n in 0..40 {
        stream.append(format!("{n}")).await.unwrap();
    }
    looks(&node, &hand).await;
    assert_eq!(held(&stream).await, 40, "nothing was read");
    for _ in 0..10 {
        soon("entry", live.next()).await.unwrap().unwrap();
    }
    eventually("what was read went", || async {
        hand.advance(Duration::from_secs(60));
        held(&stream).await <= 40 - 9
    })
    .await;
    // Beyond the cap pruning goes on, and the reader is told.
    for n in 40..100 {
        stream.append(format!("{n}")).await.unwrap();
    }
    shrinks_to(&stream, &hand, 50).await;
    let mut missed = 0;
    loop {
        match soon("delivery", live.next_delivered()).await.unwrap().unwrap() {
            Delivered::Entry(entry) if entry.sequence() == 51 => break,
            Delivered::Entry(entry) => assert!(entry.sequence() < 51, "the gap was skipped"),
            Delivered::Gap { range, .. } => missed += range.count(),
        }
    }
    assert!(missed >= 38, "{missed} entries were told to be missing");
    drop(live);
    shrinks_to(&stream, &hand, 1).await;
}

#[tokio::test]
async fn a_view_sees_everything_however_little_is_kept() {
    let hand = Hand::new();
    let node = timed(&hand, Config::default()).await;
    let stream = keeping(&node, Retention::CountBased(1)).await;
    let view = stream.view(Joined).await.unwrap();
    for n in 0..200 {
        stream.append(format!("{n}")).await.unwrap();
        hand.advance(Duration::from_secs(20));
    }
    soon("folded", view.wait_for(|seen| seen.len() == 200)).await.unwrap();
    shrinks_to(&stream, &hand, 1).await;
    assert!(!view.report().partial);
}

#[tokio::test]
async fn a_large_compaction_goes_in_steps_and_is_told_once() {
    let node = local("ann").await;
    let stream = keeping(&node, Retention::CountBased(10)).await;
    for _ in 0..20 {
        stream.append_all((0..1000).map(|_| "x")).await.unwrap();
    }
    let mut events = node.events();
    let usage = stream.usage().await.unwrap();
    let pruned = stream.compact().await.unwrap();
    let left = stream.usage().await.unwrap();
    assert_eq!(pruned.entries, 19_990);
    assert_eq!((left.entries, pruned.bytes), (10, usage.bytes - left.bytes));
    assert_eq!(stream.compact().await.unwrap(), gossip_core::Pruned::default());
    stream.append("end").await.unwrap();
    let mut told = Vec::new();
    loop {
        match soon("event", events.next_event()).await.unwrap() {
            Event::StreamCompacted { pruned, .. } => told.push(pruned),
            Event::EntriesAppended { .. } => break,
            _ => {}
        }
    }
    assert_eq!(told, [pruned]);
}

/// Keeps the newest two of each log, and names a log that does not exist.
struct NewestTwo;

impl RetentionPolicy for NewestTwo {
    fn floors(&self, logs: &[LogHead], _: WallMs) -> Vec<(LogId, Seq)> {
        let strange = (LogId([9; 16]), 5);
        logs.iter().map(|head| (head.name.id(), head.height.saturating_sub(2))).chain([strange]).collect()
    }
}

#[tokio::test]
async fn an_app_brings_its_own_policy() {
    let hand = Hand::new();
    let node = timed(&hand, Config::default()).await;
    let stream = notes(&node).await;
    stream.append_all(["1", "2", "3", "4"]).await.unwrap();
    stream.set_retention_policy(Some(Arc::new(NewestTwo)));
    assert_eq!(stream.compact().await.unwrap().entries, 2);
    stream.append_all(["5", "6"]).await.unwrap();
    shrinks_to(&stream, &hand, 2).await;
    stream.set_retention_policy(None);
    stream.append("7").await.unwrap();
    looks(&node, &hand).await;
    assert_eq!(payloads(&stream).await, ["5", "6", "7"]);
}

#[tokio::test]
async fn a_named_cursor_resumes_holds_and_is_passed_by_at_last() {
    let (store, hand) = (Arc::new(MemoryStore::new()), Hand::new());
    let build = || async {
        let builder = Coordinator::builder().shared_store(store.clone()).timer(hand.clone());
        builder.node_id("ann").build().await.unwrap()
    };
    let node = build().await;
    let stream = keeping(&node, Retention::CountBased(1)).await;
    stream.append_all(["1", "2", "3", "4"]).await.unwrap();
    let cursor = stream.cursor("mailer").unwrap();
    assert_eq!(cursor.load().await.unwrap(), None);
    let mut live = cursor.subscribe().await.unwrap();
    live.next().await.unwrap().unwrap();
    live.next().await.unwrap().unwrap();
    cursor.save(live.cursor()).await.unwrap();
    node.shutdown().await.unwrap();

    let node = build().await;
    let stream = keeping(&node, Retention::KeepAll).await;
    assert_eq!(stream.compact().await.unwrap().entries, 2, "the rest is needed");
    let mut live = stream.cursor("mailer").unwrap().subscribe().await.unwrap();
    for expected in ["3", "4"] {
        assert_eq!(soon("entry", live.next()).await.unwrap().unwrap().payload(), expected.as_bytes());
    }
    drop(live);
    assert_eq!(stream.cursors().await.unwrap().len(), 1);
    // Nobody came back for it for longer than a week.
    hand.advance(8 * 24 * HOUR);
    shrinks_to(&stream, &hand, 1).await;
    let mut live = stream.cursor("mailer").unwrap().subscribe().await.unwrap();
    assert!(matches!(soon("gap", live.next()).await, Some(Err(Error::Gap { .. }))));
    assert_eq!(soon("entry", live.next()).await.unwrap().unwrap().payload(), b"4");
    node.shutdown().await.unwrap();
}

#[tokio::test]
async fn named_cursors_are_few_and_can_be_deleted() {
    let node = local("ann").await;
    let stream = notes(&node).await;
    stream.append("x").await.unwrap();
    let place = stream.subscribe(From::Now).await.unwrap().cursor();
    for n in 0..64 {
        stream.cursor(&format!("c{n}")).unwrap().save(place).await.unwrap();
    }
    let one_more = stream.cursor("more").unwrap();
    assert!(matches!(one_more.save(place).await, Err(Error::Invalid(_))));
    stream.cursor("c7").unwrap().save(place).await.unwrap();
    assert!(stream.cursor("c7").unwrap().delete().await.unwrap());
    assert!(!stream.cursor("c7").unwrap().delete().await.unwrap());
    one_more.save(place).await.unwrap();
    assert!(matches!(stream.cursor("\u{7}"), Err(Error::Id(_))));
    let other = notes(&local("bob").await).await;
    let foreign = other.subscribe(From::Now).await.unwrap().cursor();
    assert!(matches!(one_more.save(foreign).await, Err(Error::ForeignCursor { .. })));
    node.channel("project").await.unwrap().remove_stream("notes").await.unwrap();
    assert!(notes(&node).await.cursors().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cursors_saved_at_once_do_not_undo_each_other() {
    let node = local("ann").await;
    let stream = notes(&node).await;
    stream.append("x").await.unwrap();
    let place = stream.subscribe(From::Now).await.unwrap().cursor();
    let saves: Vec<_> = (0..32)
        .map(|n| {
            let cursor = stream.cursor(&format!("c{n}")).unwrap();
            tokio::spawn(async move { cursor.save(place).await })
        })
        .collect();
    for save in saves {
        save.await.unwrap().unwrap();
    }
    assert_eq!(stream.cursors().await.unwrap().len(), 32);
}

#[tokio::test]
async fn what_is_to_be_kept_from_now_on_stops_pruning_in_the_middle() {
    let hand = Hand::new();
    let node = timed(&hand, Config { auto_retention: false, ..Config::default() }).await;
    let stream = keeping(&node, Retention::CountBased(1)).await;
    stream.append_all((0..60_000).map(|n| format!("{n}"))).await.unwrap();
    let widened = async {
        stream.set_retention(Retention::KeepAll).await.unwrap();
        held(&stream).await
    };
    let (compacted, left) = tokio::join!(stream.compact(), widened);
    assert!(left > 1, "it was too late");
    assert_eq!(held(&stream).await, left, "dropped after the stream was told to keep everything");
    assert_eq!(compacted.unwrap().entries, 60_000 - left);

    /// Would drop everything, and is taken back as soon as it has said so.
    struct TakenBack(EventStream);
    impl RetentionPolicy for TakenBack {
        fn floors(&self, logs: &[LogHead], _: WallMs) -> Vec<(LogId, Seq)> {
            self.0.set_retention_policy(None);
            logs.iter().map(|head| (head.name.id(), head.height)).collect()
        }
    }
    stream.set_retention_policy(Some(Arc::new(TakenBack(stream.clone()))));
    assert_eq!(stream.compact().await.unwrap().entries, 0, "by a policy that was taken back");
    node.shutdown().await.unwrap();
}
