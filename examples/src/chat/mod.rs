//! A chat in the terminal: the shortest whole application.
//!
//! A room is a channel, its messages are a stream in it, and a message is an entry. The store
//! keeps what was said; the transport brings what others say, now or whenever they are met. There
//! is no server, no account and no "send failed": what was typed is on disk first.

mod screen;

use std::error::Error;
use std::io::Error as IoError;
use std::path::PathBuf;
use std::pin::pin;

use gossip::{Coordinator, Event, EventStream, From, Notice, PageQuery, RedbStore, TcpTransport};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

use self::screen::Screen;

/// Whatever ends a chat badly; it is only shown.
pub type Failure = Box<dyn Error + Send + Sync>;

/// Messages shown at the start.
const HISTORY: usize = 100;
const STREAM: &str = "messages";
const HELP: &str = "\
type a line to say it to everybody in the room
/peers  who is linked
/help   this
/quit   leave (what you said stays, and is passed on when you are back)";

/// What a chat can be asked for.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// What to call yourself; must differ from everybody else's name
    #[arg(long)]
    pub name: String,
    /// Where others can connect to you; port 0 lets the system choose
    #[arg(long, default_value = "127.0.0.1:0")]
    pub listen: String,
    /// Whom to connect to, as in tcp://192.168.1.7:7400; may be given several times
    #[arg(long)]
    pub connect: Vec<String>,
    /// Where messages are kept [default: gossip-chat-NAME]
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// The room
    #[arg(long, default_value = "lobby")]
    pub room: String,
}

/// Chats until `/quit`, the end of the input, or Ctrl-C.
///
/// # Errors
/// When the store, the address or a name cannot be used, or the terminal is gone.
pub async fn run(options: &Options) -> Result<(), Failure> {
    let dir = options.dir.clone().unwrap_or_else(|| format!("gossip-chat-{}", options.name).into());
    let node = Coordinator::builder()
        .node_id(options.name.as_str())
        .store(RedbStore::open(&dir)?)
        .transport(TcpTransport::listen(&options.listen))
        .build()
        .await?;
    let result = chat(&node, options).await;
    // Also when the terminal is gone: finishes writes, tells the peers, closes the store.
    node.shutdown().await?;
    result
}

async fn chat(node: &Coordinator, options: &Options) -> Result<(), Failure> {
    let mut screen = Screen::default();
    // Created the first time, opened after.
    let messages = node.channel(options.room.as_str()).await?.stream(STREAM).await?;

    // A node that was not started yet is only for local use: nothing can arrive between the
    // history and what follows it.
    show_history(&messages, &mut screen).await?;
    let mut live = messages.subscribe(From::Now).await?;
    let mut events = node.events();
    node.start().await?;
    for address in &options.connect {
        node.connect(address).await?;
    }
    let at: Vec<String> = node.local_addresses().iter().map(ToString::to_string).collect();
    screen.note(&format!(
        "you are {} in {}, reachable at {}; /help",
        node.id(),
        options.room,
        at.join(", ")
    ))?;

    let mut lines = BufReader::new(stdin()).split(b'\n');
    let mut interrupt = pin!(tokio::signal::ctrl_c());
    loop {
        tokio::select! {
            line = lines.next_segment() => match line? {
                Some(line) if obey(&line, node, &messages, &mut screen).await? => {}
                _ => return Ok(()),
            },
            Some(entry) = live.next() => screen.message(&entry?)?,
            Some(notice) = events.next() => show(notice, &mut screen)?,
            _ = &mut interrupt => return Ok(()),
        }
    }
}

/// The newest messages, oldest of them first.
async fn show_history(messages: &EventStream, screen: &mut Screen) -> Result<(), Failure> {
    let page = messages.page(PageQuery::last(HISTORY)).await?;
    if page.next.is_some() {
        screen.note(&format!("the last {HISTORY} messages"))?;
    }
    for entry in &page.entries {
        screen.message(entry)?;
    }
    Ok(())
}

/// Does what a line says; `false` to leave.
async fn obey(
    line: &[u8],
    node: &Coordinator,
    messages: &EventStream,
    screen: &mut Screen,
) -> Result<bool, Failure> {
    let line = String::from_utf8_lossy(line);
    match line.trim() {
        "" => {}
        "/quit" => return Ok(false),
        "/help" => screen.note(HELP)?,
        "/peers" => show_peers(node, screen).await?,
        command if command.starts_with('/') => screen.note(&format!("no command {command}; /help"))?,
        // The message shows when it comes back through the subscription: then it is on disk.
        text => match messages.append(text.to_owned()).await {
            Ok(_) => {}
            Err(error) => screen.note(&format!("not said: {error}"))?,
        },
    }
    Ok(true)
}

async fn show_peers(node: &Coordinator, screen: &mut Screen) -> Result<(), Failure> {
    let peers = node.peers().await?;
    if peers.is_empty() {
        screen.note("nobody was met yet")?;
    }
    for peer in peers {
        let synced =
            if peer.channels > 0 && peer.in_sync == peer.channels { ", has all you have" } else { "" };
        screen.note(&format!("{} is {}{synced}", peer.id, screen::status(peer.status)))?;
    }
    Ok(())
}

fn show(notice: Notice, screen: &mut Screen) -> Result<(), IoError> {
    match notice {
        Notice::Event(Event::PeerStatusChanged(peer, status)) => {
            screen.note(&format!("{peer} is {}", screen::status(status)))
        }
        Notice::Trouble { transport, detail } => screen.trouble(&format!("{transport}: {detail}")),
        _ => Ok(()),
    }
}
