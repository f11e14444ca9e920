//! On disk every run continues what is held: the sequence, the chain and the hashes agree.

use std::collections::BTreeMap;

use gossip_proto::{ChainHash, CommitItem, LogId, Seq, StoreRequest};

use super::{Check, Invariant};
use crate::sim::disk::Volume;
use crate::sim::fact::{Ending, Fact, Scene};

/// Height and hash of every log of one host, as the runs told so far imply.
type Ends = BTreeMap<LogId, (Seq, ChainHash)>;

#[derive(Debug)]
pub(super) struct NoHole {
    hosts: Vec<Ends>,
}

impl NoHole {
    pub(super) fn new(hosts: usize) -> Self {
        Self { hosts: vec![Ends::new(); hosts] }
    }
}

impl Invariant for NoHole {
    fn name(&self) -> &'static str {
        "no_hole"
    }

    fn see(&mut self, scene: &Scene<'_>) -> Check {
        let ends = &mut self.hosts[scene.host];
        match &scene.fact {
            Fact::Written(StoreRequest::Commit { items, .. }) => {
                items.iter().try_for_each(|item| accept(ends, item))
            }
            Fact::Written(
                StoreRequest::RemoveChannel(_) | StoreRequest::RemoveStream(..) | StoreRequest::Turn { .. },
            )
            | Fact::RolledBack
            | Fact::Wiped => {
                *ends = ends_of(scene.volume);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn end(&mut self, ending: &Ending<'_>) -> Check {
        for (host, volume) in ending.volumes.iter().enumerate() {
            if ends_of(volume) != self.hosts[host] {
                return Err(format!("n{host}: heads and runs disagree"));
            }
        }
        Ok(())
    }
}

fn ends_of(volume: &Volume) -> Ends {
    volume.logs.iter().map(|(id, log)| (*id, (log.head.height, log.head.hash))).collect()
}

fn accept(ends: &mut Ends, item: &CommitItem) -> Check {
    let name = item.log();
    let id = name.id();
    let (height, hash) = ends.get(&id).copied().unwrap_or((0, name.root()));
    match item {
        CommitItem::Adopt { floor, hash, .. } if *floor > height => {
            ends.insert(id, (*floor, *hash));
        }
        CommitItem::Adopt { .. } => {
            ends.entry(id).or_insert((height, hash));
        }
        CommitItem::Fill { prev, run, end, .. } => {
            if run.verify(*prev) != Ok(*end) || run.last() > height {
                return Err(format!("run {:?} of {id:?} cannot fill anything", run.range()));
            }
        }
        CommitItem::Run { prev, run, end, .. } => {
            if run.log() != id {
                return Err(format!("a run of {:?} was committed to {id:?}", run.log()));
            }
            if run.verify(*prev) != Ok(*end) {
                return Err(format!("run {:?} of {id:?} does not verify", run.range()));
            }
            if run.last() > height {
                if run.first() != height + 1 || *prev != hash {
                    return Err(format!("run {:?} of {id:?} does not continue height {height}", run.range()));
                }
                ends.insert(id, (run.last(), *end));
            }
        }
    }
    Ok(())
}
