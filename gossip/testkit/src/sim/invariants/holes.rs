//! Holes are filled by what was there, and only holes; what some neighbour still holds does not stay
//! missing, and what its author erased does not stay.

use gossip_proto::{CommitItem, Erasure, LogId, Payload, Retention, SeqRange, StoreRequest, StreamRecord};

use super::{Check, Invariant};
use crate::sim::disk::Volume;
use crate::sim::fact::{Fact, Group, Scene};
use crate::sim::plan::Edge;

#[derive(Debug)]
pub(super) struct Holes;

impl Invariant for Holes {
    fn name(&self) -> &'static str {
        "holes"
    }

    fn see(&mut self, scene: &Scene<'_>) -> Check {
        let Fact::Written(StoreRequest::Commit { items, .. }) = &scene.fact else { return Ok(()) };
        if let Some(what) = &scene.volume.misfit {
            return Err(what.clone());
        }
        items.iter().try_for_each(|item| hollow_where_erased(scene.volume, item))
    }
}

/// What was erased here never reaches the disk again.
fn hollow_where_erased(volume: &Volume, item: &CommitItem) -> Check {
    let (CommitItem::Run { log, run, .. } | CommitItem::Fill { log, run, .. }) = item else { return Ok(()) };
    let Some(record) = volume.streams.get(&(log.channel.clone(), log.stream.clone())) else { return Ok(()) };
    for erasure in record.erased.iter().filter(|erasure| erasure.log == run.log()) {
        let Some(range) = erasure.range.overlap(&run.range()) else { continue };
        if let Some(back) = present(volume, run.log(), range) {
            return Err(format!("{:?} at {back} was erased and is stored again", run.log()));
        }
    }
    Ok(())
}

/// The first entry of a range whose payload is held.
fn present(volume: &Volume, log: LogId, range: SeqRange) -> Option<u64> {
    let runs = volume.logs.get(&log).into_iter().flat_map(|log| &log.runs);
    let near = runs.filter(|stored| stored.run.range().overlap(&range).is_some());
    let entries = near.flat_map(|stored| stored.run.entries());
    let held = |payload: &Payload| payload.bytes().is_some_and(|bytes| !bytes.is_empty());
    entries
        .filter(|entry| range.contains(entry.sequence) && held(&entry.payload))
        .map(|entry| entry.sequence)
        .next()
}

/// The first hole that a neighbour could fill, or payload that should be gone.
pub(in crate::sim) fn difference(volumes: &[&Volume], groups: &[Group], edges: &[Edge]) -> Option<String> {
    groups
        .iter()
        .find_map(|group| unfilled(volumes, group, edges).or_else(|| kept_though_erased(volumes, group)))
}

fn unfilled(volumes: &[&Volume], group: &Group, edges: &[Edge]) -> Option<String> {
    let linked =
        |a: usize, b: usize| edges.iter().any(|edge| edge.ends.contains(&a) && edge.ends.contains(&b));
    group.hosts.iter().find_map(|&host| {
        let record = volumes[host].streams.get(&(group.channel.clone(), group.stream.clone()));
        if record.is_some_and(|record| record.retention != Retention::KeepAll) {
            return None;
        }
        let logs = volumes[host].logs.iter().filter(|(id, log)| {
            let name = &log.head.name;
            name.channel == group.channel && name.stream == group.stream && !group.forked.contains(id)
        });
        let mut gaps = logs.flat_map(|(id, log)| log.head.gaps.iter().map(move |gap| (*id, *gap)));
        gaps.find_map(|(log, gap)| {
            let holds = |other: &&usize| {
                let volume = volumes[**other];
                let end = SeqRange { first: gap.last, last: gap.last };
                let held = volume.logs.get(&log).and_then(|log| log.run_at(gap.last)).is_some();
                linked(host, **other) && **other != host && held && volume.is_readable(log, &[end])
            };
            let other = group.hosts.iter().find(holds)?;
            Some(format!("n{host} misses {gap:?} of {log:?}, n{other} holds its end"))
        })
    })
}

fn covers(one: &Erasure, other: &Erasure) -> bool {
    (one.log, &one.by) == (other.log, &other.by)
        && one.range.first <= other.range.first
        && other.range.last <= one.range.last
}

/// An author's own erasure that one of its hosts remembers holds at all who are connected to it.
fn kept_though_erased(volumes: &[&Volume], group: &Group) -> Option<String> {
    let place = (group.channel.clone(), group.stream.clone());
    let records = group.hosts.iter().filter_map(|host| Some((*host, volumes[*host].streams.get(&place)?)));
    let erased = records.flat_map(|(host, record)| record.erased.iter().map(move |erasure| (host, erasure)));
    for (host, erasure) in erased {
        let author = volumes[host].logs.get(&erasure.log).map(|log| &log.head.name.author);
        if author != Some(&erasure.by) {
            continue;
        }
        // An author whose disk forgot its own wish does not take it from others, nor pass it on.
        let forgot = |at: &usize| {
            let volume = volumes[*at];
            let remembers = |record: &StreamRecord| record.erased.iter().any(|own| covers(own, erasure));
            volume.record.id == erasure.by && !volume.streams.get(&place).is_some_and(remembers)
        };
        if group.hosts.iter().any(forgot) {
            continue;
        }
        // What it wrote itself a node erases for its application only, and may have forgotten with its disk.
        for other in group.hosts.iter().filter(|other| volumes[**other].record.id != erasure.by) {
            if let Some(at) = present(volumes[*other], erasure.log, erasure.range) {
                let log = erasure.log;
                return Some(format!(
                    "n{other} still holds {log:?} at {at}, erased by its author (n{host} knows)"
                ));
            }
        }
    }
    None
}
