//! The relay between the hosts: delays, loses as TCP does, and falls silent.
//!
//! Host `n` is reached on port `7400 + n`; who dials is known by its address. Chunks of a stream are given on in order,
//! each after the latency of its pair (10 to 50 ms, as in the simulator of swarms). A chunk that is lost is given on after
//! what a retransmission takes: 200 ms, doubled each time it is lost again (RFC 6298). A pair that is cut is silent:
//! nothing is read, nothing given on, nobody dialled, and no connection closed.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use gossip::proto::Rng;
use gossip_testkit::swarm::Plan;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::Outcome;
use crate::group::ALL;
use crate::network::{RELAY, address};
use crate::orders::orders;
use crate::program::print;

/// Chunks on their way.
const CHUNKS: usize = 64;
/// Largest chunk.
const BYTES: usize = 16 << 10;
/// The first retransmission.
const AGAIN: Duration = Duration::from_millis(200);

/// What becomes of what is given on.
#[derive(Debug, Clone, Default)]
struct Weather {
    /// Hosts that are cut off.
    cut: Vec<usize>,
    /// Chunks lost of 1,000.
    loss: u64,
}

/// One direction of a connection.
struct Way {
    weather: watch::Receiver<Weather>,
    from: usize,
    to: usize,
}

/// Understands `cut N`, `restore N` and `loss N`, until its standard input ends.
pub(crate) async fn relay() -> Outcome {
    let (weather, watched) = watch::channel(Weather::default());
    let mut targets = JoinSet::new();
    for to in ALL {
        let listener = TcpListener::bind((address(RELAY), 7400 + to as u16)).await?;
        targets.spawn(serve(listener, to, watched.clone()));
    }
    print("up")?;
    let mut orders = orders();
    while let Some(order) = orders.recv().await {
        let (what, number) = order.split_once(' ').ok_or("an order has two words")?;
        let number: usize = number.parse()?;
        weather.send_modify(|weather| match what {
            "cut" => weather.cut.push(number),
            "restore" => weather.cut.retain(|cut| *cut != number),
            _ => weather.loss = number as u64,
        });
    }
    Ok(())
}

async fn serve(listener: TcpListener, to: usize, weather: watch::Receiver<Weather>) -> Outcome {
    let mut connections = JoinSet::new();
    loop {
        let (socket, peer) = listener.accept().await?;
        while connections.try_join_next().is_some() {}
        let from = match peer.ip() {
            std::net::IpAddr::V4(ip) => usize::from(ip.octets()[3]),
            std::net::IpAddr::V6(_) => continue,
        };
        connections.spawn(join(socket, Way { weather: weather.clone(), from, to }));
    }
}

/// Joins a connection to one to its target, until one of them ends.
async fn join(socket: TcpStream, mut there: Way) -> Outcome {
    there.open().await?;
    let target = TcpStream::connect((address(there.to), 7400)).await?;
    socket.set_nodelay(true)?;
    target.set_nodelay(true)?;
    let back = Way { weather: there.weather.clone(), from: there.to, to: there.from };
    let ((near_in, near_out), (far_in, far_out)) = (socket.into_split(), target.into_split());
    tokio::select! {
        ended = give_on(there, near_in, far_out) => ended,
        ended = give_on(back, far_in, near_out) => ended,
    }
}

async fn give_on(way: Way, from: OwnedReadHalf, to: OwnedWriteHalf) -> Outcome {
    let (sender, chunks) = mpsc::channel(CHUNKS);
    let weather = way.weather.clone();
    let (from_host, to_host) = (way.from, way.to);
    let (read, written) = tokio::join!(
        read(way, from, sender),
        write(Way { weather, from: from_host, to: to_host }, chunks, to)
    );
    read.and(written)
}

/// Reads chunks, and says when each arrives.
async fn read(mut way: Way, mut socket: OwnedReadHalf, chunks: mpsc::Sender<(Instant, Bytes)>) -> Outcome {
    let mut rng = Rng::new(way.pair());
    let latency = Plan { seed: 1, nodes: RELAY, loss: 0 }.latency(way.from, way.to);
    let mut last = Instant::now();
    loop {
        way.open().await?;
        let mut chunk = BytesMut::with_capacity(BYTES);
        if socket.read_buf(&mut chunk).await? == 0 {
            return Ok(());
        }
        let loss = way.weather.borrow().loss;
        last = last.max(Instant::now() + latency + retransmissions(&mut rng, loss));
        chunks.send((last, chunk.freeze())).await?;
    }
}

/// How long what is lost so often is waited for.
fn retransmissions(rng: &mut Rng, loss: u64) -> Duration {
    let (mut waited, mut pause) = (Duration::ZERO, AGAIN);
    while rng.below(1_000) < loss {
        waited += pause;
        pause *= 2;
    }
    waited
}

async fn write(
    mut way: Way,
    mut chunks: mpsc::Receiver<(Instant, Bytes)>,
    mut socket: OwnedWriteHalf,
) -> Outcome {
    while let Some((arrives, chunk)) = chunks.recv().await {
        sleep_until(arrives).await;
        way.open().await?;
        socket.write_all(&chunk).await?;
    }
    Ok(socket.shutdown().await?)
}

impl Way {
    /// Waits while it is cut.
    async fn open(&mut self) -> Outcome {
        let (from, to) = (self.from, self.to);
        let is_cut = |weather: &Weather| weather.cut.contains(&from) || weather.cut.contains(&to);
        self.weather.wait_for(|weather| !is_cut(weather)).await?;
        Ok(())
    }

    fn pair(&self) -> u64 {
        (self.from * 10 + self.to) as u64
    }
}
