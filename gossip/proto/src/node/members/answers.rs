//! How much others are told because they asked for it: four bytes may bring a whole table.

use std::time::Duration;

use crate::node::{DropReason, LinkId, Node};

/// So much is answered on one link at once: three times a table of 4,096, so that what was lost of it can be
/// asked for again,
const AT_ONCE: u32 = 512 << 10;
/// and then at this pace, some 8 KB a second.
const BYTE: Duration = Duration::from_micros(128);

impl Node {
    /// Answers a question of members unless too much was asked on its link, and counts what is said there.
    /// Tables that differ are compared again later, so what is not answered is not lost.
    pub(super) fn answer(&mut self, id: LinkId, answer: impl FnOnce(&mut Self)) {
        let now = self.now.tick;
        let Some(link) = self.links.get(&id) else { return };
        if link.watch.answers.owes(now) > BYTE * AT_ONCE {
            let peer = link.peer.clone();
            return self.drop_from(Some(peer), DropReason::Bound, "more questions than a link may ask");
        }
        let before = link.traffic.bytes_sent;
        answer(self);
        let Some(link) = self.links.get_mut(&id) else { return };
        let said = u32::try_from(link.traffic.bytes_sent - before).unwrap_or(u32::MAX);
        link.watch.answers.spend(now, BYTE * said);
    }
}
