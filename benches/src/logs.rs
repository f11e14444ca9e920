//! Memory of a node for each of its logs, without a store: what it keeps of the heads it is given.
//!
//! Every figure is of a process of its own, which does nothing else.

use std::process::Command;

use clap::Args;
use gossip::proto::node::{Boot, Loading, Node, NodeConfig};
use gossip::proto::{
    ChainHash, ChannelRecord, Epoch, Inventory, LogHead, LogName, NodeRecord, Now, StreamRecord, Tick, WallMs,
};
use gossip::{ChannelId, NodeId, Stamp, StreamId};

use crate::fill::{CHANNEL, stream_name};
use crate::{Outcome, cpu, table};

/// Heads given at once.
const PAGE: usize = 256;

/// What to measure.
#[derive(Debug, Clone, Args)]
pub(crate) struct Plan {
    /// Only this many streams, with `--authors` logs each; prints the bytes resident.
    #[arg(long, hide = true, requires = "authors")]
    streams: Option<usize>,
    #[arg(long, hide = true)]
    authors: Option<usize>,
}

/// Prints the table, or does what the table needs a process for.
pub(crate) fn all(plan: &Plan) -> Outcome {
    if let (Some(streams), Some(authors)) = (plan.streams, plan.authors) {
        return one(streams, authors);
    }
    table::head("A node's memory for its logs", &["logs", "in streams of", "MiB", "B/log"]);
    for authors in [10, 1000] {
        for logs in [10_000, 100_000, 1_000_000] {
            let bytes = apart(logs / authors, authors)?;
            let mib = table::number(bytes / f64::from(1 << 20));
            table::row(&[&logs, &authors, &mib, &table::number(bytes / logs as f64)]);
        }
    }
    Ok(())
}

/// In a process of its own.
fn apart(streams: usize, authors: usize) -> Outcome<f64> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["logs", "--streams", &streams.to_string(), "--authors", &authors.to_string()]);
    let output = command.output()?;
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

fn one(streams: usize, authors: usize) -> Outcome {
    // What the program itself takes is there before.
    drop(load(1, 1)?);
    let before = cpu::resident().0;
    let node = load(streams, authors)?;
    println!("{}", (cpu::resident().0 - before) * f64::from(1 << 20));
    drop(node);
    Ok(())
}

/// A node that was given the heads of so many logs, as a store reads them: page by page, each with a name
/// of its own.
fn load(streams: usize, authors: usize) -> Outcome<Node> {
    let channel = ChannelId::new(CHANNEL)?;
    let record = ChannelRecord { id: channel, members: Default::default(), payload_limit: 1 << 20 };
    let ids = (0..streams).map(|stream| StreamId::new(stream_name(stream)).map(StreamRecord::new));
    let channels = vec![(record, ids.collect::<Result<_, _>>()?)];
    let inventory = Inventory { channels, ..Inventory::default() };
    let me = NodeRecord::new(NodeId::new("me")?);
    let boot = Boot::new(me, inventory, NodeConfig::default(), 1, [1; 32]);
    let mut node = Loading::new(Now { tick: Tick(0), wall: WallMs(1_800_000_000_000) }, boot);
    let mut page = Vec::with_capacity(PAGE);
    for log in 0..streams * authors {
        page.push(head(log / authors, log % authors)?);
        if page.len() == PAGE {
            node.add(std::mem::replace(&mut page, Vec::with_capacity(PAGE)));
        }
    }
    node.add(page);
    Ok(node.finish())
}

fn head(stream: usize, author: usize) -> Outcome<LogHead> {
    let (channel, stream) = (ChannelId::new(CHANNEL)?, StreamId::new(stream_name(stream))?);
    let author = NodeId::new(format!("author-{author}"))?;
    let name = LogName { channel, stream, author, epoch: Epoch::new(1, 1), branch: None };
    let stamp = Stamp::new(1_700_000_000_000, 0);
    Ok(LogHead { height: 100, hash: ChainHash([1; 32]), stamp, ..LogHead::empty(name) })
}
