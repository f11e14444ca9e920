//! Stamps and the order they give.

use std::time::Duration;

use gossip::{Event, Stamp};

use crate::hand::{Hand, NOON, Skewed};
use crate::wait::event;
use crate::world::{Device, Record, World, converge, holds};

on_every_disk! {
    behaviour_01_stamps_rise_while_the_wall_stands_still_or_goes_back,
    behaviour_04_the_clock_survives_a_restart,
    defect_b27_the_clock_is_kept_with_the_entries,
}

on_every_pair! {
    behaviour_03_an_entry_after_a_merge_sorts_after_what_was_merged,
    behaviour_06_equal_stamps_come_in_author_order_everywhere,
    defect_b06_a_far_future_stamp_moves_no_other_clock,
}

const HOUR: u64 = 3_600_000;

async fn newest(device: &Device) -> Stamp {
    device.records().await.last().unwrap().1
}

fn assert_rising(records: &[Record]) {
    assert!(records.windows(2).all(|pair| pair[0].1 < pair[1].1), "stamps do not rise: {records:?}");
}

async fn behaviour_01_stamps_rise_while_the_wall_stands_still_or_goes_back(world: World) {
    let hand = Hand::at(NOON);
    let ann = world.device_with("ann", |builder| builder.timer(hand.clone())).await;
    ann.write(20).await;
    hand.set(NOON - HOUR);
    ann.write(20).await;
    hand.set(NOON + HOUR);
    ann.write(1).await;
    let records = ann.records().await;
    assert_rising(&records);
    let sequences: Vec<_> = records.iter().map(|(id, ..)| id.sequence).collect();
    assert_eq!(sequences, (1..=41).collect::<Vec<_>>(), "written order is stamp order");
    assert_eq!(newest(&ann).await.millis(), NOON + HOUR, "the clock follows the wall again");
}

#[tokio::test]
async fn behaviour_02_more_stamps_than_a_millisecond_holds_stay_in_order() {
    let world = World::new(crate::world::Wire::Memory, crate::world::Disk::Memory);
    let ann = world.device_with("ann", |builder| builder.timer(Hand::at(NOON))).await;
    ann.stream().await.append_all(vec![&b""[..]; 66_000]).await.unwrap();
    let records = ann.records().await;
    assert_eq!(records.len(), 66_000);
    assert!(records.windows(2).all(|pair| pair[0].1 < pair[1].1));
    assert_eq!(records[0].1.millis(), NOON);
    assert_eq!(newest(&ann).await.millis(), NOON + 1, "the counter rolled into the next millisecond");
}

async fn behaviour_03_an_entry_after_a_merge_sorts_after_what_was_merged(world: World) {
    let ahead = Skewed::ahead(Duration::from_secs(60));
    let ann = world.device_with("ann", |builder| builder.timer(ahead)).await;
    let bob = world.device("bob").await;
    world.link(&ann, &bob).await;
    bob.write(1).await;
    converge(&[&ann, &bob], 1).await;
    ann.write(1).await;
    converge(&[&ann, &bob], 2).await;
    bob.write(1).await;
    let records = converge(&[&ann, &bob], 3).await;
    assert_rising(&records);
    let payloads: Vec<_> = records.iter().map(|record| &record.2[..]).collect();
    assert_eq!(payloads, [&b"bob 0"[..], b"ann 0", b"bob 0"]);
    let ahead = records[2].1.millis().abs_diff(records[0].1.millis());
    assert!(ahead > 50_000, "bob's clock was carried along");
}

async fn behaviour_04_the_clock_survives_a_restart(world: World) {
    let hand = Hand::at(NOON);
    let mut ann = world.device_with("ann", |builder| builder.timer(hand.clone())).await;
    ann.write(3).await;
    let incarnation = ann.node.health().await.unwrap().incarnation;
    for back in [0, 60_000, 240_000] {
        let before = newest(&ann).await;
        hand.set(NOON - back);
        ann = world.restart_with(ann, |builder| builder.timer(hand.clone())).await;
        ann.write(1).await;
        assert!(newest(&ann).await > before, "{back} ms back");
        assert!(ann.node.health().await.unwrap().incarnation >= incarnation);
    }
    assert_rising(&ann.records().await);
    // Further back than clocks may drift the old clock is not believed, so that a wall clock that was
    // once wrong does not spoil stamps for ever: a new log begins, whose stamps rise on their own.
    hand.set(NOON - HOUR);
    let ann = world.restart_with(ann, |builder| builder.timer(hand.clone())).await;
    let id = ann.stream().await.append("in a new log").await.unwrap();
    assert_eq!((id.sequence, ann.records().await.len()), (1, 7));
    let entry = ann.stream().await.get(id).await.unwrap().unwrap();
    assert_eq!(entry.stamp().millis(), NOON - HOUR);
}

async fn behaviour_06_equal_stamps_come_in_author_order_everywhere(world: World) {
    let bob = world.device_with("bob", |builder| builder.timer(Hand::at(NOON)).node_id("bob")).await;
    let ann = world.device_with("ann", |builder| builder.timer(Hand::at(NOON)).node_id("ann")).await;
    bob.write(3).await;
    ann.write(3).await;
    world.link(&ann, &bob).await;
    let records = converge(&[&ann, &bob], 6).await;
    let texts: Vec<_> = records.iter().map(|record| std::str::from_utf8(&record.2).unwrap()).collect();
    assert_eq!(texts, ["ann 0", "bob 0", "ann 1", "bob 1", "ann 2", "bob 2"]);
    assert_eq!(records[0].1, records[1].1, "the stamps were not equal: nothing was shown");
    for device in [&ann, &bob] {
        let page = device.stream().await.page(gossip::PageQuery::last(6)).await.unwrap();
        let ids: Vec<_> = page.entries.iter().map(gossip::LogEntry::id).collect();
        assert_eq!(ids, records.iter().map(|record| record.0).collect::<Vec<_>>());
    }
}

async fn defect_b06_a_far_future_stamp_moves_no_other_clock(world: World) {
    let world = world.only_linked();
    let years = Duration::from_secs(10 * 365 * 24 * 3600);
    let ann = world.device_with("ann", |builder| builder.timer(Skewed::ahead(years))).await;
    let [bob, cat] = world.devices(["bob", "cat"]).await;
    let mut events = bob.events();
    world.chain(&[&ann, &bob, &cat]).await;
    bob.write(1).await;
    cat.stream().await;
    ann.write(1).await;
    let drifts = |event: &Event| match event {
        Event::ClockDrift { author, by, .. } => Some((author.clone(), *by)),
        _ => None,
    };
    let (author, by) = event(&mut events, "the drift is reported", drifts).await;
    assert_eq!(author, *ann.node.id());
    assert!(by > years / 2, "{by:?}");
    converge(&[&ann, &bob, &cat], 2).await;
    let bob = world.restart(bob).await;
    bob.write(1).await;
    cat.write(1).await;
    holds(&cat.stream().await, 3).await;
    let future = newest(&cat).await;
    let stamps: Vec<_> = cat.records().await.into_iter().map(|record| record.1).collect();
    let present = stamps.iter().filter(|stamp| stamp.millis() + 1000 * by.as_secs() / 2 < future.millis());
    assert_eq!(present.count(), stamps.len() - 1, "only the writer of the future is there: {stamps:?}");
}

async fn defect_b27_the_clock_is_kept_with_the_entries(world: World) {
    let ahead = Skewed::ahead(Duration::from_secs(100));
    let ann = world.device_with("ann", |builder| builder.timer(ahead)).await;
    let bob = world.device("bob").await;
    world.link(&ann, &bob).await;
    bob.stream().await;
    ann.write(5).await;
    converge(&[&ann, &bob], 5).await;
    let seen = newest(&bob).await;
    ann.node.shutdown().await.unwrap();
    // No shutdown: what is in the store now is all there is.
    let bob = world.revive(bob, |builder| builder).await;
    bob.write(1).await;
    let records = bob.records().await;
    assert_eq!(records.len(), 6);
    assert!(records[5].1 > seen && records[5].2 == b"bob 0", "the clock fell behind what was seen");
}
