//! Addresses, ports and settings that cannot be used.

use gossip::{ConfigFile, Coordinator, Error, NodeState, Notice, PortError, TcpTransport};

use crate::wait::PATIENCE;
use crate::world::{Wire, World, converge};

on_every_wire! {
    an_address_that_cannot_be_reached_is_reported_and_tried_on,
    addresses_nobody_understands_are_typed_errors,
    a_port_in_use_leaves_the_node_stopped_and_whole,
}

async fn an_address_that_cannot_be_reached_is_reported_and_tried_on(world: World) {
    let [ann, bob] = world.devices(["ann", "bob"]).await;
    let mut events = ann.events();
    let nowhere = match world.wire {
        Wire::Memory => "memory:nobody".to_owned(),
        Wire::Tcp => {
            let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            format!("tcp://{free}")
        }
    };
    ann.node.connect(&nowhere).await.unwrap();
    if world.wire == Wire::Tcp {
        let trouble = async {
            loop {
                if let Notice::Trouble { transport, detail } = events.next().await.unwrap() {
                    return (transport, detail);
                }
            }
        };
        let (transport, detail) = tokio::time::timeout(PATIENCE, trouble).await.expect("no word of it");
        assert_eq!(transport, "tcp");
        assert!(detail.contains(nowhere.trim_start_matches("tcp://")), "{detail}");
    }
    world.link(&ann, &bob).await;
    ann.write(1).await;
    converge(&[&ann, &bob], 1).await;
    ann.node.disconnect(&nowhere).await.unwrap();
}

async fn addresses_nobody_understands_are_typed_errors(world: World) {
    let ann = world.device("ann").await;
    for address in ["", " ", "no address", "a\nb:c", &format!("tcp://{}", "x".repeat(2000))] {
        let result = ann.node.connect(address).await;
        assert!(matches!(result, Err(Error::Port(PortError::Address { .. }))), "{address:?}: {result:?}");
    }
    let result = ann.node.connect("carrier-pigeon://roof").await;
    assert!(matches!(result, Err(Error::NoTransport { .. })), "{result:?}");
    let mut peer = gossip::Peer::new("bob").unwrap();
    peer.addresses.push("no address".into());
    let result = ann.node.add_peer(peer).await;
    assert!(matches!(result, Err(Error::Port(PortError::Address { .. }))), "{result:?}");
    assert!(ann.node.peers().await.unwrap().is_empty());
}

async fn a_port_in_use_leaves_the_node_stopped_and_whole(world: World) {
    let ann = world.device("ann").await;
    let taken = ann.node.local_addresses()[0].rest().to_owned();
    let builder = match world.wire {
        Wire::Memory => Coordinator::builder().transport(world.network.transport(&taken)),
        Wire::Tcp => Coordinator::builder().transport(TcpTransport::listen(taken)),
    };
    let late = builder.transport(world.network.transport("late")).build().await.unwrap();
    let result = late.start().await;
    assert!(matches!(result, Err(Error::Port(PortError::Listen { .. }))), "{result:?}");
    assert_eq!(late.state(), NodeState::Stopped);
    assert!(late.local_addresses().is_empty(), "a port of it stayed open");
    late.channel("room").await.unwrap().stream("log").await.unwrap().append("local").await.unwrap();
    ann.node.shutdown().await.unwrap();
    late.start().await.unwrap();
    assert_eq!(late.local_addresses().len(), 2);
    late.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_configuration_says_what_is_wrong_with_it() {
    let wrong = [
        (r#"{"store": {"kind": "stone-tablet"}}"#, "stone-tablet"),
        (r#"{"store": {"kind": "redb", "path": "x", "colour": "red"}}"#, "colour"),
        (r#"{"transport": [{"kind": "tcp", "max_frame": 3}]}"#, "max_frame"),
        (r#"{"connect": ["no address"]}"#, "no address"),
        (r#"{"config": {"events": 0}}"#, "events"),
    ];
    for (text, named) in wrong {
        let file: ConfigFile = serde_json::from_str(text).unwrap();
        let error = Coordinator::from_config(&file).await.map(|_| ()).expect_err(text);
        assert!(error.to_string().contains(named), "{text}: {error}");
    }
    assert!(serde_json::from_str::<ConfigFile>(r#"{"node_id": "a\nb"}"#).is_err());
    assert!(serde_json::from_str::<ConfigFile>(r#"{"stores": {}}"#).is_err());
    let options = gossip::tcp::TcpOptions { max_frame: 3, ..Default::default() };
    let node = Coordinator::builder().transport(TcpTransport::with_options(options)).build().await.unwrap();
    let result = node.start().await;
    assert!(matches!(result, Err(Error::Port(PortError::Option { option: "max_frame", .. }))), "{result:?}");
}
