//! What a node does by itself for what it stores, on every store.

use std::time::Duration;

use gossip::{Config, From, Retention};

use crate::wait::eventually;
use crate::world::{World, texts};

on_every_disk! {
    care_joins_what_was_written_entry_by_entry,
    care_prunes_by_itself_while_others_write,
    care_keeps_named_cursors_over_restarts,
}

fn quick() -> Config {
    Config { retention_every: Duration::from_millis(20), ..Config::default() }
}

async fn care_joins_what_was_written_entry_by_entry(world: World) {
    let ann = world.device("ann").await;
    let stream = ann.stream().await;
    for n in 0..300 {
        stream.append(format!("{n}")).await.unwrap();
    }
    eventually("joined", async || ann.node.resource_usage().await.unwrap().coalesced_runs >= 290).await;
    let before = ann.records().await;
    assert_eq!(before.len(), 300);
    let usage = ann.node.resource_usage().await.unwrap();
    // A run alone takes some 60 bytes more than its entries take in a large one.
    assert!(usage.bytes < 300 * 40, "{usage:?}");
    let ann = world.restart(ann).await;
    assert_eq!(ann.records().await, before);
    ann.write(1).await;
    assert_eq!(ann.records().await.len(), 301);
}

async fn care_prunes_by_itself_while_others_write(world: World) {
    let ann = world.device_with("ann", |builder| builder.config(quick())).await;
    let stream = ann.stream().await;
    stream.set_retention(Retention::CountBased(5)).await.unwrap();
    for round in 0..20 {
        stream.append_all((0..100).map(|n| format!("{round}/{n}"))).await.unwrap();
    }
    eventually("pruned", async || stream.usage().await.unwrap().entries == 5).await;
    assert_eq!(texts(&stream).await, ["19/95", "19/96", "19/97", "19/98", "19/99"]);
    assert_eq!(stream.append("next").await.unwrap().sequence, 2001);
    let ann = world.restart(ann).await;
    let (_, height) = ann.stream().await.version().await.unwrap().iter().next().unwrap();
    assert_eq!(height, 2001);
}

async fn care_keeps_named_cursors_over_restarts(world: World) {
    let ann = world.device("ann").await;
    let stream = ann.stream().await;
    stream.append_all(["1", "2", "3"]).await.unwrap();
    let cursor = stream.cursor("mailer").unwrap();
    let mut live = cursor.subscribe().await.unwrap();
    live.next().await.unwrap().unwrap();
    cursor.save(live.cursor()).await.unwrap();
    let ann = world.restart(ann).await;
    let stream = ann.stream().await;
    stream.set_retention(Retention::CountBased(0)).await.unwrap();
    assert_eq!(stream.compact().await.unwrap().entries, 1, "what comes after the cursor is kept");
    let cursor = stream.cursor("mailer").unwrap();
    let mut live = cursor.subscribe().await.unwrap();
    for text in ["2", "3"] {
        assert_eq!(live.next().await.unwrap().unwrap().payload(), text.as_bytes());
    }
    assert_eq!(stream.subscribe(From::Now).await.unwrap().cursor(), live.cursor());
    assert!(cursor.delete().await.unwrap());
    assert_eq!(stream.compact().await.unwrap().entries, 2);
}
