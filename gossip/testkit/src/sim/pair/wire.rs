//! Frames on their way between the two.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use gossip_proto::{Rng, Tick};

use super::{Passed, Side};

/// One link of fixed delay, and everything it ever carried.
#[derive(Debug)]
pub(super) struct Wire {
    /// One way.
    pub(super) delay: Duration,
    /// Of 1,000 frames so many are lost.
    pub(super) loss: u64,
    rng: Rng,
    /// Which of those that passed arrive when; in order of arrival, because all take equally long.
    flying: VecDeque<(Tick, usize)>,
    /// Who hears a recording, and what will arrive of it.
    script: Option<(Side, VecDeque<(Tick, Bytes)>)>,
    /// Every frame sent, lost ones too.
    pub(super) passed: Vec<Passed>,
}

impl Wire {
    pub(super) fn new(delay: Duration, loss: u64, rng: Rng) -> Self {
        Self { delay, loss, rng, flying: VecDeque::new(), script: None, passed: Vec::new() }
    }

    pub(super) fn send(&mut self, now: Tick, from: Side, frame: Bytes) {
        let lost = self.rng.chance(self.loss);
        if !lost {
            self.flying.push_back((now + self.delay, self.passed.len()));
        }
        self.passed.push(Passed::read(now, from, lost, frame));
    }

    /// Frames that come as if the other side had sent them, with the time each is sent.
    pub(super) fn play(&mut self, to: Side, mut script: VecDeque<(Tick, Bytes)>) {
        script.iter_mut().for_each(|(at, _)| *at = *at + self.delay);
        self.script = Some((to, script));
    }

    pub(super) fn next_arrival(&self) -> Option<Tick> {
        let flying = self.flying.front().map(|(at, ..)| *at);
        flying.into_iter().chain(self.next_played()).min()
    }

    /// The next frame to arrive, and who receives it.
    pub(super) fn deliver(&mut self) -> Option<(Side, Bytes)> {
        if self.next_played().is_some_and(|played| Some(played) == self.next_arrival()) {
            let (to, script) = self.script.as_mut()?;
            return script.pop_front().map(|(_, frame)| (*to, frame));
        }
        let (_, at) = self.flying.pop_front()?;
        self.passed.get(at).map(|passed| (passed.from.other(), passed.frame.clone()))
    }

    pub(super) fn lose_all(&mut self) {
        self.flying.clear();
    }

    /// Whether nothing is on its way but what members say of each other.
    pub(super) fn is_quiet(&self) -> bool {
        self.flying.iter().all(|(_, at)| self.passed[*at].is_of_group())
    }

    fn next_played(&self) -> Option<Tick> {
        self.script.as_ref().and_then(|(_, script)| script.front()).map(|(at, _)| *at)
    }
}
