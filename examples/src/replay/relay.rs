//! A wire that can be cut: a TCP relay between the players.
//!
//! The first player listens; the others connect to the relay, which passes their bytes on to it.
//! Cutting closes every connection and refuses new ones. Nothing on either side is told, as with
//! a real cable. The relay also knows exactly how many bytes went through.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// Connections carried at once; more are refused.
const MAX_CONNECTIONS: usize = 64;
const CHUNK: usize = 64 * 1024;

/// The relay; dropping it closes everything.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    target: watch::Sender<Option<SocketAddr>>,
    bytes: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

impl Relay {
    /// Opens a relay on loopback. It is cut until [`Relay::restore`].
    ///
    /// # Errors
    /// What the system says when no port can be had.
    pub async fn open() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let (target, wire) = watch::channel(None);
        let bytes = Arc::default();
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(accept(listener, wire, Arc::clone(&bytes)));
        Ok(Self { address, target, bytes, accepting })
    }

    /// Where the relay listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Passes connections on to `target` from now on.
    pub fn restore(&self, target: SocketAddr) {
        self.target.send_replace(Some(target));
    }

    /// Closes all connections and refuses new ones.
    pub fn cut(&self) {
        self.target.send_replace(None);
    }

    /// Bytes passed on so far, both directions together.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, wire: watch::Receiver<Option<SocketAddr>>, bytes: Arc<AtomicU64>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = listener.accept().await;
        while connections.try_join_next().is_some() {}
        // A connection that cannot be accepted or carried is one the players have to make again.
        if let Ok((near, _)) = accepted
            && connections.len() < MAX_CONNECTIONS
        {
            connections.spawn(carry(near, wire.clone(), Arc::clone(&bytes)));
        }
    }
}

/// Carries one connection until an end closes it or the wire is cut.
async fn carry(near: TcpStream, mut wire: watch::Receiver<Option<SocketAddr>>, bytes: Arc<AtomicU64>) {
    let Some(target) = *wire.borrow_and_update() else { return };
    let Ok(far) = TcpStream::connect(target).await else { return };
    // Small frames must not wait for each other: the times measured are those of the players.
    if near.set_nodelay(true).and(far.set_nodelay(true)).is_err() {
        return;
    }
    let (from_near, to_near) = near.into_split();
    let (from_far, to_far) = far.into_split();
    tokio::select! {
        _ = pump(from_near, to_far, &bytes) => {}
        _ = pump(from_far, to_near, &bytes) => {}
        _ = wire.wait_for(Option::is_none) => {}
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, bytes: &AtomicU64) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = from.read(&mut chunk).await?;
        if read == 0 {
            return Ok(());
        }
        bytes.fetch_add(read as u64, Ordering::Relaxed);
        to.write_all(&chunk[..read]).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    tokio::io::copy(&mut from, &mut to).await.ok();
                });
            }
        });
        address
    }

    async fn ask(stream: &mut TcpStream) -> io::Result<[u8; 5]> {
        let mut answer = [0; 5];
        stream.write_all(b"hello").await?;
        stream.read_exact(&mut answer).await?;
        Ok(answer)
    }

    #[tokio::test]
    async fn carries_until_cut_and_again_after() {
        let relay = Relay::open().await.unwrap();
        let target = echo().await;
        let connect = || TcpStream::connect(relay.address());
        assert!(ask(&mut connect().await.unwrap()).await.is_err(), "cut at first");
        relay.restore(target);
        let mut old = connect().await.unwrap();
        assert_eq!(&ask(&mut old).await.unwrap(), b"hello");
        assert_eq!(relay.bytes(), 10);
        relay.cut();
        assert!(ask(&mut old).await.is_err(), "cut closes what was open");
        assert!(ask(&mut connect().await.unwrap()).await.is_err(), "and refuses");
        relay.restore(target);
        assert_eq!(&ask(&mut connect().await.unwrap()).await.unwrap(), b"hello");
        assert_eq!(relay.bytes(), 20);
    }
}
