//! How far peers are: told, asked for, and waited for.

use std::time::Duration;

use gossip::Event;

use crate::wait::event;
use crate::world::{World, records};

on_every_pair! {
    waiting_for_agreement_brings_what_was_written_before,
    an_entry_is_delivered_to_whom_proved_to_hold_it,
}

async fn waiting_for_agreement_brings_what_was_written_before(world: World) {
    let [ann, bob] = world.devices(["ann", "bob"]).await;
    let channel = ann.node.channel("room").await.unwrap();
    let alone = tokio::time::timeout(Duration::from_millis(50), channel.wait_synced()).await;
    assert!(alone.is_err(), "there is nobody to agree with");
    bob.write(50).await;
    let mut events = ann.events();
    world.link(&ann, &bob).await;
    channel.wait_synced().await.unwrap();
    assert_eq!(records(&ann.stream().await).await.len(), 50);
    let is_told = |told: &Event| matches!(told, Event::SyncChanged(status) if status.in_sync).then_some(());
    event(&mut events, "in step", is_told).await;
    bob.write(20).await;
    channel.wait_synced_with(bob.node.id()).await.unwrap();
    assert_eq!(records(&ann.stream().await).await.len(), 70);
    let status = &ann.node.sync_status().await.unwrap()[0];
    assert!(status.peer == *bob.node.id() && status.last_equal.is_some());
    assert_eq!(channel.sync_status().await.unwrap().len(), 1);
}

async fn an_entry_is_delivered_to_whom_proved_to_hold_it(world: World) {
    let [ann, bob, cat] = world.devices(["ann", "bob", "cat"]).await;
    let stream = ann.stream().await;
    let id = stream.append("for bob").await.unwrap();
    assert_eq!(stream.delivered_to(id).await.unwrap(), []);
    bob.stream().await;
    world.link(&ann, &bob).await;
    // Of another channel only.
    cat.stream_of("elsewhere", "log").await;
    world.link(&ann, &cat).await;
    bob.node.channel("room").await.unwrap().wait_synced().await.unwrap();
    assert_eq!(stream.delivered_to(id).await.unwrap(), [bob.node.id().clone()]);
    let unknown = gossip::EntryId { sequence: 9, ..id };
    assert!(matches!(stream.delivered_to(unknown).await, Err(gossip::Error::UnknownEntry(_))));
}
