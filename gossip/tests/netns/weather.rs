//! The same with a relay between the hosts: each pair has its latency, chunks are lost and sent again.

use std::time::Duration;

use gossip::proto::node::PeerStatus::Unreachable;

use crate::Outcome;
use crate::bridge::{Cut, cut, join, kill};
use crate::group::{ALL, Group};
use crate::report::Report;
use crate::told::now;

/// Of 1,000 chunks so many are lost.
const LOSS: usize = 50;

/// Everything, one after the other.
pub(crate) fn course(report: &mut Report) -> Outcome {
    let mut group = Group::start(true)?;
    join(&mut group, report)?;
    kill(&mut group, report, 4)?;
    cut(&mut group, report, &Cut { noticed: Duration::from_secs(4), longer: Duration::ZERO, by: silence })?;
    lossy(&mut group, report)?;
    kill(&mut group, report, 1)?;
    // Who knows that messages get lost asks more often before it says anything.
    let (noticed, longer) = (Duration::from_secs(5), Duration::from_secs(25));
    cut(&mut group, report, &Cut { noticed, longer, by: silence })
}

fn silence(group: &mut Group, host: usize, cut: bool) -> Outcome {
    group.relay(&format!("{} {host}", if cut { "cut" } else { "restore" }))
}

/// From here on chunks are lost: that alone makes nobody unreachable.
fn lossy(group: &mut Group, report: &mut Report) -> Outcome {
    group.relay(&format!("loss {LOSS}"))?;
    let begin = now();
    group.listen_for(Duration::from_secs(10))?;
    let written = now();
    let texts = group.write(&ALL)?;
    let end = group.delivered(&texts)?;
    report.time(
        "of 1,000 chunks 50 are lost: an entry of each is with all",
        written,
        end,
        Duration::from_secs(3),
    )?;
    group.listen_for(Duration::from_secs(10))?;
    report.fact("nobody was called unreachable", group.count(&ALL, &ALL, Unreachable, begin) == 0)
}
