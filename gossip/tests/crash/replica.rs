//! The other node: on TCP, for the whole test.

use std::time::{Duration, Instant};

use gossip::{Coordinator, EventStream, MemoryStore, TcpTransport};
use tokio::runtime::Runtime;

use crate::line::{Contents, Said};
use crate::{CHANNEL, Outcome, STREAMS, VICTIM};

/// The two must agree within.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Replica {
    runtime: Runtime,
    node: Coordinator,
    streams: Vec<EventStream>,
    written: u64,
}

impl Replica {
    pub(crate) fn start() -> Outcome<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let (node, streams) = runtime.block_on(async {
            let node = Coordinator::builder()
                .store(MemoryStore::new())
                .node_id("replica")
                .transport(TcpTransport::listen("127.0.0.1:0"))
                .build()
                .await?;
            node.start().await?;
            let channel = node.channel(CHANNEL).await?;
            let mut streams = Vec::new();
            for name in STREAMS {
                streams.push(channel.stream(name).await?);
            }
            Outcome::Ok((node, streams))
        })?;
        Ok(Self { runtime, node, streams, written: 0 })
    }

    pub(crate) fn address(&self) -> Outcome<String> {
        let address = self.node.local_addresses().into_iter().next().ok_or("nowhere to listen")?;
        Ok(address.to_string())
    }

    /// Writes beside the victim, so that the kill also meets commits of what came from a peer.
    pub(crate) fn write(&mut self, entries: u64) -> Outcome {
        for _ in 0..entries {
            self.written += 1;
            let stream = &self.streams[self.written as usize % self.streams.len()];
            self.runtime.block_on(stream.append(format!("of the replica: {}", self.written)))?;
        }
        Ok(())
    }

    /// Waits until the victim, which must be linked, holds the same.
    pub(crate) fn agree(&self) -> Outcome {
        let begin = Instant::now();
        let mut events = self.node.events();
        self.runtime.block_on(async {
            while begin.elapsed() < PATIENCE {
                let peers = self.node.peers().await?;
                let same = |peer: &gossip::PeerInfo| peer.channels == 1 && peer.in_sync == 1;
                if peers.iter().any(|peer| peer.id.as_str() == VICTIM && same(peer)) {
                    return Ok(());
                }
                // Not everything that changes is told.
                let _ = tokio::time::timeout(Duration::from_millis(20), events.next()).await;
            }
            Err("the replica and the store do not get equal".into())
        })
    }

    /// Everything it holds.
    pub(crate) fn contents(&self) -> Outcome<Contents> {
        self.runtime.block_on(async {
            let mut contents = Contents::new();
            for stream in &self.streams {
                let mut entries = stream.read_all().await?;
                while let Some(entry) = entries.next().await? {
                    contents.insert(entry.id(), Said::of(&entry));
                }
            }
            Ok(contents)
        })
    }
}
