//! What happens to addresses that lead nowhere, to oneself, or to somebody else.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail at that place")]

use std::sync::Arc;
use std::time::Duration;

use gossip_core::registry::{Options, build_transport};
use gossip_core::{LocalNode, MessagePort, PeerAddr, PortError, PortEvent, Transport};
use gossip_transport_tcp::TcpTransport;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

async fn open(transport: TcpTransport, id: &str, instance: u64) -> Arc<dyn MessagePort> {
    transport.open(LocalNode { id: id.parse().unwrap(), instance }).await.unwrap()
}

async fn next(port: &dyn MessagePort) -> PortEvent {
    timeout(PATIENCE, port.recv()).await.expect("no event").unwrap()
}

async fn trouble(port: &dyn MessagePort) -> String {
    match next(port).await {
        PortEvent::Trouble { detail } => detail,
        event => panic!("{event:?} instead of a trouble"),
    }
}

#[tokio::test]
async fn an_address_that_refuses_is_reported_once_and_tried_on() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bound = listener.local_addr().unwrap();
    drop(listener);
    let address: PeerAddr = format!("tcp://{bound}").parse().unwrap();
    let port = open(TcpTransport::dial_only(), "ann", 1).await;
    port.connect(&address).await.unwrap();
    let detail = trouble(&*port).await;
    assert!(detail.contains(address.as_str()) && detail.contains("trying on"), "{detail}");
    // Several further attempts fail before anybody listens; the next event is the link.
    assert!(timeout(Duration::from_millis(300), port.recv()).await.is_err(), "reported twice");
    let bob = open(TcpTransport::listen(bound.to_string()), "bob", 1).await;
    assert!(matches!(next(&*port).await, PortEvent::LinkUp { .. }));
    assert!(matches!(next(&*bob).await, PortEvent::LinkUp { .. }));
}

/// After an hour without a network the pauses are as long as they get.
#[tokio::test(start_paused = true)]
async fn who_is_hurried_or_asked_once_more_dials_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bound = listener.local_addr().unwrap();
    drop(listener);
    let address = format!("tcp://{bound}").parse().unwrap();
    let port = open(TcpTransport::dial_only(), "ann", 1).await;
    port.connect(&address).await.unwrap();
    trouble(&*port).await;
    for round in 0..6 {
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        // Sees to it that the next attempt is not due just now.
        let (listener, begun) = (TcpListener::bind(bound).await.unwrap(), tokio::time::Instant::now());
        match round % 2 {
            0 => port.hurry(),
            _ => port.connect(&address).await.unwrap(),
        }
        let socket = listener.accept().await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        drop((socket, listener));
    }
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_trouble_and_no_error() {
    let port = open(TcpTransport::dial_only(), "ann", 1).await;
    port.connect(&"tcp://no-such-host.invalid:7400".parse().unwrap()).await.unwrap();
    assert!(trouble(&*port).await.contains("no-such-host.invalid"));
    port.close().await;
}

#[tokio::test]
async fn a_node_does_not_link_with_itself() {
    let port = open(TcpTransport::listen("127.0.0.1:0"), "ann", 1).await;
    port.connect(&port.local_addresses()[0]).await.unwrap();
    assert!(trouble(&*port).await.contains("the node itself"));
    let more = timeout(Duration::from_millis(300), port.recv()).await;
    assert!(more.is_err(), "tried again at once: {more:?}");
}

#[tokio::test]
async fn two_live_nodes_of_one_id_are_reported_on_both_sides_and_not_linked() {
    let (one, other) =
        (open(TcpTransport::listen("127.0.0.1:0"), "ann", 1), open(TcpTransport::dial_only(), "ann", 2));
    let (one, other) = tokio::join!(one, other);
    other.connect(&one.local_addresses()[0]).await.unwrap();
    for port in [&one, &other] {
        assert!(trouble(&**port).await.contains("another live node has our id ann"));
    }
}

#[tokio::test]
async fn a_restarted_peer_replaces_the_link_of_its_former_self() {
    let server = open(TcpTransport::listen("127.0.0.1:0"), "zoe", 1).await;
    let address = server.local_addresses().remove(0);
    // The first instance goes on living, as one whose machine lost its power does for its peers.
    let former = open(TcpTransport::dial_only(), "ann", 1).await;
    former.connect(&address).await.unwrap();
    let PortEvent::LinkUp { link: old, .. } = next(&*server).await else { panic!("no link") };
    former.forget(&address).await;
    let restarted = open(TcpTransport::dial_only(), "ann", 2).await;
    restarted.connect(&address).await.unwrap();
    assert!(matches!(next(&*server).await, PortEvent::LinkDown { link } if link == old));
    assert!(matches!(next(&*server).await, PortEvent::LinkUp { peer, .. } if peer.as_str() == "ann"));
}

async fn cut_off(cut: Option<oneshot::Receiver<()>>) {
    match cut {
        Some(cut) => cut.await.unwrap(),
        None => std::future::pending().await,
    }
}

/// Passes on all connections, the first of them only until it is cut: then it leads nowhere, and nobody is told.
async fn relay(listener: TcpListener, to: String, cut: oneshot::Receiver<()>) {
    let mut cut = Some(cut);
    let mut open = JoinSet::new();
    while let Ok((mut near, _)) = listener.accept().await {
        let (mut far, cut) = (TcpStream::connect(&to).await.unwrap(), cut.take());
        open.spawn(async move {
            tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                () = cut_off(cut) => std::future::pending().await,
            }
        });
    }
}

/// The dialler was told to forget the address, as it is when the node itself asked for the link: nothing else would dial it.
#[tokio::test]
async fn a_link_that_leads_nowhere_any_more_is_replaced_before_it_is_given_up() {
    let keepalive = Duration::from_secs(1);
    let server = open(TcpTransport::listen("127.0.0.1:0"), "zoe", 1).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap()).parse().unwrap();
    let (cut, when_cut) = oneshot::channel();
    let relay = tokio::spawn(relay(listener, server.local_addresses()[0].rest().to_owned(), when_cut));
    let client = open(TcpTransport::dial_only().keepalive(keepalive), "ann", 1).await;
    client.connect(&address).await.unwrap();
    for port in [&client, &server] {
        assert!(matches!(next(&**port).await, PortEvent::LinkUp { .. }));
    }
    client.forget(&address).await;
    cut.send(()).unwrap();
    for port in [&client, &server] {
        assert!(matches!(next(&**port).await, PortEvent::LinkDown { .. }));
        assert!(matches!(next(&**port).await, PortEvent::LinkUp { .. }));
    }
    let more = timeout(keepalive * 2, client.recv()).await;
    assert!(more.is_err(), "replaced again: {more:?}");
    relay.abort();
}

#[tokio::test]
async fn two_addresses_of_one_peer_end_with_one_link_that_stays() {
    let server = open(TcpTransport::listen("127.0.0.1:0"), "zoe", 1).await;
    let address = server.local_addresses().remove(0);
    let by_name = address.as_str().replace("127.0.0.1", "localhost").parse().unwrap();
    let client = open(TcpTransport::dial_only(), "ann", 1).await;
    client.connect(&address).await.unwrap();
    client.connect(&by_name).await.unwrap();
    let mut live = 0;
    let mut changes = 0;
    while let Ok(event) = timeout(Duration::from_millis(500), client.recv()).await {
        match event.unwrap() {
            PortEvent::LinkUp { .. } => live += 1,
            PortEvent::LinkDown { .. } => live -= 1,
            _ => {}
        }
        changes += 1;
        assert!(live <= 1 && changes < 10, "the two addresses fight");
    }
    assert_eq!(live, 1);
}

#[tokio::test]
async fn options_are_checked_by_name_and_by_bounds() {
    let text = |text: &str| Options::Text(text.to_owned());
    let options = |key: &str, value: u32| {
        Options::Map(vec![(text("listen"), text("127.0.0.1:0")), (text(key), value.into())])
    };
    let built = build_transport("tcp", &options("keepalive_ms", 50)).unwrap();
    let port = built.open(LocalNode { id: "ann".parse().unwrap(), instance: 1 }).await.unwrap();
    assert_eq!(port.local_addresses().len(), 1);
    for (key, value, complaint) in
        [("keepalive", 50, "keepalive_ms"), ("max_frame", 255, "256"), ("hello_ms", 0, "hello_ms")]
    {
        let error = build_transport("tcp", &options(key, value)).err().unwrap().to_string();
        assert!(error.contains(complaint), "{error}");
    }
    let local = LocalNode { id: "ann".parse().unwrap(), instance: 1 };
    let refused = TcpTransport::dial_only().keepalive(Duration::ZERO).open(local).await;
    assert!(matches!(refused.err(), Some(PortError::Option { option: "keepalive_ms", .. })));
}
