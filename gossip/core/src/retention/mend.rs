//! Damage that stands in the way of pruning: made a gap of first, as a repair would.

use gossip_proto::node::{Command, CommandError, Reply};
use gossip_proto::{Fault, LogHead, LogId, Retention, Seq, Stamp};
use tokio::sync::mpsc;

use crate::Error;
use crate::care::{again, mend_log};
use crate::handle::{Request, ask};
use crate::stream::StreamRef;

/// Runs beside each other that are isolated for one step.
const TRIES: usize = 16;

/// Drops up to these floors.
pub(super) async fn drop_to(
    commands: &mpsc::Sender<Request>,
    at: &StreamRef,
    mut floors: Vec<(LogId, Seq)>,
    under: Option<&Retention>,
) -> Result<Reply, Error> {
    for tries in 0.. {
        let (channel, stream) = (at.channel.clone(), at.stream.clone());
        let step = Command::Prune { channel, stream, floors: floors.clone(), under: under.cloned() };
        match ask(commands, step).await {
            Err(Error::Command(CommandError::Store(failure)))
                if failure.fault == Fault::Corrupt
                    && tries < TRIES
                    && isolate_around(commands, &mut floors).await? => {}
            done => return done,
        }
    }
    Err(Error::Ended)
}

/// Isolates what is damaged on either side of a floor; a floor inside goes to the end of the gap, where
/// it comes to rest anyhow. Whether there was anything.
async fn isolate_around(
    commands: &mpsc::Sender<Request>,
    floors: &mut [(LogId, Seq)],
) -> Result<bool, Error> {
    let mut found = false;
    for (log, floor) in floors {
        for at in [*floor, floor.saturating_add(1)] {
            match ask(commands, Command::Repair { log: *log, at }).await {
                Ok(Reply::Repaired(Some(gap))) => {
                    found = true;
                    *floor = if gap.contains(*floor) { gap.last } else { *floor };
                }
                // Removed meanwhile.
                Ok(_) | Err(Error::Command(CommandError::UnknownLog(_))) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(found)
}

/// The first sequence stamped at or after `stamp`, as the store seeks it.
pub(super) async fn seek(
    commands: &mpsc::Sender<Request>,
    at: &StreamRef,
    head: &mut LogHead,
    stamp: Stamp,
) -> Result<Seq, Error> {
    match at.shared.store.seek(head, stamp).await {
        Err(error) if error.fault == Fault::Corrupt => {
            mend_log(&at.shared, commands, head).await?;
            if let Some(now) = again(&at.shared, head).await? {
                *head = now;
            }
            Ok(at.shared.store.seek(head, stamp).await?)
        }
        found => Ok(found?),
    }
}
