//! Peers: added, met, remembered, lost.

use gossip::{CommandError, Error, Event, Notice, Peer, PeerStatus};

use crate::wait::{event, events_until, eventually};
use crate::world::{World, converge};

on_every_pair! {
    defect_b15_peer_events_reach_the_application_each_once,
    defect_b18_saved_peers_are_loaded_and_dialled,
}

async fn defect_b15_peer_events_reach_the_application_each_once(world: World) {
    let world = world.only_linked();
    let [ann, bob] = world.devices(["ann", "bob"]).await;
    let mut events = ann.events();
    world.link(&bob, &ann).await;
    world.cut(&ann, &bob).await;
    world.mend(&ann, &bob).await;
    bob.node.disconnect("memory:ann").await.unwrap();
    let id = bob.node.id().clone();
    assert!(ann.node.remove_peer(id.clone()).await.unwrap());
    assert!(!ann.node.remove_peer("nobody").await.unwrap());
    let removed = Event::PeerRemoved(id.clone());
    let told = events_until(&mut events, |event| *event == removed).await;
    let about: Vec<_> = told
        .into_iter()
        .filter(|event| {
            matches!(event, Event::PeerAdded(_) | Event::PeerRemoved(_) | Event::PeerStatusChanged(..))
        })
        .collect();
    assert_eq!(about[0], Event::PeerAdded(id.clone()));
    assert_eq!(about.iter().filter(|event| matches!(event, Event::PeerAdded(_))).count(), 1);
    let changes = about.iter().filter_map(|event| match event {
        Event::PeerStatusChanged(peer, status) => {
            assert_eq!(*peer, id);
            Some(*status)
        }
        _ => None,
    });
    let changes: Vec<_> = changes.collect();
    assert!(changes.starts_with(&[PeerStatus::Reachable, PeerStatus::Unreachable, PeerStatus::Reachable]));
    assert!(changes.windows(2).all(|pair| pair[0] != pair[1]), "a change to the same: {changes:?}");
}

async fn defect_b18_saved_peers_are_loaded_and_dialled(world: World) {
    let [ann, bob] = world.devices(["ann", "bob"]).await;
    let card = Peer { display_name: Some("Bob's phone".into()), ..bob.card() };
    assert!(ann.node.add_peer(card.clone()).await.unwrap());
    assert!(!ann.node.add_peer(card).await.unwrap());
    ann.reaches(&bob).await;
    ann.write(1).await;
    converge(&[&ann, &bob], 1).await;
    let ann = world.restart(ann).await;
    let loaded = ann.peer(&bob).await.expect("the peer was forgotten");
    assert!(loaded.added);
    assert_eq!(loaded.display_name, "Bob's phone");
    assert_eq!(loaded.addresses, bob.card().addresses);
    // Nobody called connect: the address that was kept is dialled.
    ann.reaches(&bob).await;
    bob.write(1).await;
    converge(&[&ann, &bob], 2).await;
    let myself = ann.node.add_peer(ann.card()).await;
    assert!(matches!(myself, Err(Error::Command(CommandError::LocalNode))), "{myself:?}");
}

#[tokio::test]
async fn a_listener_that_is_too_slow_is_told_how_much_it_missed() {
    let world = World::new(crate::world::Wire::Memory, crate::world::Disk::Memory);
    let config = gossip::Config { events: 8, ..gossip::Config::default() };
    let ann = world.device_with("ann", |builder| builder.config(config)).await;
    let mut slow = ann.events();
    ann.write(30).await;
    let Some(Notice::Lagged(missed)) = slow.next().await else { panic!("no word of what was missed") };
    assert!(missed >= 20, "{missed}");
    let last = |event: &Event| match event {
        Event::EntriesAppended { first, count, .. } => Some(first.sequence + count - 1),
        _ => None,
    };
    let mut newest = 0;
    while newest < 30 {
        newest = event(&mut slow, "the newest are kept", last).await;
    }
    eventually("nothing else is due", async || ann.records().await.len() == 30).await;
}
