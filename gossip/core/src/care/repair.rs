//! Mending what a check found.

use gossip_proto::node::{Command, CommandError, Reply};
use gossip_proto::{LogHead, LogName, Scope, SeqRange};
use tokio::sync::mpsc;

use super::report::{Damage, Report};
use super::verify::{self, verify};
use crate::Error;
use crate::handle::{Handle, Request, Shared, ask};

/// What [`Coordinator::repair`](crate::Coordinator::repair) did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Repaired {
    /// What was damaged and is a gap now, asked for from peers; the first
    /// [`Report::MAX_DAMAGED`] of them.
    pub isolated: Vec<(LogName, SeqRange)>,
    /// Gaps beyond those listed.
    pub isolated_beyond: u64,
    /// The last check, after everything was isolated. Not sound where damage could not be: a head
    /// or the order of arrival that is wrong.
    pub report: Report,
}

/// Checks in turns at most: peers fill what was isolated, and a disk may spoil that again and again.
const MAX_ROUNDS: usize = 16;

/// Checks and isolates in turns, until a check finds nothing more that can be isolated.
pub(super) async fn repair(handle: &Handle, scope: &Scope) -> Result<Repaired, Error> {
    let mut repaired = Repaired::default();
    for round in 1.. {
        let report = verify(handle.shared(), scope).await?;
        let mut progress = false;
        for damage in report.damaged.iter().filter(|damage| damage.what.is_repairable()) {
            progress |= isolate(handle.commands(), damage, &mut repaired).await?;
        }
        repaired.report = report;
        if !progress || round == MAX_ROUNDS {
            break;
        }
    }
    Ok(repaired)
}

/// Isolates what a walk along one log finds.
pub(crate) async fn mend_log(
    shared: &Shared,
    commands: &mpsc::Sender<Request>,
    head: &LogHead,
) -> Result<(), Error> {
    let (report, mut repaired) = (verify::log(shared, head).await?, Repaired::default());
    for damage in report.damaged.iter().filter(|damage| damage.what.is_repairable()) {
        isolate(commands, damage, &mut repaired).await?;
    }
    Ok(())
}

/// Isolates one place, which may be several runs. `false`: the store finds nothing wrong there.
async fn isolate(
    commands: &mpsc::Sender<Request>,
    damage: &Damage,
    repaired: &mut Repaired,
) -> Result<bool, Error> {
    let (log, mut at, mut progress) = (damage.log.id(), damage.range.first, false);
    while at <= damage.range.last {
        let gap = match ask(commands, Command::Repair { log, at }).await {
            Ok(Reply::Repaired(Some(gap))) => gap,
            // Removed since it was checked.
            Ok(_) | Err(Error::Command(CommandError::UnknownLog(_))) => break,
            Err(error) => return Err(error),
        };
        repaired.note(damage, gap);
        (at, progress) = (gap.last.max(at) + 1, true);
    }
    Ok(progress)
}

impl Repaired {
    fn note(&mut self, damage: &Damage, gap: SeqRange) {
        if self.isolated.len() < Report::MAX_DAMAGED {
            self.isolated.push((damage.log.clone(), gap));
        } else {
            self.isolated_beyond += 1;
        }
    }
}
