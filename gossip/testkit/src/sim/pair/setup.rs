//! Who holds what, and how the two are linked.

use std::time::Duration;

use gossip_proto::node::{LinkLimits, NodeConfig};
use gossip_proto::{ChannelId, Rng};

use super::end::Given;
use super::logs::Place;
use super::wire::Wire;
use super::{End, Logs, Pair, Side};

/// Describes a [`Pair`] before it begins.
#[derive(Debug, Clone)]
pub struct Setup {
    seed: u64,
    salt: String,
    delay: Duration,
    loss: u64,
    limits: LinkLimits,
    given: [Given; 2],
    initiator: Option<Side>,
    channels: Vec<ChannelId>,
    logs: Vec<(usize, Logs)>,
}

impl Default for Setup {
    fn default() -> Self {
        let max_frame = (1 << 20) + (64 << 10);
        Self {
            seed: 1,
            salt: String::new(),
            delay: Duration::from_millis(5),
            loss: 0,
            limits: LinkLimits { max_frame, ordered: true, reliable: true, notices_loss: false, cost: 0 },
            given: Default::default(),
            initiator: None,
            channels: vec![ChannelId::new("c").expect("a channel id")],
            logs: Vec::new(),
        }
    }
}

impl Setup {
    /// Another seed: other nonces, jitter and losses.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Other authors, and so other names and hashes of all logs.
    #[must_use]
    pub fn salt(mut self, salt: u64) -> Self {
        self.salt = format!("-{salt}");
        self
    }

    /// How long a frame takes one way.
    #[must_use]
    pub fn delay(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// Of 1,000 frames so many are lost, and the link says that it is not reliable.
    #[must_use]
    pub fn lossy(mut self, per_mille: u64) -> Self {
        (self.loss, self.limits.reliable) = (per_mille, false);
        self
    }

    /// The largest frame the link carries; as over TCP unless told otherwise.
    #[must_use]
    pub fn max_frame(mut self, bytes: usize) -> Self {
        self.limits.max_frame = bytes;
        self
    }

    /// Changes the bounds of both nodes.
    #[must_use]
    pub fn config(self, change: impl Fn(&mut NodeConfig)) -> Self {
        self.config_of(Side::Ann, &change).config_of(Side::Bob, &change)
    }

    /// Changes the bounds of one node.
    #[must_use]
    pub fn config_of(mut self, side: Side, change: impl FnOnce(&mut NodeConfig)) -> Self {
        change(&mut self.given[side as usize].config);
        self
    }

    /// The newest wire version one side offers; both offer what is offered by default.
    #[must_use]
    pub fn version(mut self, side: Side, version: u8) -> Self {
        self.given[side as usize].version = version;
        self
    }

    /// Who initiates on the first link; otherwise the seed decides.
    #[must_use]
    pub fn initiator(self, side: Side) -> Self {
        Self { initiator: Some(side), ..self }
    }

    /// Another channel that both share; logs told from here on lie in it.
    ///
    /// # Panics
    /// When the text is not an id.
    #[must_use]
    pub fn channel(mut self, id: &str) -> Self {
        self.channels.push(ChannelId::new(id).expect("a channel id"));
        self
    }

    /// Logs in the newest channel.
    #[must_use]
    pub fn logs(mut self, logs: Logs) -> Self {
        self.logs.push((self.channels.len() - 1, logs));
        self
    }

    /// Both nodes run and hold what they were given; nothing links them yet.
    #[must_use]
    pub fn begin(&self) -> Pair {
        let secret = self.secret();
        let ends = Side::BOTH.map(|side| {
            let mut end = End::new(side, secret, &self.given[side as usize], &self.channels);
            for (group, (channel, logs)) in self.logs.iter().enumerate() {
                let place = Place { channel: &self.channels[*channel], group, salt: &self.salt };
                end.hold(logs.held_by(side, place));
            }
            end.boot(gossip_proto::Tick(0));
            end
        });
        Pair::new(ends, Wire::new(self.delay, self.loss, Rng::new(self.seed)), self.limits)
    }

    /// Who initiates is decided by nonces, which come of the secret: tries some, with empty nodes.
    fn secret(&self) -> u64 {
        let Some(wanted) = self.initiator else { return self.seed };
        let initiates = |secret: &u64| {
            let mut pair = Self { seed: *secret, delay: self.delay, ..Self::default() }.begin();
            pair.link();
            pair.pass(self.delay * 8);
            let passed = pair.traffic();
            passed.passed().iter().find(|passed| passed.kind == "channels").map(|it| it.from) == Some(wanted)
        };
        (0..64).map(|step| self.seed + (step << 32)).find(initiates).expect("each side half of the time")
    }
}
