//! What streams keep, and what pruning must not do.

use std::time::Duration;

use gossip::{Delivered, Error, From, Retention};

use crate::hand::{Hand, NOON};
use crate::world::{World, converge, holds, in_sync, records, texts};

on_every_disk! {
    behaviour_13_policies_keep_what_they_say,
    defect_b26_ages_older_than_time_are_no_error,
}

on_every_pair! {
    defect_b03_compaction_lowers_no_height_and_brings_nothing_back,
    defect_b03_a_newcomer_to_compacted_history_goes_on_from_the_floor,
}

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

async fn behaviour_13_policies_keep_what_they_say(world: World) {
    let hand = Hand::at(NOON);
    let ann = world.device_with("ann", |builder| builder.timer(hand.clone())).await;
    let bob = world.device_with("bob", |builder| builder.timer(hand.clone())).await;
    world.link(&ann, &bob).await;
    for second in 0..6 {
        hand.set(NOON + second * 1000);
        ann.write(1).await;
    }
    bob.write(2).await;
    converge(&[&ann, &bob], 8).await;
    let stream = ann.stream().await;
    let cases = [
        (Retention::KeepAll, 8),
        // Now is second 5: what was written in seconds 1 and 5 and between is at most 4 s old.
        (Retention::TimeBased(seconds(4)), 7),
        (Retention::Composite(vec![Retention::TimeBased(seconds(1)), Retention::CountBased(3)]), 5),
        (Retention::CountBased(2), 4),
        (Retention::Composite(vec![Retention::CountBased(1), Retention::CountBased(1)]), 2),
    ];
    let mut before = records(&stream).await;
    for (retention, kept) in cases {
        stream.set_retention(retention.clone()).await.unwrap();
        let pruned = stream.compact().await.unwrap();
        let after = records(&stream).await;
        assert_eq!(after.len(), kept, "{retention:?}");
        assert_eq!(pruned.entries as usize, before.len() - kept, "{retention:?}");
        let mut rest = before.iter();
        assert!(after.iter().all(|kept| rest.any(|old| old == kept)), "order was kept");
        before = after;
    }
    let newest: Vec<_> = bob.records().await.into_iter().filter(|record| before.contains(record)).collect();
    assert_eq!(newest, before, "the newest of each author, as on a replica that kept all");
    let nonsense = stream.set_retention(Retention::Composite(vec![])).await;
    assert!(matches!(nonsense, Err(Error::Invalid(_))), "{nonsense:?}");
}

async fn defect_b26_ages_older_than_time_are_no_error(world: World) {
    let ann = world.device_with("ann", |builder| builder.timer(Hand::at(5))).await;
    ann.write(3).await;
    let stream = ann.stream().await;
    for age in [seconds(1), seconds(1 << 40), Duration::MAX] {
        stream.set_retention(Retention::TimeBased(age)).await.unwrap();
        assert_eq!(stream.compact().await.unwrap().entries, 0);
    }
    stream.set_retention(Retention::CountBased(u64::MAX)).await.unwrap();
    assert_eq!(stream.compact().await.unwrap().entries, 0);
    stream.set_retention(Retention::CountBased(0)).await.unwrap();
    assert_eq!(stream.compact().await.unwrap().entries, 3);
    assert_eq!(stream.append("next").await.unwrap().sequence, 4);
}

async fn defect_b03_compaction_lowers_no_height_and_brings_nothing_back(world: World) {
    let world = world.only_linked();
    let [ann, bob] = world.devices(["ann", "bob"]).await;
    world.link(&ann, &bob).await;
    tokio::join!(ann.write(10), bob.write(10));
    converge(&[&ann, &bob], 20).await;
    let stream = ann.stream().await;
    let version = stream.version().await.unwrap();
    stream.set_retention(Retention::CountBased(2)).await.unwrap();
    assert_eq!(stream.compact().await.unwrap().entries, 16);
    assert_eq!(stream.version().await.unwrap(), version, "heights stay");
    in_sync(&ann, &bob).await;
    world.cut(&ann, &bob).await;
    world.mend(&ann, &bob).await;
    in_sync(&ann, &bob).await;
    let id = stream.append("after").await.unwrap();
    assert_eq!(id.sequence, 11, "a sequence was used again");
    holds(&bob.stream().await, 21).await;
    bob.stream().await.append("back").await.unwrap();
    holds(&stream, 6).await;
    assert_eq!(records(&stream).await.len(), 6, "what was pruned came back");
    let ann = world.restart(ann).await;
    ann.reaches(&bob).await;
    in_sync(&ann, &bob).await;
    assert_eq!(ann.records().await.len(), 6, "what was pruned came back after a restart");
    assert_eq!(ann.stream().await.append("on").await.unwrap().sequence, 12);
}

async fn defect_b03_a_newcomer_to_compacted_history_goes_on_from_the_floor(world: World) {
    let [ann, bob] = world.devices(["ann", "bob"]).await;
    let stream = ann.stream().await;
    ann.write(10).await;
    stream.set_retention(Retention::CountBased(3)).await.unwrap();
    assert_eq!(stream.compact().await.unwrap().entries, 7);
    world.link(&ann, &bob).await;
    let theirs = bob.stream().await;
    holds(&theirs, 3).await;
    assert_eq!(texts(&theirs).await, ["ann 7", "ann 8", "ann 9"]);
    // The store has it a moment before the node counts it.
    in_sync(&ann, &bob).await;
    assert_eq!(theirs.version().await.unwrap(), stream.version().await.unwrap());
    let page = theirs.page(gossip::PageQuery::first(10)).await.unwrap();
    assert!(!page.complete());
    assert_eq!(page.incomplete[0].floor, 7);
    let mut reader = theirs.subscribe(From::Start).await.unwrap();
    let mut entries = 0;
    while entries < 3 {
        match reader.next_delivered().await.unwrap().unwrap() {
            Delivered::Gap { range, .. } => assert_eq!((range.first, range.last, entries), (1, 7, 0)),
            Delivered::Entry(entry) => {
                entries += 1;
                assert_eq!(entry.sequence(), 7 + entries);
            }
        }
    }
    stream.append("next").await.unwrap();
    let next = reader.next().await.unwrap().unwrap();
    assert_eq!((next.sequence(), next.payload()), (11, &b"next"[..]));
}
