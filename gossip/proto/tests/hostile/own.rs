//! Our own log, in the mouth of somebody else.

use gossip_proto::ChainHash;
use gossip_proto::node::NodeConfig;
use gossip_proto::wire::Message;

use crate::host::Host;
use crate::seals::{Author, Scene, sealer};

/// Somebody says our log goes on: with our seal our memory is short, without it is made up.
#[test]
fn our_own_log_is_given_up_only_for_our_own_seal() {
    let mut scene = Scene::with(Host::signing(sealer(1), NodeConfig::default()));
    scene.victim.append(10);
    let log = scene.victim.own_logs().next().expect("a log");
    let continued = |scene: &Scene| {
        let head = scene.victim.disk.head(log).expect("its head");
        Author { sealer: sealer(1), name: head.name.clone(), height: head.height, hash: head.hash }
    };
    for seal in [None, Some(vec![7; 64])] {
        let mut author = continued(&scene);
        let (height, forged) = (author.height, author.run(|_| seal));
        assert_eq!(scene.push(&author, &[forged]), (height, 1));
        scene.victim.append(10);
        assert_eq!(scene.victim.own_logs().count(), 1, "the epoch goes on");
    }
    let mut author = continued(&scene);
    let (height, lost) = (author.height, author.sealed());
    assert_eq!(scene.push(&author, std::slice::from_ref(&lost)), (height, 0), "given up first,");
    assert_eq!(scene.push(&author, &[lost]), (height + 2, 0), "then taken like anyone's");
    scene.victim.append(10);
    assert_eq!(scene.victim.own_logs().count(), 2, "what is written now is a new epoch");
}

/// Somebody says our log is another one: the same.
#[test]
fn our_own_log_is_ended_only_by_our_own_seal() {
    let mut scene = Scene::with(Host::signing(sealer(1), NodeConfig::default()));
    (0..2).for_each(|_| scene.victim.append(10));
    let log = scene.victim.own_logs().next().expect("a log");
    let mut tell = |seal: Option<Vec<u8>>, is_forged: bool, logs: usize| {
        let head = scene.victim.disk.head(log).expect("its head").clone();
        let (height, hash) = (head.height - 1, ChainHash([9; 32]));
        let mut author = Author { sealer: sealer(1), name: head.name, height, hash };
        let told = author.run(|author| if is_forged { seal } else { Some(author.seal().0.to_vec()) });
        let mut delta = scene.delta(&author, std::slice::from_ref(&told));
        delta.runs[0].prev = Some(told.prev);
        scene.tell(Message::Runs(delta));
        scene.victim.append(10);
        assert_eq!(scene.victim.own_logs().count(), logs, "forged: {is_forged}");
        scene.victim.disk.head(log).expect("its head").height
    };
    assert_eq!(tell(None, true, 1), 3, "the epoch goes on");
    assert_eq!(tell(Some(vec![7; 64]), true, 1), 4);
    let height = tell(None, false, 2);
    assert_eq!(height, 4, "a clone of ours wrote it: what is written now is a new epoch");
}
