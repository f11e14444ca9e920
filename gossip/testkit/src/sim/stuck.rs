//! Whether two who are linked and differ are silent: nobody may wait for something that never comes.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use gossip_proto::Tick;

use super::invariants::converged;
use super::world::World;

/// Beside what the pauses between rounds allow: for lost frames and slow links.
const GRACE: Duration = Duration::from_secs(20);
/// Types of messages that only find out who is there, which says nothing of what they hold.
const GREETING: [u8; 15] = [1, 2, 3, 4, 5, 6, 12, 13, 26, 27, 28, 29, 30, 31, 32];

/// When two hosts last had to do with each other.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// When either last spoke of what it holds.
    spoken: BTreeMap<[usize; 2], Tick>,
    /// Since when they have been linked and differ.
    differing: BTreeMap<[usize; 2], Tick>,
}

impl Watch {
    /// A frame was handed to the network.
    pub(super) fn hear(&mut self, now: Tick, hosts: [usize; 2], frame: &Bytes) {
        let greeting = frame.first().is_some_and(|head| head & 0x0f == 0)
            && frame.get(1).is_some_and(|kind| GREETING.contains(kind));
        if !greeting {
            self.spoken.insert(ordered(hosts), now);
        }
    }

    /// Two hosts are seen, linked or not, differing or not. Answers how long they have been silent over it.
    fn see(&mut self, now: Tick, hosts: [usize; 2], linked: bool, differ: bool) -> Duration {
        let hosts = ordered(hosts);
        if !linked || !differ {
            self.differing.remove(&hosts);
            return Duration::ZERO;
        }
        let since = *self.differing.entry(hosts).or_insert(now);
        now.since(since.max(self.spoken.get(&hosts).copied().unwrap_or(Tick(0))))
    }
}

fn ordered([a, b]: [usize; 2]) -> [usize; 2] {
    [a.min(b), a.max(b)]
}

impl World {
    /// Looks for two who differ and have not said a word about it for longer than any pause may be.
    pub(super) fn look_for_the_stuck(&mut self) {
        let now = self.calendar.now();
        let linked: Vec<_> = self.net.linked().map(|edge| ordered(self.net.edges()[edge].ends)).collect();
        for edge in 0..self.net.edges().len() {
            let ends = self.net.edges()[edge].ends;
            let differ = self.differ(ends);
            let silent = self.stuck.see(now, ends, linked.contains(&ordered(ends)), differ);
            let pauses = ends.map(|host| self.hosts[host].plan.config.round_max);
            if silent > 4 * pauses[0].max(pauses[1]) + GRACE {
                let [a, b] = ends;
                let what = format!("n{a} and n{b} differ and have been silent for {silent:?}");
                self.checks.fail("never_stuck", what);
            }
        }
    }

    fn differ(&self, ends: [usize; 2]) -> bool {
        let volumes: Vec<_> = self.hosts.iter().map(|host| &host.disk.volume).collect();
        let mut groups = self.groups();
        groups.retain(|group| ends.iter().all(|host| group.hosts.contains(host)));
        groups.iter_mut().for_each(|group| group.hosts = ends.to_vec());
        converged::difference(&volumes, &groups).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_silence_over_a_difference_counts() {
        let (mut watch, ends) = (Watch::default(), [2, 1]);
        let at = |seconds: u64| Tick(seconds * 1_000_000);
        assert_eq!(watch.see(at(1), ends, true, true), Duration::ZERO);
        assert_eq!(watch.see(at(9), ends, true, true), Duration::from_secs(8));
        watch.hear(at(10), [1, 2], &Bytes::from_static(&[0x20, 7]));
        watch.hear(at(12), [1, 2], &Bytes::from_static(&[0x10, 2]));
        assert_eq!(watch.see(at(13), ends, true, true), Duration::from_secs(3), "a ping says nothing");
        assert_eq!(watch.see(at(14), ends, false, true), Duration::ZERO);
        assert_eq!(watch.see(at(15), ends, true, true), Duration::ZERO);
    }
}
