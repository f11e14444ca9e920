//! The sans-IO node: inputs go in, effects come out, one deadline is named.
//!
//! The node does no I/O, reads no clock and starts no task. A driver (the coordinator, or a
//! simulator) calls [`Node::handle`] with everything that happens and the present time, then takes
//! effects with [`Node::poll_effect`] until there are none, and calls again with
//! [`Input::Deadline`] when [`Node::deadline`] is due. The same seed and the same inputs give the
//! same effects.

mod api;
mod command;
mod event;

pub use self::api::{
    Boot, Class, CommandId, ConfigError, Effect, Frame, Input, LinkId, LinkLimits, NodeConfig, OpId,
};
pub use self::command::{
    Command, CommandError, Health, LinkInfo, NodeState, PeerInfo, PeerStatus, Query, Reply, StreamInfo,
    Traffic,
};
pub use self::event::{Drop, DropReason, Event};

use std::collections::VecDeque;

use crate::{Now, Tick};

/// One node of the network, as a state machine.
#[derive(Debug)]
pub struct Node {
    effects: VecDeque<Effect>,
}

impl Node {
    /// A node that continues from what its store holds. It begins [`NodeState::Stopped`].
    #[must_use]
    pub fn new(_now: Now, _boot: Boot) -> Self {
        Self { effects: VecDeque::new() }
    }

    /// Takes in one thing that happened. Effects may follow.
    pub fn handle(&mut self, _now: Now, _input: Input) {}

    /// The next thing to do, until there is none.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When to call again with [`Input::Deadline`] if nothing else happens before.
    #[must_use]
    pub fn deadline(&self) -> Option<Tick> {
        None
    }
}
