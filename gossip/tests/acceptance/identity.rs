//! Who a node is, and which names there are.

use gossip::{BuildError, Coordinator, Error, IdError, Peer};

use crate::world::World;

on_every_disk! {
    behaviour_05_an_id_is_made_once_and_kept,
    behaviour_05_names_that_are_none_are_refused_everywhere,
}

async fn behaviour_05_an_id_is_made_once_and_kept(world: World) {
    let ann = world.device("ann").await;
    let id = ann.node.id().clone();
    let other = world.device("other").await;
    assert_ne!(other.node.id(), &id, "made anew for each store");
    let ann = world.restart(ann).await;
    assert_eq!(ann.node.id(), &id);
    let shelf = ann.shelf.clone();
    ann.node.shutdown().await.unwrap();
    drop(ann);
    let store = shelf.open().await;
    let same = Coordinator::builder().shared_store(store.clone()).node_id(id.clone()).build().await.unwrap();
    same.shutdown().await.unwrap();
    drop((same, store));
    let store = shelf.open().await;
    match Coordinator::builder().shared_store(store).node_id("somebody-else").build().await {
        Err(BuildError::OtherNode { stored, given }) => {
            assert_eq!((stored, given.as_str()), (id, "somebody-else"));
        }
        other => panic!("{other:?}"),
    }
}

async fn behaviour_05_names_that_are_none_are_refused_everywhere(world: World) {
    let ann = world.device("ann").await;
    let room = ann.node.channel("room").await.unwrap();
    let long = "x".repeat(129);
    for name in ["", " \t", "a\nb", "\u{7f}", &long] {
        let built = Coordinator::builder().node_id(name).build().await;
        assert!(matches!(built, Err(BuildError::Id(_))), "{name:?}: {built:?}");
        assert!(Peer::new(name).is_err(), "{name:?}");
        refused(name, ann.node.channel(name).await);
        refused(name, ann.node.open_channel(name).await);
        refused(name, ann.node.remove_channel(name).await);
        refused(name, ann.node.channels_for_peer(name).await);
        refused(name, ann.node.remove_peer(name).await);
        refused(name, room.stream(name).await);
        refused(name, room.open_stream(name).await);
        refused(name, room.remove_stream(name).await);
        refused(name, room.add_member(name).await);
        refused(name, room.remove_member(name).await);
    }
    let longest = "x".repeat(128);
    room.stream(longest.as_str()).await.unwrap().append("fits").await.unwrap();
    assert_eq!(ann.node.channels().await.unwrap().len(), 1, "nothing was made of bad names");
    assert_eq!(room.streams().await.unwrap().len(), 1);
}

fn refused<T: std::fmt::Debug>(name: &str, result: Result<T, Error>) {
    let error = result.expect_err(name);
    let Error::Id(error) = error else { panic!("{name:?}: {error:?}") };
    let _typed: IdError = error;
}
