//! What strangers may do to a port, and that it goes on serving others.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail at that place")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use gossip_core::proto::node::{Class, LinkId};
use gossip_core::{LocalNode, MessagePort, PortError, PortEvent, Transport};
use gossip_transport_tcp::TcpTransport;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

async fn open(transport: TcpTransport, id: &str, instance: u64) -> Arc<dyn MessagePort> {
    transport.open(LocalNode { id: id.parse().unwrap(), instance }).await.unwrap()
}

fn loopback() -> TcpTransport {
    TcpTransport::listen("127.0.0.1:0")
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

async fn up(port: &dyn MessagePort) -> LinkId {
    match next(port).await {
        PortEvent::LinkUp { link, .. } => link,
        event => panic!("{event:?} instead of a link"),
    }
}

/// A plain socket connected to a port.
fn stranger(port: &dyn MessagePort) -> TcpStream {
    let address = port.local_addresses().remove(0);
    let socket = TcpStream::connect(address.rest()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn hello(version: u8, id: &str, keepalive_ms: u32) -> Vec<u8> {
    let mut bytes = b"gossip".to_vec();
    bytes.extend([version, u8::try_from(24 + id.len()).unwrap()]);
    bytes.extend(77_u64.to_be_bytes());
    bytes.extend(1_u64.to_be_bytes());
    bytes.extend(4096_u32.to_be_bytes());
    bytes.extend(keepalive_ms.to_be_bytes());
    bytes.extend(id.as_bytes());
    bytes
}

/// Reads until the port closes the connection, by an end or a reset.
async fn read_to_end(mut socket: TcpStream) -> Vec<u8> {
    let reading = tokio::task::spawn_blocking(move || {
        let mut all = Vec::new();
        match socket.read_to_end(&mut all) {
            Err(error) if error.kind() != std::io::ErrorKind::ConnectionReset => panic!("{error}"),
            _ => all,
        }
    });
    reading.await.unwrap()
}

/// A well-behaved peer can still be served.
async fn still_serves(port: &dyn MessagePort) {
    let good = open(TcpTransport::dial_only(), "good", 1).await;
    good.connect(&port.local_addresses()[0]).await.unwrap();
    let (to_port, _) = (up(&*good).await, up(port).await);
    good.send(to_port, vec![1, 2, 3].into(), Class::Live).await.unwrap();
    assert!(matches!(next(port).await, PortEvent::Frame { bytes, .. } if bytes[..] == [1, 2, 3]));
    good.close().await;
    assert!(matches!(next(port).await, PortEvent::LinkDown { .. }));
}

#[tokio::test]
async fn garbage_is_reported_and_refused() {
    let port = open(loopback(), "port", 1).await;
    let mut socket = stranger(&*port);
    socket.write_all(b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n").unwrap();
    assert!(read_to_end(socket).await.starts_with(b"gossip\x01"), "no hello before the end");
    assert!(trouble(&*port).await.contains("does not speak gossip"));
    still_serves(&*port).await;
}

#[tokio::test]
async fn another_version_is_named_on_both_sides() {
    let port = open(loopback(), "port", 1).await;
    let mut socket = stranger(&*port);
    socket.write_all(&hello(9, "newer", 5000)).unwrap();
    assert_eq!(read_to_end(socket).await[6], 1, "the other side cannot learn our version");
    assert!(trouble(&*port).await.contains("version 9"));

    // The dialling side says the same of a listener that is newer.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap()).parse().unwrap();
    port.connect(&address).await.unwrap();
    let accepted = tokio::task::spawn_blocking(move || {
        let (mut socket, _) = listener.accept().unwrap();
        socket.write_all(&hello(9, "newer", 5000)).unwrap();
        socket
    });
    let detail = trouble(&*port).await;
    assert!(detail.contains("version 9") && detail.contains(address.as_str()), "{detail}");
    drop(accepted.await.unwrap());
    port.forget(&address).await;
    still_serves(&*port).await;
}

#[tokio::test]
async fn malformed_ids_and_short_keepalives_are_refused() {
    let port = open(loopback(), "port", 1).await;
    for (bytes, complaint) in [(hello(1, "a\nb", 5000), "node id"), (hello(1, "fast", 1), "keepalive")] {
        let mut socket = stranger(&*port);
        socket.write_all(&bytes).unwrap();
        read_to_end(socket).await;
        let detail = trouble(&*port).await;
        assert!(detail.contains(complaint), "{detail}");
    }
    still_serves(&*port).await;
}

#[tokio::test]
async fn half_a_hello_and_then_silence_ends_at_the_deadline() {
    let port = open(loopback().hello_within(Duration::from_millis(100)), "port", 1).await;
    let mut socket = stranger(&*port);
    socket.write_all(&hello(1, "slow", 5000)[..11]).unwrap();
    read_to_end(socket).await;
    assert!(trouble(&*port).await.contains("no hello within 100ms"));
    still_serves(&*port).await;
}

#[tokio::test]
async fn silent_connections_do_not_keep_others_out_for_longer_than_the_deadline() {
    let port = open(loopback().hello_within(Duration::from_millis(100)), "port", 1).await;
    let silent: Vec<_> = (0..80).map(|_| stranger(&*port)).collect();
    let good = open(TcpTransport::dial_only(), "good", 1).await;
    good.connect(&port.local_addresses()[0]).await.unwrap();
    up(&*good).await;
    drop(silent);
}

#[tokio::test]
async fn a_length_over_the_limit_ends_the_link() {
    let port = open(loopback(), "port", 1).await;
    let mut socket = stranger(&*port);
    socket.write_all(&hello(1, "liar", 5000)).unwrap();
    let link = up(&*port).await;
    socket.write_all(&[0, 0, 0x10, 0x01, 1, 2, 3]).unwrap();
    let detail = trouble(&*port).await;
    assert!(detail.contains("liar") && detail.contains("4097") && detail.contains("4096"), "{detail}");
    assert!(matches!(next(&*port).await, PortEvent::LinkDown { link: down } if down == link));
    read_to_end(socket).await;
    still_serves(&*port).await;
}

#[tokio::test]
async fn a_frame_cut_off_by_the_end_of_the_connection_is_not_delivered() {
    let port = open(loopback(), "port", 1).await;
    let mut socket = stranger(&*port);
    socket.write_all(&hello(1, "gone", 5000)).unwrap();
    socket.write_all(&[0, 0, 0, 1, 42, 0, 0, 0, 9, 1, 2, 3]).unwrap();
    up(&*port).await;
    drop(socket);
    assert!(matches!(next(&*port).await, PortEvent::Frame { bytes, .. } if bytes[..] == [42]));
    assert!(matches!(next(&*port).await, PortEvent::LinkDown { .. }));
    still_serves(&*port).await;
}

#[tokio::test]
async fn an_abrupt_reset_ends_the_link() {
    let port = open(loopback(), "port", 1).await;
    let mut socket = stranger(&*port);
    socket.write_all(&hello(1, "reset", 5000)).unwrap();
    let link = up(&*port).await;
    port.send(link, vec![1; 1000].into(), Class::Live).await.unwrap();
    let mut start = [0; 8];
    socket.read_exact(&mut start).unwrap();
    // Closing with unread bytes makes the system answer with a reset.
    drop(socket);
    assert!(matches!(next(&*port).await, PortEvent::LinkDown { link: down } if down == link));
    still_serves(&*port).await;
}

#[tokio::test]
async fn a_half_open_link_is_closed_after_three_silent_intervals() {
    let port = open(loopback().keepalive(Duration::from_millis(40)), "port", 1).await;
    let mut socket = stranger(&*port);
    let start = std::time::Instant::now();
    socket.write_all(&hello(1, "mute", 5000)).unwrap();
    up(&*port).await;
    let detail = trouble(&*port).await;
    assert!(detail.contains("mute was silent"), "{detail}");
    assert!(start.elapsed() >= Duration::from_millis(100), "closed too soon");
    assert!(matches!(next(&*port).await, PortEvent::LinkDown { .. }));
    let heard = read_to_end(socket).await;
    assert!(heard.ends_with(&[0; 8]), "the port itself did not send signs of life");
}

#[tokio::test]
async fn idle_links_stay_up_by_the_shorter_interval_of_both() {
    let one = open(loopback().keepalive(Duration::from_millis(60)), "one", 1).await;
    let other = open(TcpTransport::dial_only(), "other", 1).await;
    other.connect(&one.local_addresses()[0]).await.unwrap();
    let (_, link) = (up(&*one).await, up(&*other).await);
    // Nothing must happen for ten intervals; what would happen ends this wait.
    let silence = Duration::from_millis(600);
    let (first, second) = tokio::join!(timeout(silence, one.recv()), timeout(silence, other.recv()));
    assert!(first.is_err() && second.is_err(), "{first:?} {second:?}");
    other.send(link, vec![1].into(), Class::Live).await.unwrap();
    assert!(matches!(next(&*one).await, PortEvent::Frame { .. }));
}

#[tokio::test]
async fn more_links_than_allowed_are_refused_with_a_reason() {
    let port = open(loopback().max_links(1), "port", 1).await;
    let first = open(TcpTransport::dial_only(), "first", 1).await;
    first.connect(&port.local_addresses()[0]).await.unwrap();
    let link = up(&*port).await;
    let mut socket = stranger(&*port);
    socket.write_all(&hello(1, "second", 5000)).unwrap();
    read_to_end(socket).await;
    assert!(trouble(&*port).await.contains("as many links as allowed"));
    port.send(link, vec![1].into(), Class::Live).await.unwrap();
}

#[tokio::test]
async fn a_port_in_use_is_an_error_that_names_it() {
    let port = open(loopback(), "port", 1).await;
    let taken = port.local_addresses()[0].rest().to_owned();
    let second =
        TcpTransport::listen(taken.clone()).open(LocalNode { id: "b".parse().unwrap(), instance: 1 }).await;
    match second.err() {
        Some(PortError::Listen { address, detail }) => assert!(address == taken && !detail.is_empty()),
        other => panic!("{other:?}"),
    }
    let nonsense =
        TcpTransport::listen("nowhere").open(LocalNode { id: "b".parse().unwrap(), instance: 1 }).await;
    assert!(matches!(nonsense.err(), Some(PortError::Listen { .. })));
}
