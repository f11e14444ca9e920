//! Where two histories part the other one has to be shown: how it goes on is asked for.

use std::time::Duration;

use super::fork_search::TRIES;
use super::forks::{Claim, Seen, of_link};
use super::{Class, LinkId, Node, Timer};
use crate::wire::{DeltaRun, Message, Want, WantLog};
use crate::{ChainHash, ChannelId, LogId, MAX_RUN_BYTES, Seq};

/// It is waited for at most this long.
const CLAIM: Duration = Duration::from_secs(60);

impl Node {
    /// Asks how the other history goes on: that, and nothing less, shows that there is one.
    pub(super) fn claim(
        &mut self,
        id: LinkId,
        channel: &ChannelId,
        log: LogId,
        (at, prev, ours): (Seq, ChainHash, ChainHash),
    ) {
        // What comes is as long as any other answer.
        let (until, end) = (self.answer_due(id), self.now.tick + CLAIM);
        let serial = u64::from(self.forks.next_serial().max(1));
        let claim = Claim { channel: channel.clone(), at, prev, ours, serial, until, end, tries: 0 };
        self.forks.claims.insert((id, log), claim);
        self.send_claim(id, log);
    }

    fn send_claim(&mut self, id: LinkId, log: LogId) {
        let Some(claim) = self.forks.claims.get(&(id, log)) else { return };
        let logs = vec![WantLog { log, after: claim.at - 1, check: claim.prev.check() }];
        let (channel, serial, until) = (claim.channel.clone(), claim.serial, claim.until);
        self.timers.bring_forward(Timer::Search(id), until);
        let Some(tag) = self.shared(id, &channel).map(|shared| shared.tag) else { return };
        let want = Want { tag, serial, budget: MAX_RUN_BYTES as u64, logs };
        self.send(id, &Message::Want(want), Class::Live);
    }

    /// Runs came on a link: they may be what was asked for.
    pub(super) fn weigh_claims(&mut self, id: LinkId, runs: &[DeltaRun]) {
        let claims = self.forks.claims.range(of_link(id));
        let claims = claims.map(|((_, log), claim)| (*log, claim.at, claim.prev, claim.ours));
        for (log, at, prev, ours) in claims.collect::<Vec<_>>() {
            let Some(name) = self.logs.name(&log) else { continue };
            if self.goes_on(&name, log, (at, prev), runs).is_some_and(|first| first != ours) {
                self.forks.claims.remove(&(id, log));
                self.part_log(Seen::Link(id), log, at, prev);
            }
        }
    }

    /// An answer has ended: what it did not show begins anew when the fork is seen again.
    pub(super) fn end_claim(&mut self, id: LinkId, serial: u64) {
        let claims = self.forks.claims.range(of_link(id));
        let ended = claims.filter(|(_, claim)| claim.serial == serial).map(|((_, log), _)| *log).next();
        if let Some(log) = ended {
            self.forks.claims.remove(&(id, log));
            self.fork_again(id, log);
        }
    }

    pub(super) fn repeat_claim(&mut self, id: LinkId, log: LogId) {
        let (now, due) = (self.now.tick, self.answer_due(id));
        let Some(claim) = self.forks.claims.get_mut(&(id, log)) else { return };
        claim.tries += 1;
        if claim.tries < TRIES && now < claim.end {
            claim.until = (now + due.since(now) * (1 << claim.tries)).min(claim.end);
            return self.send_claim(id, log);
        }
        self.forks.claims.remove(&(id, log));
        self.fork_again(id, log);
    }
}
