//! One side of a measurement, in a process of its own: does what its parent orders, one order after the
//! other, on a runtime of one thread.

use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use gossip::proto::node::Event;
use gossip::proto::{PayloadHash, Retention};
use gossip::{Channel, Config, Coordinator, EventStream, Identity, Notice, Store, TcpTransport};
use tokio::sync::mpsc;

use super::order::{Answer, Order, Report, Setup};
use super::pipe::Pipe;
use super::place;
use super::reader::Reader;
use crate::fill::{CHANNEL, fill, stream_name};
use crate::payload::payload;
use crate::{Outcome, cpu};

/// Orders given and not yet looked at.
const ORDERS: usize = 16;

/// Does what comes in on standard input until told to quit.
pub(crate) async fn run() -> Outcome {
    let (sender, mut orders) = mpsc::channel(ORDERS);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    let mut side = Side::default();
    while let Some(line) = orders.recv().await {
        let answer = match serde_json::from_str(&line)? {
            Order::Quit => break,
            order => side.perform(order).await.unwrap_or_else(|error| Answer::Failed(error.to_string())),
        };
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", serde_json::to_string(&answer)?)?;
        out.flush()?;
    }
    match side.node {
        Some(node) => Ok(node.node.shutdown().await?),
        None => Ok(()),
    }
}

#[derive(Default)]
struct Side {
    node: Option<Node>,
    /// Kept without a node.
    store: Option<std::sync::Arc<dyn Store>>,
    pipe: Pipe,
}

struct Node {
    node: Coordinator,
    channel: Channel,
    first: EventStream,
    reader: Option<Reader>,
}

impl Side {
    async fn perform(&mut self, order: Order) -> Outcome<Answer> {
        match order {
            Order::Fill(setup) => {
                self.store = Some(filled(&setup).await?);
                return Ok(Answer::Done);
            }
            Order::Open(setup) => {
                let node = Node::open(setup).await?;
                let address = node.node.local_addresses().into_iter().next().ok_or("nobody listens")?;
                self.node = Some(node);
                return Ok(Answer::Address(address.to_string()));
            }
            Order::Pipe(task) => return self.pipe.perform(task).await,
            Order::Report if self.node.is_none() => return Ok(Answer::Report(used())),
            Order::Ages(count) if self.node.is_none() => return self.pipe.ages(count).await,
            _ => {}
        }
        self.node.as_mut().ok_or("no node")?.perform(order).await
    }
}

async fn filled(setup: &Setup) -> Outcome<std::sync::Arc<dyn Store>> {
    let store = place::open(setup.keep, setup.place.as_deref())?;
    if let Some(history) = setup.fill {
        fill(&*store, history).await?;
    }
    Ok(store)
}

fn used() -> Report {
    let (cpu, (_, most)) = (cpu::used(), cpu::resident());
    Report { cpu_us: cpu.as_secs_f64() * 1e6, most_mib: most, ..Report::default() }
}

impl Node {
    async fn open(setup: Setup) -> Outcome<Self> {
        let config = Config { coalesce: setup.coalesce, ..Config::default() };
        let builder = Coordinator::builder().shared_store(filled(&setup).await?).config(config);
        let builder = builder.transport(TcpTransport::listen("127.0.0.1:0"));
        let builder = if setup.sealed {
            builder.identity(Identity::from_seed(PayloadHash::of(setup.name.as_bytes()).0))
        } else {
            builder.node_id(setup.name.as_str())
        };
        let node = builder.build().await?;
        node.start().await?;
        let channel = node.channel(CHANNEL).await?;
        let first = channel.stream(stream_name(0)).await?;
        Ok(Self { node, channel, first, reader: None })
    }

    async fn perform(&mut self, order: Order) -> Outcome<Answer> {
        match order {
            Order::Connect(address) => self.node.connect(&address).await?,
            Order::Restart => {
                self.node.stop().await?;
                self.node.start().await?;
            }
            Order::Append { entries, batch, bytes } => self.append(entries, batch, bytes).await?,
            Order::Holds(entries) => self.holds(entries).await?,
            Order::Equal => self.equal().await?,
            Order::Exchange(times) => self.exchange(times).await?,
            Order::Report => return Ok(Answer::Report(self.report().await?)),
            Order::Held => {
                let usage = self.node.resource_usage().await?;
                return Ok(Answer::Held { entries: usage.entries, bytes: usage.bytes });
            }
            Order::Evict(newest) => {
                self.first.set_retention(Retention::CountBased(newest)).await?;
                self.first.compact().await?;
            }
            Order::Watch => self.reader = Some(Reader::watch(&self.first).await?),
            Order::Crawl(pause) => {
                self.reader = Some(Reader::crawl(&self.first, Duration::from_millis(pause)).await?);
            }
            Order::Pace { entries, bytes } => self.pace(entries, bytes).await?,
            Order::Ages(count) => return Ok(Answer::Ages(self.reader()?.ages(count).await?)),
            Order::CatchUp(count) => {
                let (slowly, all) = self.reader()?.catch_up(count).await?;
                return Ok(Answer::Crawled { slowly, all });
            }
            Order::Fill(_) | Order::Open(_) | Order::Pipe(_) | Order::Quit => {
                return Err("out of place".into());
            }
        }
        Ok(Answer::Done)
    }

    fn reader(&mut self) -> Outcome<Reader> {
        Ok(self.reader.take().ok_or("nobody reads")?)
    }

    async fn append(&self, entries: u64, batch: u64, bytes: usize) -> Outcome {
        for first in (0..entries).step_by(batch as usize) {
            let numbers = first..(first + batch).min(entries);
            let batch: Vec<Bytes> = numbers.map(|number| payload(number as usize, bytes)).collect();
            self.first.append_all(batch).await?;
        }
        Ok(())
    }

    /// Appends at the pace a person or a sensor might, far below what is possible.
    async fn pace(&self, entries: u64, bytes: usize) -> Outcome {
        let mut beat = tokio::time::interval(Duration::from_millis(1));
        for number in 0..entries {
            beat.tick().await;
            let mut stamped = payload(number as usize, bytes).to_vec();
            stamped[..8].copy_from_slice(&cpu::clock().to_le_bytes());
            self.first.append(stamped).await?;
        }
        Ok(())
    }

    /// Waits for events, and looks itself when enough should have come or none came for long.
    async fn holds(&self, entries: u64) -> Outcome {
        let mut events = self.node.events();
        loop {
            let streams = self.channel.streams().await?;
            let held: u64 = streams.iter().map(|stream| stream.height).sum();
            let (missing, mut come) = (entries.saturating_sub(held), 0);
            if missing == 0 {
                return Ok(());
            }
            while come < missing {
                match tokio::time::timeout(Duration::from_secs(1), events.next()).await {
                    Ok(Some(Notice::Event(Event::EntriesMerged { entries, .. }))) => {
                        come += entries.iter().map(|(_, range)| range.last - range.first + 1).sum::<u64>();
                    }
                    Ok(Some(Notice::Lagged(_))) | Err(_) => break,
                    Ok(Some(_)) => {}
                    Ok(None) => return Err("the node ended".into()),
                }
            }
        }
    }

    /// Until a peer is reachable and known to hold the same. Only listens: nothing is sent for it.
    async fn equal(&self) -> Outcome {
        let mut events = self.node.events();
        loop {
            let peers = self.channel.sync_status().await?;
            if !peers.is_empty() && peers.iter().all(|peer| peer.in_sync) {
                return Ok(());
            }
            let told = async {
                loop {
                    match events.next().await {
                        Some(Notice::Event(Event::SyncChanged(_)) | Notice::Lagged(_)) | None => return,
                        Some(_) => {}
                    }
                }
            };
            // A peer that is gone tells nothing.
            let _ = tokio::time::timeout(Duration::from_secs(1), told).await;
        }
    }

    /// One question and its answer each: what was said before does not count.
    async fn exchange(&self, times: u64) -> Outcome {
        for _ in 0..times {
            self.channel.wait_synced().await?;
        }
        Ok(())
    }

    async fn report(&self) -> Outcome<Report> {
        let traffic = self.node.health().await?.traffic;
        let frames = traffic.frames_sent + traffic.frames_received;
        let bytes = traffic.bytes_sent + traffic.bytes_received + 4 * frames;
        Ok(Report { frames, bytes, ..used() })
    }
}
