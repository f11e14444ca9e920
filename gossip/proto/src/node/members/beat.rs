//! Beats: here I am, here is yours back, and this is what my table comes to.

use super::MEMBERS;
use crate::node::{Class, LinkId, Node, NodeState};
use crate::wire::{Beat, BeatFlags, write_beat};

impl Node {
    /// Says a beat, on a link on which both sides know how.
    pub(in crate::node) fn beat_now(&mut self, id: LinkId, flags: BeatFlags) {
        let version = self.spoken(id);
        let is_paused = self.state == NodeState::Paused;
        let (now, table, content) = (self.now.tick, self.members.hash(), self.content(id));
        let Some(link) = self.links.get_mut(&id).filter(|_| version >= MEMBERS) else { return };
        let (echo, held) = link.watch.echo(now);
        let (n, flags) = (link.watch.send(now), flags.with(BeatFlags::PAUSED, is_paused));
        let beat = Beat { n, echo, held, flags, pace: 0, table, content };
        self.send_frame(id, write_beat(&beat, version), Class::Urgent);
    }

    /// A beat measures the round trip, and tells whether tables are equal.
    pub(in crate::node) fn on_beat(&mut self, id: LinkId, beat: Beat) {
        let now = self.now.tick;
        let Some(link) = self.links.get_mut(&id) else { return };
        link.watch.hear(beat.n, now);
        let measured = beat.echo.and_then(|echo| link.watch.round_trip(echo, beat.held, now));
        measured.into_iter().for_each(|round_trip| link.rtt.sample(round_trip));
        self.hear_paused(id, beat.flags.has(BeatFlags::PAUSED));
        if beat.flags.has(BeatFlags::ANSWER) {
            self.beat_now(id, BeatFlags::IS_ANSWER);
        }
        self.hear_table(id, beat.table);
        self.hear_content(id, beat.content);
    }

    /// Both may speak of others by name now.
    pub(in crate::node) fn became_companion(&mut self, id: LinkId) {
        self.beat_now(id, BeatFlags::ANSWER);
    }
}
