//! The child that appends until it is killed.

use bytes::Bytes;
use gossip::proto::Rng;
use gossip::{Coordinator, EventStream, Retention};
use tokio::task::JoinSet;

use crate::kinds::parse;
use crate::line::acknowledged;
use crate::program::print;
use crate::{CHANNEL, Outcome, PRUNED, STREAMS};

/// Tasks appending one entry after the other.
const SINGLE: u64 = 6;
/// Tasks appending batches.
const BATCHES: u64 = 2;
const LARGEST_BATCH: u64 = 300;

/// Appends for ever and prints what was acknowledged; prunes one stream and verifies now and then.
pub(crate) async fn write(config: &str, seed: &str) -> Outcome {
    let node = open(config).await?;
    let channel = node.channel(CHANNEL).await?;
    let (pruned, keeps) = PRUNED;
    let pruned = channel.stream(pruned).await?;
    pruned.set_retention(Retention::CountBased(keeps)).await?;
    let mut rng = Rng::new(seed.parse()?);
    if rng.chance(500) {
        pruned.compact().await?;
    }
    let mut tasks = JoinSet::new();
    for task in 0..SINGLE + BATCHES {
        let stream = channel.stream(STREAMS[task as usize % STREAMS.len()]).await?;
        let rng = Rng::new(rng.next_u64());
        let largest = if task < SINGLE { 1 } else { LARGEST_BATCH };
        tasks.spawn(append_for_ever(stream, rng, largest));
    }
    match tasks.join_next().await {
        Some(ended) => ended?,
        None => Ok(()),
    }
}

/// The node of a configuration, linked if it names a peer.
pub(crate) async fn open(config: &str) -> Outcome<Coordinator> {
    let config = parse(config)?;
    let node = Coordinator::from_config(&config).await?;
    if !config.connect.is_empty() {
        node.start().await?;
    }
    Ok(node)
}

async fn append_for_ever(stream: EventStream, mut rng: Rng, largest: u64) -> Outcome {
    loop {
        let payloads: Vec<Bytes> = (0..=rng.below(largest)).map(|_| payload(&mut rng)).collect();
        let ids = match &payloads[..] {
            [one] => vec![stream.append(one.clone()).await?],
            _ => stream.append_all(payloads.clone()).await?,
        };
        for (id, payload) in ids.into_iter().zip(&payloads) {
            print(&acknowledged(id, payload))?;
        }
        if rng.chance(if largest > 1 { 500 } else { 100 }) {
            stream.compact().await?;
        }
        if rng.chance(2) {
            let report = stream.verify().await?;
            if !report.is_sound() {
                return Err(format!("verifying finds damage: {report:?}").into());
            }
        }
    }
}

/// Never twice the same; empty tails, small ones, and now and then one that spans pages.
fn payload(rng: &mut Rng) -> Bytes {
    let tail = if rng.chance(15) { 40_000 } else { 200 };
    let mut bytes = rng.next_u64().to_le_bytes().to_vec();
    let fill = rng.next_u64() as u8;
    bytes.resize(8 + rng.below(tail) as usize, fill);
    bytes.into()
}
