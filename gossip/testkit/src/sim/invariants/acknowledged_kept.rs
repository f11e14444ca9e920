//! An append that was answered `Ok` is on its node's disk, as given, until the application itself
//! prunes, removes or erases it, or the disk rots.

use std::collections::{BTreeMap, BTreeSet};

use gossip_proto::node::{Command, CommandId, Reply};
use gossip_proto::{ChannelId, EntryId, LogId, NodeId, PayloadHash, Seq, StoreRequest, StreamId};

use super::{Check, Invariant};
use crate::sim::disk::Volume;
use crate::sim::fact::{Ending, Fact, Scene};

/// An append under way: what must be found when it is answered.
#[derive(Debug)]
struct Asked {
    host: usize,
    channel: ChannelId,
    stream: StreamId,
    payloads: Vec<PayloadHash>,
    /// A removal was asked for after it: it may be gone before its answer arrives.
    excused: bool,
}

/// Acknowledged entries of one host.
type Kept = BTreeMap<EntryId, PayloadHash>;

#[derive(Debug)]
pub(super) struct AcknowledgedKept {
    asked: BTreeMap<CommandId, Asked>,
    kept: Vec<Kept>,
    /// Removals asked for and not answered: what is appended meanwhile goes with the rest.
    leaving: BTreeMap<CommandId, (usize, ChannelId, Option<StreamId>)>,
    /// Highest floor the application asked for.
    pruned: Vec<BTreeMap<LogId, Seq>>,
    /// What any application asked to erase.
    erased: BTreeSet<EntryId>,
}

impl AcknowledgedKept {
    pub(super) fn new(hosts: usize) -> Self {
        Self {
            asked: BTreeMap::new(),
            kept: vec![Kept::new(); hosts],
            leaving: BTreeMap::new(),
            pruned: vec![BTreeMap::new(); hosts],
            erased: BTreeSet::new(),
        }
    }

    fn asked(&mut self, scene: &Scene<'_>, id: CommandId, command: &Command) {
        match command {
            Command::Append { channel, stream, payloads } => {
                let payloads = payloads.iter().map(|payload| PayloadHash::of(payload.bytes())).collect();
                let (channel, stream) = (channel.clone(), stream.clone());
                let leaves = |(host, c, s): &(usize, ChannelId, Option<StreamId>)| {
                    *host == scene.host && *c == channel && s.as_ref().is_none_or(|s| *s == stream)
                };
                let excused = self.leaving.values().any(leaves);
                let asked = Asked { host: scene.host, channel, stream, payloads, excused };
                self.asked.insert(id, asked);
            }
            Command::RemoveChannel { channel } => {
                self.leaving.insert(id, (scene.host, channel.clone(), None));
                self.release(scene, channel, None);
            }
            Command::RemoveStream { channel, stream } => {
                self.leaving.insert(id, (scene.host, channel.clone(), Some(stream.clone())));
                self.release(scene, channel, Some(stream));
            }
            Command::Erase { entries, .. } => self.erased.extend(entries.iter().copied()),
            Command::Prune { floors, .. } => {
                for (log, floor) in floors {
                    let pruned = self.pruned[scene.host].entry(*log).or_default();
                    *pruned = (*pruned).max(*floor);
                }
            }
            _ => {}
        }
    }

    /// The application gives up a channel or stream: nothing in it need be kept.
    fn release(&mut self, scene: &Scene<'_>, channel: &ChannelId, stream: Option<&StreamId>) {
        let inside = |c: &ChannelId, s: &StreamId| c == channel && stream.is_none_or(|stream| stream == s);
        for asked in self.asked.values_mut().filter(|asked| asked.host == scene.host) {
            asked.excused |= inside(&asked.channel, &asked.stream);
        }
        let logs = &scene.volume.logs;
        self.kept[scene.host].retain(|id, _| {
            logs.get(&id.log).is_some_and(|log| !inside(&log.head.name.channel, &log.head.name.stream))
        });
    }

    fn acknowledged(&mut self, scene: &Scene<'_>, asked: &Asked, ids: &[EntryId]) -> Check {
        if ids.len() != asked.payloads.len() {
            return Err(format!("{} ids for {} payloads", ids.len(), asked.payloads.len()));
        }
        if ids.windows(2).any(|two| two[1].log != two[0].log || two[1].sequence != two[0].sequence + 1) {
            return Err(format!("the ids of one append are not consecutive: {ids:?}"));
        }
        for (id, payload) in ids.iter().zip(&asked.payloads) {
            if self.kept[scene.host].insert(*id, *payload).is_some() {
                return Err(format!("{id} was given out twice"));
            }
            if asked.excused {
                self.kept[scene.host].remove(id);
                continue;
            }
            belongs(scene.volume, scene.id, asked, id)?;
            self.held(scene.host, scene.volume, id, payload)?;
        }
        Ok(())
    }

    fn held(&self, host: usize, volume: &Volume, id: &EntryId, payload: &PayloadHash) -> Check {
        let kept = volume.moved(*id);
        let any = |is: &dyn Fn(&EntryId) -> bool| is(id) || is(&kept);
        // What was lost or pruned comes back as others have it.
        let pruned = any(&|id| self.pruned[host].get(&id.log) >= Some(&id.sequence));
        let gone = pruned || any(&|id| decayed(volume, id));
        let run = volume.logs.get(&kept.log).and_then(|log| log.run_at(kept.sequence));
        match run.and_then(|stored| stored.run.entry(kept.sequence)) {
            Some(entry) if entry.payload.hash() == *payload => {
                let excused = gone || any(&|id| self.erased.contains(id));
                match entry.payload.bytes() {
                    None if !excused => Err(format!("the payload of {id} was acknowledged and is gone")),
                    _ => Ok(()),
                }
            }
            Some(_) => Err(format!("{id} is stored with another payload than was acknowledged")),
            None if gone => Ok(()),
            None => Err(format!("{id} was acknowledged and is not on disk")),
        }
    }

    fn all_held(&self, host: usize, volume: &Volume) -> Check {
        self.kept[host].iter().try_for_each(|(id, payload)| self.held(host, volume, id, payload))
    }
}

impl Invariant for AcknowledgedKept {
    fn name(&self) -> &'static str {
        "acknowledged_kept"
    }

    fn see(&mut self, scene: &Scene<'_>) -> Check {
        match &scene.fact {
            Fact::Asked(id, command) => self.asked(scene, *id, command),
            Fact::Answered(id, result) => {
                self.leaving.remove(id);
                let Some(asked) = self.asked.remove(id) else { return Ok(()) };
                return match result {
                    Ok(Reply::Appended(ids)) => self.acknowledged(scene, &asked, ids),
                    Ok(other) => Err(format!("an append was answered {other:?}")),
                    Err(_) => Ok(()),
                };
            }
            Fact::Written(StoreRequest::Prune { .. } | StoreRequest::RemoveStream(..))
            | Fact::Written(StoreRequest::Erase { .. } | StoreRequest::Isolate { .. })
            | Fact::Written(StoreRequest::RemoveChannel(_) | StoreRequest::Turn { .. })
            | Fact::Booted => return self.all_held(scene.host, scene.volume),
            Fact::Crashed => {
                self.asked.retain(|_, asked| asked.host != scene.host);
                self.leaving.retain(|_, (host, ..)| *host != scene.host);
            }
            // What it is set up with instead may be another's, who pruned it.
            Fact::Wiped => self.kept[scene.host].clear(),
            Fact::RolledBack => {
                let there = |id: &EntryId| {
                    let kept = scene.volume.moved(*id);
                    let log = scene.volume.logs.get(&kept.log);
                    log.is_some_and(|log| log.head.height >= kept.sequence)
                };
                // Where it wrote after an earlier copy came back, this one may be of the other history.
                let mut kept = std::mem::take(&mut self.kept[scene.host]);
                kept.retain(|id, payload| {
                    there(id) && self.held(scene.host, scene.volume, id, payload).is_ok()
                });
                self.kept[scene.host] = kept;
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, ending: &Ending<'_>) -> Check {
        let mut volumes = ending.volumes.iter().enumerate();
        volumes.try_for_each(|(host, volume)| {
            self.all_held(host, volume).map_err(|what| format!("n{host} in the end: {what}"))
        })
    }
}

/// Whether an entry lay in a run that was damaged.
fn decayed(volume: &Volume, id: &EntryId) -> bool {
    volume.decayed.iter().any(|(log, range)| *log == id.log && range.contains(id.sequence))
}

fn belongs(volume: &Volume, author: &NodeId, asked: &Asked, id: &EntryId) -> Check {
    let Some(log) = volume.logs.get(&id.log) else { return Err(format!("{id} names no log on disk")) };
    let name = &log.head.name;
    if name.author == *author && name.channel == asked.channel && name.stream == asked.stream {
        return Ok(());
    }
    Err(format!("{id} lies in {name:?}, not where it was appended"))
}
