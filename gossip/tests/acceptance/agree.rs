//! How far peers are: told, asked for, and waited for.

use std::time::Duration;

use gossip::Event;

use crate::wait::event;
use crate::world::{World, holds, records};

on_every_pair! {
    waiting_for_agreement_brings_what_was_written_before,
    an_entry_is_delivered_to_whom_proved_to_hold_it,
    delivery_of_one_entry_is_known_while_both_go_on_writing,
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
    let world = world.only_linked();
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

async fn delivery_of_one_entry_is_known_while_both_go_on_writing(world: World) {
    let [ann, bob] = world.devices(["ann", "bob"]).await;
    world.link(&ann, &bob).await;
    let [stream, theirs] = [ann.stream().await, bob.stream().await];
    let id = stream.append("for bob").await.unwrap();
    holds(&theirs, 1).await;
    let go_on = |stream: gossip::EventStream| async move {
        loop {
            stream.append("more").await.unwrap();
        }
    };
    let delivered = async {
        for _ in 0..20 {
            // One that bob may lack when he is asked, and one that he holds.
            let fresh = stream.append("fresh").await.unwrap();
            for id in [id, fresh] {
                assert_eq!(stream.delivered_to(id).await.unwrap(), [bob.node.id().clone()], "{id}");
            }
        }
    };
    tokio::select! {
        () = go_on(stream.clone()) => {}
        () = go_on(theirs.clone()) => {}
        () = delivered => {}
    }
}
