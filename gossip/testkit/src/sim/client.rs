//! The applications of all hosts: what they asked, and what they want in the end.

use std::collections::{BTreeMap, BTreeSet};

use gossip_proto::node::{Command, CommandError, CommandId, Reply};
use gossip_proto::{ChannelId, Retention, StreamId};

use super::plan::Plan;

/// One stream of one channel.
pub(super) type Place = (ChannelId, StreamId);

/// The applications.
#[derive(Debug)]
pub(super) struct Client {
    asked: u64,
    /// Commands without an answer yet.
    pub(super) pending: BTreeMap<CommandId, (usize, Command)>,
    /// Channels each host is to have.
    pub(super) wants: Vec<BTreeSet<ChannelId>>,
    /// Streams each host has refused.
    pub(super) refuses: Vec<BTreeSet<Place>>,
    /// Makes every payload different.
    written: u64,
}

impl Client {
    pub(super) fn new(plan: &Plan) -> Self {
        let wanted = |host: usize| {
            plan.channels.iter().filter(move |c| c.members.contains(&host)).map(|c| c.id.clone()).collect()
        };
        Self {
            asked: 0,
            pending: BTreeMap::new(),
            wants: (0..plan.hosts.len()).map(wanted).collect(),
            refuses: vec![BTreeSet::new(); plan.hosts.len()],
            written: 0,
        }
    }

    /// Notes a command about to be given.
    pub(super) fn ask(&mut self, host: usize, command: &Command) -> CommandId {
        self.asked += 1;
        let id = CommandId(self.asked);
        self.pending.insert(id, (host, command.clone()));
        match command {
            Command::CreateChannel { channel, .. } => {
                self.wants[host].insert(channel.clone());
            }
            Command::RemoveChannel { channel } => {
                self.wants[host].remove(channel);
                self.refuses[host].retain(|(of, _)| of != channel);
            }
            Command::CreateStream { channel, stream, .. } => {
                self.refuses[host].remove(&(channel.clone(), stream.clone()));
            }
            Command::RemoveStream { channel, stream } => {
                self.refuses[host].insert((channel.clone(), stream.clone()));
            }
            _ => {}
        }
        id
    }

    /// The host is gone: nobody waits for its answers any more.
    pub(super) fn forget(&mut self, host: usize) {
        self.pending.retain(|_, (of, _)| *of != host);
    }

    /// A number no payload has had.
    pub(super) fn next_number(&mut self) -> u64 {
        self.written += 1;
        self.written
    }

    /// What brings a host to where its application wants it, whatever went wrong before.
    pub(super) fn wishes(&self, plan: &Plan, host: usize) -> Vec<Command> {
        let mut wishes = vec![Command::Start, Command::Resume];
        for channel in &plan.channels {
            let id = channel.id.clone();
            if !self.wants[host].contains(&id) {
                wishes.push(Command::RemoveChannel { channel: id });
                continue;
            }
            wishes.push(Command::CreateChannel { channel: id.clone(), payload_limit: None });
            for stream in &channel.streams {
                let (channel, stream) = (id.clone(), stream.clone());
                let refused = self.refuses[host].contains(&(channel.clone(), stream.clone()));
                wishes.push(if refused {
                    Command::RemoveStream { channel, stream }
                } else {
                    Command::CreateStream { channel, stream, retention: Retention::KeepAll }
                });
            }
        }
        wishes
    }
}

/// Whether an answer leaves things as wished.
pub(super) fn settled(result: &Result<Reply, CommandError>) -> bool {
    match result {
        Ok(_) => true,
        Err(error) => matches!(
            error,
            CommandError::State { .. } | CommandError::UnknownStream(..) | CommandError::UnknownChannel(_)
        ),
    }
}
