//! What members say to each other, and whom they tell of.

use std::time::Duration;

use gossip_proto::NodeId;

use super::settle::SILENCE;
use super::world::World;

/// The first wire version in which nodes are members to each other.
const MEMBERS: u8 = 3;
/// Each says one beat in this time, to all its links in turn,
const PERIOD: Duration = Duration::from_millis(1_050);
/// and more of them with more links than these.
const FULL: u64 = 7;
/// Frames of a try that is for a beat that did not come: a question to its member and one to a witness, and their
/// answers.
const FIRST_TRY: u64 = 4;
/// And of a later one: three others are asked, who each try themselves and answer.
const LATER_TRY: u64 = FIRST_TRY + 3 * (1 + FIRST_TRY + 1);

impl World {
    /// Hosts a host is told of by others: along edges of two who tell, and share a channel.
    pub(super) fn companions(&self, host: usize) -> Vec<NodeId> {
        let mut found = vec![host];
        let mut next = 0;
        while let Some(&from) = found.get(next) {
            next += 1;
            for [a, b] in self.net.edges().iter().map(|edge| edge.ends) {
                let is_near = [a, b].contains(&from) && self.tell_each_other([a, b]);
                let other = if a == from { b } else { a };
                if is_near && !found.contains(&other) {
                    found.push(other);
                }
            }
        }
        found.into_iter().skip(1).map(|host| self.id(host)).collect()
    }

    fn tell_each_other(&self, ends: [usize; 2]) -> bool {
        let [a, b] = ends.map(|host| &self.hosts[host]);
        let share = a.disk.volume.channels.keys().any(|id| b.disk.volume.channels.contains_key(id));
        share && [a, b].iter().all(|host| host.plan.version >= MEMBERS && host.plan.config.peer_exchange)
    }

    /// Frames that members may say in the silence at the end. A beat each period; one that is lost is a doubt. As in
    /// the rest of what is allowed, twice that, as luck is not spread evenly.
    pub(super) fn pulse(&self) -> u64 {
        let beats: u64 = (0..self.hosts.len()).map(|host| self.beats(host)).sum();
        let loss = self.plan.after.loss;
        // Of a question and its answer one may be lost.
        let silent = 1_000 - (1_000 - loss) * (1_000 - loss) / 1_000;
        let of_doubt = FIRST_TRY + LATER_TRY * silent / (1_000 - silent);
        2 * (beats + beats * loss * of_doubt / 1_000)
    }

    fn beats(&self, host: usize) -> u64 {
        let edges = self.net.linked().map(|edge| self.net.edges()[edge].ends);
        let speaks = |end: &usize| self.hosts[*end].plan.version >= MEMBERS;
        let links = edges.filter(|ends| ends.contains(&host) && ends.iter().all(speaks)).count() as u64;
        let periods = SILENCE.as_millis().div_ceil(PERIOD.as_millis()) as u64;
        periods * links.min(1) * links.max(FULL) / FULL
    }
}
