//! One person's process: a node, a stream, and what the conductor asks for.
//!
//! This is the part that uses gossip. Without the conductor's wishes it comes down to:
//!
//! 1. build a [`Coordinator`] with a store and a transport, and start it;
//! 2. open a channel (who shares) and a stream in it (what is shared);
//! 3. append, and read what everybody appended, live or page by page.
//!
//! Nothing here knows whether a link is up, and nothing does anything about a lost one: entries
//! are written to disk first, and find their way when there is one.

use std::error::Error;
use std::path::PathBuf;

use futures_util::TryFutureExt;
use gossip::{Config, Coordinator, EventStream, From, PeerStatus, RedbStore, TcpTransport};
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, BufWriter, Lines, Stdin, stdin};
use tokio::task::JoinSet;

use super::cast::Cast;
use super::message::{Command, News, now};
use super::payload;
use super::replica;
use super::voice::Voice;
use super::writer::Writer;
use crate::trace::Trace;

/// Whatever went wrong; it is only told.
pub type Failure = Box<dyn Error + Send + Sync>;

const CHANNEL: &str = "replay";
const STREAM: &str = "document";

/// What a player is told on its command line.
#[derive(Debug, Clone, clap::Args)]
pub struct Part {
    /// Whom to play.
    #[arg(long)]
    pub name: String,
    /// Where the store is.
    #[arg(long)]
    pub dir: PathBuf,
    /// The trace; the built-in one if not given.
    #[arg(long)]
    pub trace: Option<PathBuf>,
    /// Whom to connect to.
    #[arg(long)]
    pub connect: Option<String>,
    /// Appends awaited at once.
    #[arg(long)]
    pub in_flight: usize,
}

/// Plays a part until told to quit or nobody listens; whether all went well.
pub async fn play(part: Part) -> bool {
    let (voice, speaking) = Voice::on_stdout();
    let result = perform(&part, &voice).await;
    if let Err(failure) = &result {
        let reason = failure.to_string();
        // If nobody listens, the exit status has to say it.
        voice.tell(News::Failed { reason }).await.unwrap_or_default();
    }
    drop(voice);
    speaking.await.is_ok() && result.is_ok()
}

/// Nobody tells the others where it can be reached: they would find a way around the wire that is to be cut.
fn over_the_wire_only() -> Config {
    let mut config = Config::default();
    config.node.peer_exchange = false;
    config
}

async fn perform(part: &Part, voice: &Voice) -> Result<(), Failure> {
    let trace = part.trace.as_deref().map_or_else(Trace::built_in, Trace::load)?;
    let cast = Cast::of(&trace);
    let person = cast.person(&part.name).ok_or("not a name of the cast")?;
    let script = cast.script(person).to_vec();

    let node = Coordinator::builder()
        .node_id(part.name.as_str())
        .store(RedbStore::open(&part.dir)?)
        .transport(TcpTransport::listen("127.0.0.1:0"))
        .config(over_the_wire_only())
        .build()
        .await?;
    node.start().await?;
    // Creates them the first time, opens them after; never wipes anything.
    let document = node.channel(CHANNEL).await?.stream(STREAM).await?;

    let on_disk = find_own(&document, &part.name, &script).await?;
    let address = node.local_addresses().first().ok_or("no address to listen on")?.to_string();
    voice.tell(News::Ready { address, on_disk }).await?;

    let mut tasks = JoinSet::new();
    tasks.spawn(watch_links(node.clone(), voice.clone()));
    tasks.spawn(watch_entries(document.clone(), voice.clone()));
    if let Some(address) = &part.connect {
        // Keeps trying for as long as the node runs, now and whenever the link is lost.
        node.connect(address).await?;
    }
    let in_flight = part.in_flight;
    let mut writer = Writer { document, trace, script, durable: on_disk, in_flight, voice: voice.clone() };
    let result = tokio::select! {
        done = obey(&mut writer) => done,
        Some(ended) = tasks.join_next() => ended?,
    };
    tasks.shutdown().await;
    // Finishes what is being written, says goodbye to peers and closes the store.
    node.shutdown().await?;
    result
}

/// How many transactions of our script are on disk. They must be its beginning: appends are
/// committed in order, so a crash takes only the end.
async fn find_own(document: &EventStream, name: &str, script: &[usize]) -> Result<usize, Failure> {
    let mut found = 0;
    let mut entries = document.read_all().await?;
    while let Some(entry) = entries.next().await? {
        if entry.author().as_str() != name {
            continue;
        }
        let index = payload::decode(entry.payload())?.index;
        if script.get(found) != Some(&index) {
            return Err(format!("entry {} on disk is transaction {index}, out of order", entry.id()).into());
        }
        found += 1;
    }
    Ok(found)
}

/// Tells when the number of linked peers changes.
async fn watch_links(node: Coordinator, voice: Voice) -> Result<(), Failure> {
    // Listening begins before the first look, so no change falls between the two.
    let mut events = node.events();
    let mut told = None;
    loop {
        let peers = node.peers().await?;
        let linked = peers.iter().filter(|peer| peer.status == PeerStatus::Reachable).count();
        if told.replace(linked) != Some(linked) {
            voice.tell(News::Linked { peers: linked, at: now() }).await?;
        }
        if events.next().await.is_none() {
            return Ok(());
        }
    }
}

/// Tells of every entry the moment it is visible: what is there already, then live.
async fn watch_entries(document: EventStream, voice: Voice) -> Result<(), Failure> {
    let mut entries = document.subscribe(From::Start).await?;
    while let Some(entry) = entries.next().await {
        voice.seen(payload::decode(entry?.payload())?.index).await?;
    }
    Ok(())
}

/// Does what the conductor says, one after the other, until told to quit.
async fn obey(writer: &mut Writer) -> Result<(), Failure> {
    let mut commands: Lines<BufReader<Stdin>> = BufReader::new(stdin()).lines();
    while let Some(line) = commands.next_line().await? {
        match serde_json::from_str(&line)? {
            Command::Write { range, rate } => {
                writer.write(range, rate).await?;
                writer.voice.tell(News::Written).await?;
            }
            Command::Dump { file } => {
                dump(&writer.document, &file).map_err(|error| format!("dump to {file}: {error}")).await?;
                writer.voice.tell(News::Dumped).await?;
            }
            Command::Quit => return Ok(()),
        }
    }
    // The conductor is gone.
    Ok(())
}

/// Writes the whole replica into a file, in the order of the stream.
async fn dump(document: &EventStream, file: &str) -> Result<(), Failure> {
    let mut out = BufWriter::new(File::create(file).await?);
    let mut entries = document.read_all().await?;
    while let Some(entry) = entries.next().await? {
        out.write_all(replica::line(&entry).as_bytes()).await?;
    }
    Ok(out.flush().await?)
}
