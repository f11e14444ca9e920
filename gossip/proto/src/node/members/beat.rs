//! Beats: here I am, here is yours back, and this is what my table comes to.

use super::MEMBERS;
use crate::node::{Class, LinkId, Node, NodeState};
use crate::wire::{Beat, BeatFlags, write_beat};

impl Node {
    /// Says a beat, on a link on which both sides know how.
    pub(in crate::node) fn beat_now(&mut self, id: LinkId, flags: BeatFlags) {
        let version = self.spoken(id);
        self.join_turns(id);
        let is_paused = self.state == NodeState::Paused;
        let (now, table, content) = (self.now.tick, self.members.hash(), self.content(id));
        let (dozes, (pace, wanted)) = (self.dozes(), self.pace_on(id));
        let Some(link) = self.links.get_mut(&id).filter(|_| version >= MEMBERS) else { return };
        let (echo, held) = link.watch.echo(now);
        let n = link.watch.send(now);
        link.watch.promised = pace > 0 && !dozes;
        let flags = flags.with(BeatFlags::PAUSED, is_paused).with(BeatFlags::DOZING, dozes);
        let flags = flags.with(BeatFlags::WANTED, wanted);
        let flags = flags.with(BeatFlags::NEAR, self.members.is_nearest(link.watch.key));
        let beat = Beat { n, echo, held, flags, pace, table, content };
        self.send_frame(id, write_beat(&beat, version), Class::Urgent);
        self.stay_calm(id);
    }

    /// A beat measures the round trip, and tells whether tables are equal.
    pub(in crate::node) fn on_beat(&mut self, id: LinkId, beat: Beat) {
        let now = self.now.tick;
        let Some(link) = self.links.get_mut(&id) else { return };
        let missing = link.watch.hear(beat.n, now);
        let sent = beat.echo.and_then(|echo| link.watch.sent(echo));
        let measured = beat.echo.and_then(|echo| link.watch.round_trip(echo, beat.held, now));
        let is_timely = measured.is_some_and(|round_trip| round_trip <= link.rtt.probe_timeout());
        measured.into_iter().for_each(|round_trip| link.rtt.sample(round_trip));
        let key = link.watch.key;
        if let Some(missing) = missing {
            self.members.senses.loss.note(missing);
            self.note_loss(self.members.senses.loss.per_mille());
        }
        self.hear_paused(id, beat.flags.has(BeatFlags::PAUSED));
        self.hear_member(id, key, beat.flags.has(BeatFlags::DOZING));
        sent.filter(|_| is_timely).into_iter().for_each(|sent| self.touch(key, sent));
        self.expect_beat(id, &beat);
        if beat.flags.has(BeatFlags::ANSWER) {
            self.beat_now(id, BeatFlags::IS_ANSWER);
        }
        self.take_back_promise(id);
        self.hear_table(id, beat.table);
        // Who watches a link and says nothing of what it holds goes by rounds.
        if beat.content != 0 || beat.pace > 0 {
            self.hear_size(id, beat.content == 0);
        }
        self.hear_content(id, beat.content);
        self.hear_near(id, beat.flags.has(BeatFlags::NEAR));
        if beat.flags.has(BeatFlags::FULL) {
            self.hear_full(id);
        }
    }

    /// Both may speak of others by name now.
    pub(in crate::node) fn became_companion(&mut self, id: LinkId) {
        self.beat_now(id, BeatFlags::ANSWER);
    }
}
