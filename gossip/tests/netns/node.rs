//! One node: prints what it is told, and does what its standard input says.

use gossip::proto::node::Event;
use gossip::{ConfigFile, Coordinator, EventStream, From, LogEntry, MemberState, Notice};

use crate::orders::orders;
use crate::told::{Picture, Seen, Told, tell};
use crate::{CHANNEL, Outcome, STREAM};

/// Runs until its standard input ends, then leaves. Understands `append TEXT` and `status NUMBER`.
pub(crate) async fn node(config: &str) -> Outcome {
    let config: ConfigFile = serde_json::from_str(config)?;
    let node = Coordinator::from_config(&config).await?;
    let mut events = node.events();
    let stream = node.channel(CHANNEL).await?.stream(STREAM).await?;
    let mut entries = stream.subscribe(From::Start).await?;
    node.start().await?;
    tell(Told::Up)?;
    let mut orders = orders();
    loop {
        tokio::select! {
            Some(notice) = events.next() => report(notice)?,
            Some(entry) = entries.next() => tell(Told::Entry { text: text(&entry?)? })?,
            order = orders.recv() => match order {
                Some(order) => obey(&node, &stream, &order).await?,
                None => break,
            },
        }
    }
    Ok(node.shutdown().await?)
}

fn report(notice: Notice) -> Outcome {
    match notice {
        Notice::Event(Event::PeerStatusChanged(peer, status)) => {
            tell(Told::Status { peer: peer.to_string(), status })
        }
        Notice::Trouble { detail, .. } => tell(Told::Trouble { detail }),
        Notice::Lagged(count) => Err(format!("{count} notices were missed").into()),
        _ => Ok(()),
    }
}

fn text(entry: &LogEntry) -> Outcome<String> {
    Ok(String::from_utf8(entry.payload().to_vec())?)
}

async fn obey(node: &Coordinator, stream: &EventStream, order: &str) -> Outcome {
    match order.split_once(' ') {
        Some(("append", text)) => {
            stream.append(text.to_owned()).await?;
        }
        Some(("status", question)) => tell(Told::Picture(picture(node, question.parse()?).await?))?,
        _ => return Err(format!("not understood: {order}").into()),
    }
    Ok(())
}

async fn picture(node: &Coordinator, question: u64) -> Outcome<Picture> {
    let members = node.members().await?.into_iter().map(|member| Seen {
        id: member.id.to_string(),
        alive: member.state == MemberState::Live,
        incarnation: member.incarnation,
    });
    let linked = node.peers().await?.into_iter().filter(|peer| !peer.links.is_empty());
    let linked = linked.map(|peer| peer.id.to_string()).collect();
    Ok(Picture { question, members: members.collect(), linked })
}
