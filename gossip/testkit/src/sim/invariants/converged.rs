//! All who can exchange a stream hold the same: heights, hashes, entries, and equal folds.

use std::collections::BTreeMap;

use gossip_proto::{LogEntry, LogId, OrderKey, PayloadHash, Seq};

use super::{Check, Invariant};
use crate::sim::disk::{Log, Volume};
use crate::sim::fact::{Ending, Group};

#[derive(Debug)]
pub(super) struct Converged;

impl Invariant for Converged {
    fn name(&self) -> &'static str {
        "converged"
    }

    fn end(&mut self, ending: &Ending<'_>) -> Check {
        if let Some(difference) = difference(&ending.volumes, &ending.groups) {
            return Err(difference);
        }
        ending.groups.iter().try_for_each(|group| same_entries(&ending.volumes, group))
    }
}

/// The first difference between heads of hosts that can exchange a stream.
pub(in crate::sim) fn difference(volumes: &[&Volume], groups: &[Group]) -> Option<String> {
    groups.iter().find_map(|group| {
        let place = (group.channel.clone(), group.stream.clone());
        let knows = |host: &usize| volumes[*host].open_streams().contains(&place);
        let first = *group.hosts.iter().find(|host| knows(host))?;
        let reference = heads(volumes[first], group);
        group.hosts.iter().find_map(|host| {
            let where_ = format!("{}/{} at n{host}", group.channel, group.stream);
            if !knows(host) {
                return Some(format!("{where_} does not exist, unlike at n{first}"));
            }
            let here = heads(volumes[*host], group);
            let differ = here != reference;
            differ.then(|| format!("{where_} stands at {here:?}, at n{first} at {reference:?}"))
        })
    })
}

fn logs<'a>(volume: &'a Volume, group: &'a Group) -> impl Iterator<Item = (&'a LogId, &'a Log)> {
    volume
        .logs
        .iter()
        .filter(|(_, log)| !group.forked.contains(&log.head.name.first_log()))
        .filter(|(_, log)| log.head.name.channel == group.channel && log.head.name.stream == group.stream)
}

fn heads(volume: &Volume, group: &Group) -> BTreeMap<LogId, (Seq, gossip_proto::ChainHash)> {
    let written = logs(volume, group).filter(|(_, log)| log.head.height > 0);
    written.map(|(id, log)| (*id, (log.head.height, log.head.hash))).collect()
}

/// The entries of a stream in order: what a fold would see.
fn entries(volume: &Volume, group: &Group) -> BTreeMap<OrderKey, PayloadHash> {
    let mut all = BTreeMap::new();
    for (id, log) in logs(volume, group) {
        let name = std::sync::Arc::new(log.head.name.clone());
        for entry in log.runs.iter().flat_map(|stored| stored.run.entries()) {
            let entry = LogEntry::new(name.clone(), *id, entry);
            all.insert(entry.key(), entry.content().hash());
        }
    }
    all
}

/// Where two hosts both hold an entry it is the same, and hosts that hold a log from its
/// beginning fold the same.
fn same_entries(volumes: &[&Volume], group: &Group) -> Check {
    let mut seen: BTreeMap<OrderKey, PayloadHash> = BTreeMap::new();
    let mut whole: Option<(usize, BTreeMap<OrderKey, PayloadHash>)> = None;
    for &host in &group.hosts {
        let mine = entries(volumes[host], group);
        for (key, payload) in &mine {
            if seen.insert(key.clone(), *payload).is_some_and(|other| other != *payload) {
                return Err(format!("n{host} holds another entry at {key:?}"));
            }
        }
        let complete =
            logs(volumes[host], group).all(|(_, log)| log.head.floor == 0 && log.head.gaps.is_empty());
        match &whole {
            _ if !complete => {}
            Some((other, theirs)) if *theirs != mine => {
                return Err(format!("n{host} and n{other} fold differently"));
            }
            Some(_) => {}
            None => whole = Some((host, mine)),
        }
    }
    Ok(())
}
