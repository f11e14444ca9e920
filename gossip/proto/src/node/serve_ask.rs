//! Answering in version 2: logs asked for by the beginnings of their ids, and gifts.

use std::collections::VecDeque;
use std::ops::Bound;

use super::offer::OFFER_LOGS;
use super::serve::{Serve, Wanted};
use super::{DropReason, LinkId, Node};
use crate::wire::{Ask, MAX_ASKED};
use crate::{ChannelId, LogId, Seq};

/// Logs of one channel whose ids begin alike that are served for one key. More than two are somebody's
/// doing; they are told of in offers.
const ALIKE: usize = 8;

impl Node {
    pub(super) fn on_ask(&mut self, id: LinkId, ask: &Ask) {
        let Some((name, _)) = self.shared_by_tag(id, ask.tag) else { return };
        // A paused node asks for nothing.
        self.hear_paused(id, false);
        if ask.serial == 0 {
            let peer = self.links.get(&id).map(|link| link.peer.clone());
            return self.drop_from(peer, DropReason::Malformed, "an ask without a serial");
        }
        let mut logs = VecDeque::with_capacity(ask.logs.len());
        for (key, after) in &ask.logs {
            let alike = self.logs_by_key(&name, key).into_iter();
            logs.extend(alike.map(|log| Wanted { is_named: *after == 0, ..Wanted::new(log, *after, None) }));
        }
        logs.truncate(MAX_ASKED);
        let serve = Serve::new(ask.tag, ask.serial.into(), logs, VecDeque::new());
        self.wait_to_serve(id, serve, u64::from(ask.room) << 10);
    }

    /// Logs of a channel whose ids begin so.
    pub(super) fn logs_by_key(&self, channel: &ChannelId, key: &[u8; 5]) -> Vec<LogId> {
        let Some(channel) = self.channels.get(channel) else { return Vec::new() };
        let mut least = LogId([0; 16]);
        least.0[..5].copy_from_slice(key);
        let rest = self.logs.ordered(&channel.logs, Bound::Included(least)).map(|log| log.id);
        rest.take_while(|log| log.0.starts_with(key)).take(ALIKE).collect()
    }

    /// Gives a peer what it was found to lack, after these heights, within the room (KiB) it told with
    /// the sketch of this serial. What there is no room for is told instead; of more than
    /// [`MAX_ASKED`] logs the rest is left to the next round.
    pub(super) fn give(
        &mut self,
        id: LinkId,
        name: &ChannelId,
        serial: u32,
        room: u32,
        mut logs: Vec<(LogId, Seq)>,
    ) {
        logs.truncate(MAX_ASKED);
        if room == 0 || serial == 0 {
            let logs: Vec<LogId> = logs.into_iter().map(|(log, _)| log).collect();
            return self.tell_heights(id, name, &logs);
        }
        let Some(tag) = self.shared(id, name).map(|shared| shared.tag) else { return };
        let wanted = |(log, after)| Wanted { is_named: after == 0, ..Wanted::new(log, after, None) };
        let logs = logs.into_iter().map(wanted).collect();
        let mut serve = Serve::new(tag, serial.into(), logs, VecDeque::new());
        serve.is_gift = true;
        self.wait_to_serve(id, serve, u64::from(room) << 10);
    }

    /// Offers logs, in as many messages as it takes.
    pub(super) fn tell_heights(&mut self, id: LinkId, name: &ChannelId, logs: &[LogId]) {
        logs.chunks(OFFER_LOGS).for_each(|page| self.offer_some(id, name, page));
    }
}
