//! Checking everything a store holds, without writing.
//!
//! Digests are not looked at: none is stored. The node adds them up from the heads when it starts and moves
//! them with each head it is acknowledged, so there is no second record that damage could part from these.

use std::collections::BTreeSet;

use gossip_proto::{LogHead, Scope};

use super::report::Report;
use super::{arrivals, chain};
use crate::Error;
use crate::handle::Shared;

/// Heads read at once.
const PAGE: usize = 256;
/// How often a log is walked again because its floor or gaps moved under the walk.
const MAX_WALKS: usize = 3;

/// Walks all logs of a scope, then the arrival order of its streams. Cancel safe: it only reads.
pub(super) async fn verify(shared: &Shared, scope: &Scope) -> Result<Report, Error> {
    let (mut report, mut after) = (Report::default(), None);
    let mut streams = BTreeSet::new();
    loop {
        shared.check_open()?;
        let page = shared.store.heads(scope, after, PAGE).await?;
        for head in page.items {
            report.absorb(log(shared, &head).await?);
            streams.insert((head.name.channel, head.name.stream));
        }
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    for (channel, stream) in streams {
        let stream = Scope::Stream(channel, stream);
        arrivals::check(shared, &stream, &mut report).await?;
    }
    Ok(report)
}

/// Walks one log; damage is believed only where the log was not pruned, filled or removed meanwhile.
pub(super) async fn log(shared: &Shared, head: &LogHead) -> Result<Report, Error> {
    let mut head = head.clone();
    let mut walks = 1;
    loop {
        let mut report = chain::walk(shared, &head).await?;
        if report.is_sound() {
            return Ok(report);
        }
        let Some(now) = again(shared, &head).await? else { return Ok(Report::default()) };
        if walks == MAX_WALKS {
            report.forgive(&now);
            return Ok(report);
        }
        if (now.floor, &now.gaps) == (head.floor, &head.gaps) {
            return Ok(report);
        }
        (head, walks) = (now, walks + 1);
    }
}

/// The head of the same log as it is now; `None` when it was removed.
pub(crate) async fn again(shared: &Shared, head: &LogHead) -> Result<Option<LogHead>, Error> {
    let page = shared.store.heads(&Scope::Log(head.name.id()), None, 1).await?;
    Ok(page.items.into_iter().find(|now| now.name == head.name))
}
