//! Connections that others begin, and what is common to all: from a socket to a link.

use std::sync::Arc;
use std::time::Duration;

use gossip_core::proto::NodeId;
use gossip_core::proto::node::LinkLimits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::backoff::Backoff;
use crate::hello::{HelloError, exchange};
use crate::link::live;
use crate::links::NotAdmitted;
use crate::rivalry::Connection;
use crate::shared::Shared;

/// After a refused hello the rest of what was sent is read for this long, and at most this much:
/// closing a socket with unread bytes would destroy our own hello, which says why.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: u64 = 64 << 10;

/// Accepts until the port closes. Errors, as from a lack of file descriptors, slow it down only.
pub(crate) async fn accept(shared: Arc<Shared>, listener: TcpListener) {
    let slots = Arc::new(Semaphore::new(shared.options.max_handshakes as usize));
    let mut backoff = Backoff::new(shared.local.instance);
    let mut failing = false;
    // The semaphore is never closed, so this loop ends only with its task.
    while let Ok(slot) = slots.clone().acquire_owned().await {
        match listener.accept().await {
            Ok((socket, from)) => {
                (failing, _) = (false, backoff.reset());
                let greeter = shared.clone();
                shared.spawn(async move {
                    let _slot = slot;
                    match meet(&greeter, socket, None).await {
                        Ok(_) | Err(Refused::Duplicate(_) | Refused::Itself | Refused::Closed) => {}
                        Err(refused) => greeter.inbox.trouble(format!("connection from {from}: {refused}")),
                    }
                });
            }
            Err(error) => {
                if !failing {
                    shared.inbox.trouble(format!("cannot accept connections: {error}; trying on"));
                }
                failing = true;
                sleep(backoff.pause().min(Duration::from_secs(1))).await;
            }
        }
    }
}

/// Why a connection did not become a link.
#[derive(Debug)]
pub(crate) enum Refused {
    Hello(HelloError),
    Slow(Duration),
    Itself,
    Clone(NodeId),
    Duplicate(NodeId),
    Full,
    Closed,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Hello(error) => error.fmt(f),
            Self::Slow(limit) => write!(f, "no hello within {limit:?}"),
            Self::Itself => f.write_str("this is the node itself"),
            Self::Clone(id) => write!(f, "another live node has our id {id}"),
            Self::Duplicate(id) => write!(f, "there is a link to {id} already"),
            Self::Full => f.write_str("there are as many links as allowed"),
            Self::Closed => f.write_str("the port is closing"),
        }
    }
}

/// Greets the other side and makes the connection a link; returns whose. `dialled` is where a connection leads that we
/// began.
pub(crate) async fn meet(
    shared: &Arc<Shared>,
    mut socket: TcpStream,
    dialled: Option<&str>,
) -> Result<NodeId, Refused> {
    // Without it small frames wait for acknowledgements; a socket that refuses it still works.
    let _ = socket.set_nodelay(true);
    let number = dialled.map(|_| shared.next_connection());
    let (ours, limit) = (shared.hello(number.unwrap_or(0)), shared.options.hello_within());
    let theirs = match timeout(limit, exchange(&mut socket, &ours)).await {
        Ok(Ok(theirs)) => theirs,
        Ok(Err(error)) => {
            linger(socket).await;
            return Err(Refused::Hello(error));
        }
        Err(_) => return Err(Refused::Slow(limit)),
    };
    if theirs.id == ours.id {
        linger(socket).await;
        let same = theirs.instance == ours.instance;
        return Err(if same { Refused::Itself } else { Refused::Clone(theirs.id) });
    }
    let (dialler, number) = match number {
        Some(number) => (ours.id, number),
        None => (theirs.id.clone(), theirs.connection),
    };
    let connection = Connection { peer_instance: theirs.instance, dialler, number };
    let max_frame = ours.max_frame.min(theirs.max_frame) as usize;
    let limits = LinkLimits {
        max_frame,
        ordered: true,
        reliable: true,
        notices_loss: false,
        cost: shared.options.cost,
    };
    let keepalive = Duration::from_millis(ours.keepalive_ms.min(theirs.keepalive_ms).into());
    let (incoming, outgoing) = socket.into_split();
    let link = shared.links.admit(&theirs.id, &connection, limits, dialled, outgoing).await;
    let link = link.map_err(|reason| match reason {
        NotAdmitted::Duplicate => Refused::Duplicate(theirs.id.clone()),
        NotAdmitted::Full => Refused::Full,
        NotAdmitted::Closed => Refused::Closed,
    })?;
    if shared.spawn(live(shared.clone(), link.clone(), incoming, keepalive)).is_none() {
        shared.links.remove(&link);
        return Err(Refused::Closed);
    }
    Ok(theirs.id)
}

async fn linger(mut socket: TcpStream) {
    let _ = timeout(LINGER, async {
        let _ = socket.shutdown().await;
        let _ = tokio::io::copy(&mut socket.take(LINGER_BYTES), &mut tokio::io::sink()).await;
    })
    .await;
}
