//! Connections that we begin: one loop per address, until it is forgotten.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use gossip_core::proto::NodeId;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::accept::{Refused, meet};
use crate::backoff::Backoff;
use crate::link::Link;
use crate::shared::Shared;

const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// An attempt that is younger than this goes on when it is hurried.
const YOUNG: Duration = Duration::from_secs(1);
/// A link that lived this long makes the next pause short again.
const GOOD_LIFE: Duration = Duration::from_secs(10);

/// How soon an address is to be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Haste {
    /// Once now. Whoever asks has pauses of its own: ours go on growing.
    Once,
    /// As if for the first time.
    Anew,
}

/// Keeps an address linked. Complains once for each new reason why it cannot.
pub(crate) async fn keep_linked(shared: Arc<Shared>, target: String, mut hurry: watch::Receiver<Haste>) {
    let mut backoff = Backoff::new(shared.local.instance ^ shared.next_connection());
    let mut complaint = None;
    let mut peer = None;
    loop {
        if let Some(peer) = &peer {
            shared.links.until_unlinked(peer).await;
        }
        let attempted = Instant::now();
        match attempt(&shared, &target, &mut backoff, &mut hurry).await {
            Ok(reached) => {
                complaint = None;
                shared.links.until_unlinked(&reached).await;
                // Who was in haste had its link.
                hurry.mark_unchanged();
                peer = Some(reached);
            }
            Err(Failure { detail, hopeless }) => {
                if complaint.as_ref() != Some(&detail) {
                    shared.inbox.trouble(format!("tcp://{target}: {detail}; trying on"));
                    complaint = Some(detail);
                }
                if hopeless {
                    backoff.exhaust();
                }
                rest(&mut backoff, &mut hurry).await;
                continue;
            }
        }
        if attempted.elapsed() >= GOOD_LIFE {
            backoff.reset();
        }
        rest(&mut backoff, &mut hurry).await;
    }
}

/// Waits before the next attempt, or until it is hurried.
async fn rest(backoff: &mut Backoff, hurry: &mut watch::Receiver<Haste>) {
    tokio::select! {
        () = sleep(backoff.pause()) => {}
        Ok(()) = hurry.changed() => heed(*hurry.borrow_and_update(), backoff),
    }
}

fn heed(haste: Haste, backoff: &mut Backoff) {
    if haste == Haste::Anew {
        backoff.reset();
    }
}

/// The network may be another than the one on which an answer is waited for, and the system asks again ever more rarely:
/// who is hurried asks anew.
async fn reach(
    target: &str,
    backoff: &mut Backoff,
    hurry: &mut watch::Receiver<Haste>,
) -> Option<std::io::Result<TcpStream>> {
    loop {
        let young = Instant::now() + YOUNG;
        let hurried = async {
            sleep_until(young).await;
            hurry.mark_unchanged();
            hurry.changed().await
        };
        tokio::select! {
            reached = timeout(CONNECT_WITHIN, TcpStream::connect(target)) => return reached.ok(),
            Ok(()) = hurried => heed(*hurry.borrow_and_update(), backoff),
        }
    }
}

/// The way of a link may be gone, or back after the system has come to repeat what was lost ever more rarely: beside one
/// that we began and that is silent a second connection is tried, which takes its place.
pub(crate) fn renew(
    shared: Arc<Shared>,
    link: Arc<Link>,
    target: String,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    // In a box, as links begin renewals and these begin links.
    Box::pin(async move {
        let mut backoff = Backoff::new(shared.local.instance ^ shared.next_connection());
        while link.signs.is_renewed() && shared.links.find(link.id).is_ok() {
            let reached = timeout(YOUNG, TcpStream::connect(&target)).await;
            if let Ok(Ok(socket)) = reached
                && meet(&shared, socket, Some(&target)).await.is_ok()
            {
                return;
            }
            sleep(backoff.pause().min(YOUNG)).await;
        }
    })
}

struct Failure {
    detail: String,
    /// Trying again soon cannot help.
    hopeless: bool,
}

/// Returns to whom there is a link now.
async fn attempt(
    shared: &Arc<Shared>,
    target: &str,
    backoff: &mut Backoff,
    hurry: &mut watch::Receiver<Haste>,
) -> Result<NodeId, Failure> {
    let failed = |detail: String| Failure { detail, hopeless: false };
    let socket = match reach(target, backoff, hurry).await {
        Some(Ok(socket)) => socket,
        Some(Err(error)) => return Err(failed(error.to_string())),
        None => return Err(failed(format!("no answer within {CONNECT_WITHIN:?}"))),
    };
    match meet(shared, socket, Some(target)).await {
        Ok(peer) | Err(Refused::Duplicate(peer)) => Ok(peer),
        Err(refused) => {
            let hopeless = matches!(refused, Refused::Itself | Refused::Clone(_));
            Err(Failure { detail: refused.to_string(), hopeless })
        }
    }
}
