//! A channel arrives only where the application asked for it, and a removed stream stays away.

use std::collections::BTreeMap;

use gossip_proto::node::Command;
use gossip_proto::{ChannelId, StoreRequest, StreamId};

use super::{Check, Invariant};
use crate::sim::fact::{Fact, Scene};

/// A channel, or one stream of it.
type Place = (ChannelId, Option<StreamId>);

/// What the application wants of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stance {
    /// It may arrive.
    Open,
    /// Its removal was asked for last, and has not been carried out.
    Closing,
    /// It was removed.
    Closed,
}

#[derive(Debug)]
pub(super) struct NoLeak {
    hosts: Vec<BTreeMap<Place, Stance>>,
}

impl NoLeak {
    pub(super) fn new(hosts: usize) -> Self {
        Self { hosts: vec![BTreeMap::new(); hosts] }
    }

    fn asked(&mut self, host: usize, command: &Command) {
        let stances = &mut self.hosts[host];
        match command {
            Command::CreateChannel { channel, .. } => {
                stances.insert((channel.clone(), None), Stance::Open);
            }
            Command::CreateStream { channel, stream, .. } => {
                stances.remove(&(channel.clone(), Some(stream.clone())));
            }
            Command::RemoveChannel { channel } => {
                stances.entry((channel.clone(), None)).and_modify(|stance| *stance = Stance::Closing);
            }
            Command::RemoveStream { channel, stream } => {
                stances.insert((channel.clone(), Some(stream.clone())), Stance::Closing);
            }
            _ => {}
        }
    }

    fn written(&mut self, scene: &Scene<'_>, request: &StoreRequest) -> Check {
        let stances = &mut self.hosts[scene.host];
        let closing = |stance: &mut Stance| {
            if *stance == Stance::Closing {
                *stance = Stance::Closed;
            }
        };
        match request {
            StoreRequest::RemoveChannel(channel) => {
                stances.entry((channel.clone(), None)).and_modify(closing);
                stances.retain(|(of, stream), _| of != channel || stream.is_none());
            }
            StoreRequest::RemoveStream(channel, record) => {
                stances.entry((channel.clone(), Some(record.id.clone()))).and_modify(closing);
            }
            StoreRequest::SaveChannel(record) => return self.allowed(scene.host, &record.id, None),
            StoreRequest::Commit { items, .. } => {
                for item in items {
                    let name = item.log();
                    self.allowed(scene.host, &name.channel, Some(&name.stream))?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn allowed(&self, host: usize, channel: &ChannelId, stream: Option<&StreamId>) -> Check {
        let stance = |stream| self.hosts[host].get(&(channel.clone(), stream)).copied();
        if !matches!(stance(None), Some(Stance::Open | Stance::Closing)) {
            return Err(format!("channel {channel} was never asked for, or removed, and is written"));
        }
        match stream {
            Some(stream) if stance(Some(stream.clone())) == Some(Stance::Closed) => {
                Err(format!("stream {channel}/{stream} was removed and is written"))
            }
            _ => Ok(()),
        }
    }
}

impl Invariant for NoLeak {
    fn name(&self) -> &'static str {
        "no_leak"
    }

    fn see(&mut self, scene: &Scene<'_>) -> Check {
        match &scene.fact {
            Fact::Asked(_, command) => self.asked(scene.host, command),
            Fact::Written(request) => return self.written(scene, request),
            // What was removed may be back, or forgotten to have been removed.
            Fact::RolledBack | Fact::Wiped => {
                let stances = &mut self.hosts[scene.host];
                stances.values_mut().for_each(|stance| *stance = Stance::Closing);
                // A copy of another's disk brings that one's channels.
                for channel in scene.volume.channels.keys() {
                    stances.entry((channel.clone(), None)).or_insert(Stance::Closing);
                }
            }
            _ => {}
        }
        Ok(())
    }
}
