//! On the bare bridge: processes and cables go, and come back.

use std::time::Duration;

use gossip::proto::node::PeerStatus::{Left, Reachable, Unreachable};

use crate::Outcome;
use crate::group::{ALL, Group};
use crate::network::{blackhole, plug, pull, unblackhole};
use crate::report::Report;
use crate::told::now;

/// What was apart is one again within this time: two seconds in the simulator, and one for the real ones.
const HEALED: Duration = Duration::from_secs(3);

/// Everything, one after the other.
pub(crate) fn course(report: &mut Report) -> Outcome {
    let mut group = Group::start(false)?;
    join(&mut group, report)?;
    kill(&mut group, report, 4)?;
    deaf(&mut group, report)?;
    cut(&mut group, report, &Cut { noticed: seconds(4), longer: Duration::ZERO, by: cable })?;
    cut(&mut group, report, &Cut { noticed: seconds(4), longer: seconds(25), by: cable })?;
    split(&mut group, report)?;
    stop(&mut group, report)?;
    leave(&mut group, report)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// All know of one.
pub(crate) fn join(group: &mut Group, report: &mut Report) -> Outcome {
    let begin = now();
    group.whole()?;
    report.time_until_now(
        "joined by way of one: all know, reach and are linked to all",
        begin,
        seconds(4),
    )?;
    let begin = now();
    let texts = group.write(&ALL)?;
    let end = group.delivered(&texts)?;
    report.time("an entry of each is with all", begin, end, seconds(2))?;
    report.fact("nobody was called unreachable", group.count(&ALL, &ALL, Unreachable, 0) == 0)
}

/// A process is killed, and started again.
pub(crate) fn kill(group: &mut Group, report: &mut Report, victim: usize) -> Outcome {
    let stay: Vec<usize> = ALL.into_iter().filter(|host| *host != victim).collect();
    let before = group.incarnation(stay[0], victim);
    let begin = now();
    group.host_mut(victim).kill()?;
    let end = group.called(victim, Unreachable, begin)?;
    report.time("killed: the others call it unreachable", begin, end, seconds(3))?;
    let missed = group.write(&stay)?;
    group.delivered(&missed)?;
    group.listen_for(seconds(3))?;
    report
        .fact("each of them told it once", group.count(&stay, &[victim], Unreachable, begin) == stay.len())?;
    report.fact("and called nobody else so", group.count(&stay, &stay, Unreachable, begin) == 0)?;
    let begin = group.restart(victim)?;
    let end = group.called(victim, Reachable, begin)?;
    report.time("started again: the others call it reachable", begin, end, seconds(4))?;
    group.whole()?;
    report.time_until_now("all know, reach and are linked to all", begin, seconds(5))?;
    let end = group.delivered(&missed)?;
    report.time("it has what it missed", begin, end, seconds(5))?;
    report
        .fact("each of them told it once", group.count(&stay, &[victim], Reachable, begin) == stay.len())?;
    report.fact("it has a higher incarnation", group.incarnation(stay[0], victim) > before)
}

/// One cannot send to another, which can send to it: others hear both.
fn deaf(group: &mut Group, report: &mut Report) -> Outcome {
    let begin = now();
    blackhole(5, 3)?;
    group.listen_for(seconds(10))?;
    let texts = group.write(&[3, 5])?;
    let written = now();
    let end = group.delivered(&texts)?;
    report.time("one way cut: entries of both get to all", written, end, seconds(5))?;
    group.listen_for(seconds(10))?;
    unblackhole(5, 3)?;
    let healed = now();
    group.whole()?;
    report.time_until_now("restored: all know, reach and are linked to all", healed, HEALED)?;
    report.fact("nobody was called unreachable", group.count(&ALL, &ALL, Unreachable, begin) == 0)
}

/// How a host is cut off.
pub(crate) struct Cut {
    /// All others notice within.
    pub(crate) noticed: Duration,
    /// Then it lasts so much longer.
    pub(crate) longer: Duration,
    /// Cuts a host off, or ends that.
    pub(crate) by: fn(&mut Group, usize, bool) -> Outcome,
}

fn cable(_: &mut Group, host: usize, cut: bool) -> Outcome {
    if cut { pull(host) } else { plug(host) }
}

/// One is cut off for a while, and restored. Both sides write meanwhile.
pub(crate) fn cut(group: &mut Group, report: &mut Report, how: &Cut) -> Outcome {
    let (victim, stay) = (3, [1, 2, 4, 5]);
    // On links made a moment ago nobody has said yet when to speak next.
    group.listen_for(seconds(5))?;
    let begin = now();
    (how.by)(group, victim, true)?;
    let end = group.called(victim, Unreachable, begin)?;
    report.time("cut off: the others call it unreachable", begin, end, how.noticed)?;
    let texts = group.write(&ALL)?;
    group.listen_for(seconds(2) + how.longer)?;
    report
        .fact("each of them told it once", group.count(&stay, &[victim], Unreachable, begin) == stay.len())?;
    report.fact("and called nobody else so", group.count(&stay, &stay, Unreachable, begin) == 0)?;
    let healed = now();
    (how.by)(group, victim, false)?;
    group.whole()?;
    let after = (healed - begin) / 1_000;
    let what = format!("restored after {after} s: all know, reach and are linked to all");
    report.time_until_now(&what, healed, HEALED)?;
    let end = group.delivered(&texts)?;
    report.time("everything written meanwhile is with all", healed, end, HEALED)
}

/// Two are cut off from three, not from each other.
fn split(group: &mut Group, report: &mut Report) -> Outcome {
    let (few, most) = ([4, 5], [1, 2, 3]);
    let begin = now();
    crate::network::part(&few)?;
    group.parted(&few, &most, begin)?;
    report.time_until_now("split: each side calls all of the other unreachable", begin, seconds(6))?;
    let texts = group.write(&ALL)?;
    group.listen_for(seconds(8))?;
    let within = group.count(&few, &few, Unreachable, begin) + group.count(&most, &most, Unreachable, begin);
    report.fact("and nobody of its own", within == 0)?;
    let told = group.count(&few, &most, Unreachable, begin) + group.count(&most, &few, Unreachable, begin);
    report.fact("each once", told == 2 * few.len() * most.len())?;
    let healed = now();
    few.into_iter().try_for_each(plug)?;
    group.whole()?;
    report.time_until_now("restored: all know, reach and are linked to all", healed, HEALED)?;
    let end = group.delivered(&texts)?;
    report.time("everything written meanwhile is with all", healed, end, HEALED)
}

/// A process is stopped for a while, as by a debugger or a phone, and goes on.
pub(crate) fn stop(group: &mut Group, report: &mut Report) -> Outcome {
    let (victim, stay) = (2, [1, 3, 4, 5]);
    // What was asked before on connections that a cut has left hanging would count as asked of it.
    group.listen_for(seconds(5))?;
    let begin = now();
    group.host(victim).signal("STOP")?;
    group.listen_for(seconds(5))?;
    let texts = group.write(&stay)?;
    let resumed = now();
    group.host(victim).signal("CONT")?;
    group.whole()?;
    report.time_until_now("stopped for 5 s: all know, reach and are linked to all", resumed, seconds(4))?;
    let end = group.delivered(&texts)?;
    report.time("it has what it missed", resumed, end, seconds(4))?;
    group.listen_for(seconds(3))?;
    let told = |what| group.count(&stay, &[victim], what, begin);
    report.fact("each told once that it was unreachable", told(Unreachable) == stay.len())?;
    report.fact("and once that it was reachable again", told(Reachable) == stay.len())?;
    report.fact("it called nobody unreachable", group.count(&[victim], &stay, Unreachable, begin) == 0)?;
    report.fact("and no other one was", group.count(&stay, &stay, Unreachable, begin) == 0)
}

/// One says goodbye.
fn leave(group: &mut Group, report: &mut Report) -> Outcome {
    let begin = now();
    group.host_mut(2).leave()?;
    let end = group.called(2, Left, begin)?;
    report.time("left: all others know", begin, end, seconds(1))?;
    group.listen_for(seconds(5))?;
    report.fact("nobody called it unreachable", group.count(&[1, 3, 4, 5], &ALL, Unreachable, begin) == 0)
}
