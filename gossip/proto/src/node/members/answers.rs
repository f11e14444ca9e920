//! How much others are told because they ask for it, or are behind: four bytes may bring a whole table.

use std::time::Duration;

use crate::node::{DropReason, LinkId, Node};

/// So much of each row is answered on one link at once, and then each minute: some three times what it takes,
/// so that what was lost of a table can be asked for again.
const ROW: u64 = 128;
const MINUTE: Duration = Duration::from_secs(60);
/// As if there were so many rows, if there are fewer.
const ROWS: usize = 4_096;
/// Also a question that brings nothing costs something to look into: as much as so many bytes.
const LEAST: u64 = 64;

impl Node {
    /// Answers a question of members unless too much was asked on its link, and counts what is said there.
    /// Tables that differ are compared again later, so what is not answered is not lost.
    pub(super) fn answer(&mut self, id: LinkId, answer: impl FnOnce(&mut Self)) {
        let now = self.now.tick;
        let Some(link) = self.links.get(&id) else { return };
        if link.watch.answers.owes(now) > MINUTE {
            let peer = link.peer.clone();
            return self.drop_from(Some(peer), DropReason::Bound, "more questions than a link may ask");
        }
        let before = link.traffic.bytes_sent;
        answer(self);
        let a_minute = ROW * self.members.live().max(ROWS) as u64;
        let Some(link) = self.links.get_mut(&id) else { return };
        let said = link.traffic.bytes_sent - before + LEAST;
        link.watch.answers.spend(now, Duration::from_micros(MINUTE.as_micros() as u64 * said / a_minute));
    }
}
