//! What is done when digests differ: sketches are compared until it is known which logs differ.
//!
//! A sketch is also a want: it says how much its sender has room for. The side that holds less sends cells,
//! the other one decodes and gives, so that no log has to be asked for by name. Every message stands
//! for itself: one that is lost or late costs a round. All heights are offered where that is cheaper,
//! and where sketches fail.

use std::time::Duration;

use super::exchange::Exchange;
use super::fetch::serial_from;
use super::sketches::View;
use super::{Class, LinkId, Node, Timer};
use crate::ChannelId;
use crate::sketch::{Cell, Found, Kind, MAX_CELLS, PROBE_CELLS, cells_for, changed, peel};
use crate::wire::{Message, More, SketchMessage};

/// Bytes of a height in an offer, of a log asked for, and of a cell.
const OFFERED: u64 = 27;
const ASKED: u64 = 6;
const CELL: u64 = 12;
/// More differences than this are not told by as many cells as there are.
const MOST: u64 = 1700;
/// Cells that are looked at although nobody asked for them.
const UNASKED: usize = 64;
/// After so many failures in a row the sketches of a link are not looked at
const FAILURES: u32 = 3;
/// for so long.
const SHUNNED: Duration = Duration::from_secs(600);

/// What a sketch comes to.
enum Outcome {
    Found(Vec<Found>),
    /// They hold less: they are to send so many cells.
    Ask(usize),
    /// They hold more: they are sent so many cells.
    Tell(usize),
    /// So many are not enough.
    More(Vec<Cell>),
    /// Heights are cheaper.
    Plain,
    /// All cells there are do not tell.
    Hopeless,
}

impl Node {
    /// Begins to find out what differs, unless that was just begun.
    pub(super) fn look_into(&mut self, id: LinkId, name: &ChannelId) {
        let now = self.now.tick;
        let Some(timeout) = self.links.get(&id).map(|link| link.rtt.timeout()) else { return };
        let spoke = self.exchanges.get(id, name).map(|exchange| exchange.spoke);
        if let Some(spoke) = spoke.filter(|spoke| now.since(*spoke) < timeout / 2) {
            return self.timers.bring_forward(Timer::Round(id, name.clone()), spoke + timeout);
        }
        if self.is_shunned(id, name) {
            self.offer_all(id, name)
        } else {
            self.probe_sketch(id, name, Kind::Heights)
        }
    }

    /// Sends the first cells of ours, and from what it can be estimated how many will be needed.
    pub(super) fn probe_sketch(&mut self, id: LinkId, name: &ChannelId, kind: Kind) {
        self.end_exchange(id, name);
        if self.has_sketch(name, kind) {
            let Some(serial) = self.probe_serial(id, name, kind) else { return };
            self.begin_exchange(id, name, serial, kind, true);
            self.say_cells(id, name, 0..PROBE_CELLS, true);
        }
    }

    /// The same for the same state: what is given again is then the same message, and goes on where it
    /// stopped if it went in pieces. Even, because those of wants are odd; 0 is for what is pushed.
    fn probe_serial(&mut self, id: LinkId, name: &ChannelId, kind: Kind) -> Option<u32> {
        let mine = self.digest_on(id, name)?;
        let us = self.record.id.as_str().as_bytes();
        let serial = serial_from([us, name.as_str().as_bytes(), &mine.0, &[kind as u8]].into_iter());
        Some((serial as u32 & !1).max(2))
    }

    /// Remembers an exchange and keeps room for what the peer may give in it.
    fn begin_exchange(&mut self, id: LinkId, name: &ChannelId, serial: u32, kind: Kind, probed: bool) {
        let may = self.is_active() && self.now.tick >= self.fetches.store_ready_at();
        let room = if may { self.reserve(id, serial) } else { 0 };
        let spoke = self.now.tick;
        let exchange = Exchange { serial, kind, room, probed, spoke, said: None, more: None, held: None };
        self.exchanges.begin(id, name, exchange);
    }

    /// Takes part in an exchange, with room kept if it is they who will give.
    fn answer_exchange(&mut self, id: LinkId, name: &ChannelId, sketch: &SketchMessage, receive: bool) {
        let (serial, kind) = (sketch.serial, sketch.kind);
        let spoke = self.now.tick;
        match self.exchanges.get(id, name) {
            Some(exchange) if exchange.serial == serial => (exchange.kind, exchange.spoke) = (kind, spoke),
            _ if receive => self.begin_exchange(id, name, serial, kind, false),
            _ => {
                let (room, probed, said, more, held) = (0, false, None, None, None);
                let exchange = Exchange { serial, kind, room, probed, spoke, said, more, held };
                self.exchanges.begin(id, name, exchange);
            }
        }
    }

    /// The exchange is over: nothing more will be given in it.
    pub(super) fn end_exchange(&mut self, id: LinkId, name: &ChannelId) {
        if let Some(exchange) = self.exchanges.end(id, name) {
            self.release(id, exchange.serial);
        }
    }

    /// Sends some of our cells in the exchange under way.
    fn say_cells(&mut self, id: LinkId, name: &ChannelId, cells: std::ops::Range<usize>, estimate: bool) {
        let now = self.now.tick;
        let Some(exchange) = self.exchanges.get(id, name) else { return };
        exchange.spoke = now;
        let (serial, kind, room) = (exchange.serial, exchange.kind, exchange.room);
        // What was kept may have come, or be given up.
        let room = if self.fetches.expects(id, serial.into()) { room } else { 0 };
        let Some(sketch) = self.sketch_of(id, name, (serial, kind, room), cells, estimate) else {
            return self.offer_all(id, name);
        };
        if let Some(exchange) = self.exchanges.get(id, name) {
            exchange.said = Some(sketch.mine.short());
        }
        if let Some(shared) = self.shared(id, name) {
            shared.looked = now;
        }
        self.send(id, &Message::Sketch(sketch), Class::Urgent);
    }

    /// Some of our cells as a message, with the room kept for what the peer may give.
    pub(super) fn sketch_of(
        &mut self,
        id: LinkId,
        name: &ChannelId,
        (serial, kind, room): (u32, Kind, usize),
        cells: std::ops::Range<usize>,
        estimate: bool,
    ) -> Option<SketchMessage> {
        let View::Ready(ours) = self.view(id, name, kind)? else { return None };
        let (logs, estimate) = (ours.logs(), estimate.then(|| ours.estimate()));
        let (from, cells) = (cells.start as u32, ours.cells(cells.start, cells.end).to_vec());
        let channel = self.channels.get(name)?;
        let shared = self.links.get(&id)?.session.as_ref()?.shared.get(name)?;
        Some(SketchMessage {
            tag: shared.tag,
            mine: shared.digest_of(channel),
            serial,
            room: u32::try_from(room >> 10).unwrap_or(u32::MAX),
            kind,
            turn: channel.scopes.turn(id, true),
            logs,
            from,
            estimate,
            cells,
        })
    }

    pub(super) fn on_sketch(&mut self, id: LinkId, sketch: &SketchMessage) {
        let Some((name, _)) = self.shared_by_tag(id, sketch.tag) else { return };
        let Some(mine) = self.hear_digest(id, &name, sketch.mine) else { return };
        if mine == sketch.mine {
            return self.say_equal(id, &name);
        }
        if sketch.is_announcement() {
            return self.foresee_by(id, &name, sketch);
        }
        let pause = self.round_pause(id, &name);
        self.timers.ensure(Timer::Round(id, name.clone()), self.now.tick + pause);
        if self.channels.get(&name).is_some_and(|channel| channel.scopes.turn(id, false) != sketch.turn) {
            return self.settle_scope(id, &name);
        }
        if self.is_shunned(id, &name) {
            return self.offer_all(id, &name);
        }
        if sketch.from == 0 && sketch.estimate.is_some() {
            if self.is_in_flux(id, &name) {
                return self.compare_link_soon(id, &name);
            }
            if self.goes_first(id, &name) {
                return;
            }
            self.end_exchange(id, &name);
        }
        if self.has_sketch(&name, sketch.kind) {
            self.compare_cells(id, &name, sketch);
        } else if sketch.from == 0 && sketch.cells.len() <= UNASKED {
            self.exchanges.wait(id, &name, sketch.clone());
        }
    }

    /// Our sketch of a channel is made: looks at those that waited for it, or begins.
    pub(super) fn read_waiting(&mut self, name: &ChannelId) {
        let waited = self.exchanges.waited(name);
        if waited.is_empty() {
            self.compare_soon(name);
        }
        for (id, sketch) in waited {
            self.on_sketch(id, &sketch);
        }
    }

    /// Both began at once: the one of the node with the smaller id stands, for as long as an answer may
    /// take.
    fn goes_first(&mut self, id: LinkId, name: &ChannelId) -> bool {
        let Some(link) = self.links.get(&id) else { return false };
        let (timeout, smaller) = (link.rtt.timeout(), self.record.id < link.peer);
        let now = self.now.tick;
        let ours = self.exchanges.get(id, name).filter(|exchange| exchange.probed);
        smaller && ours.is_some_and(|exchange| now.since(exchange.spoke) < timeout)
    }

    fn compare_cells(&mut self, id: LinkId, name: &ChannelId, sketch: &SketchMessage) {
        let logs = match self.view(id, name, sketch.kind) {
            Some(View::Ready(ours)) => ours.logs(),
            Some(View::Crowded) => return self.offer_all(id, name),
            None => return,
        };
        if sketch.from == 0 && sketch.logs == 0 {
            return self.give_all(id, name, sketch);
        }
        self.foresee_by(id, name, sketch);
        if sketch.from == 0 && logs == 0 {
            self.answer_exchange(id, name, sketch, true);
            return self.say_cells(id, name, 0..0, false);
        }
        let answers = |exchange: &mut Exchange| exchange.probed && exchange.serial == sketch.serial;
        if self.exchanges.get(id, name).is_some_and(answers) {
            // They send cells instead of giving.
            self.release(id, sketch.serial);
        }
        let Some(theirs) = self.cells_so_far(id, name, sketch) else {
            let upto = sketch.from as usize + sketch.cells.len();
            return self.ask_more(id, name, sketch, 0, upto);
        };
        match self.judge(id, name, sketch, theirs) {
            Outcome::Found(found) => self.act(id, name, sketch, &found),
            Outcome::Ask(cells) => self.ask_more(id, name, sketch, 0, cells),
            Outcome::Tell(cells) => {
                self.answer_exchange(id, name, sketch, true);
                self.say_cells(id, name, 0..cells, false);
            }
            Outcome::More(theirs) => {
                let held = theirs.len();
                self.ask_more(id, name, sketch, held, (held * 3 / 2 + 8).min(MAX_CELLS));
                if let Some(exchange) = self.exchanges.get(id, name) {
                    exchange.held = Some((sketch.mine, theirs));
                }
            }
            Outcome::Plain => self.offer_all(id, name),
            Outcome::Hopeless => self.sketches_fail(id, name),
        }
    }

    /// All cells of theirs that are known, from the first. `None`: those before are missing, or are of
    /// another state.
    fn cells_so_far(&mut self, id: LinkId, name: &ChannelId, sketch: &SketchMessage) -> Option<Vec<Cell>> {
        let exchange = self.exchanges.get(id, name).filter(|exchange| exchange.serial == sketch.serial);
        let is_known = exchange.is_some();
        let held = exchange.and_then(|exchange| exchange.held.take());
        if sketch.from == 0 {
            let most = if is_known { MAX_CELLS } else { UNASKED };
            return Some(sketch.cells.iter().take(most).copied().collect());
        }
        let fits =
            |(state, cells): &(_, Vec<Cell>)| *state == sketch.mine && cells.len() == sketch.from as usize;
        let (_, cells) = held.filter(fits)?;
        Some([&cells[..], &sketch.cells[..]].concat())
    }

    fn judge(&mut self, id: LinkId, name: &ChannelId, sketch: &SketchMessage, theirs: Vec<Cell>) -> Outcome {
        let secret = self.channels.get(name).map(|channel| channel.secret);
        let Some((View::Ready(ours), secret)) = self.view(id, name, sketch.kind).zip(secret) else {
            return Outcome::Hopeless;
        };
        let less = theirs.iter().zip(ours.cells(0, theirs.len())).map(|(theirs, ours)| theirs.less(*ours));
        let difference: Vec<Cell> = less.collect();
        let balance = difference.first().map_or(0, |cell| cell.s1.cast_signed());
        if let Some(found) = peel(&secret, difference) {
            return Outcome::Found(found);
        }
        let Some(estimate) = sketch.estimate else {
            return if theirs.len() < MAX_CELLS { Outcome::More(theirs) } else { Outcome::Hopeless };
        };
        let differ = changed(&ours.estimate(), &estimate).max(ours.logs().abs_diff(sketch.logs));
        if differ > MOST {
            return Outcome::Plain;
        }
        let cells = cells_for(differ * 6 / 5).min(MAX_CELLS);
        // Whoever lacks something and offers is offered it in turn, and then asks.
        let answers = differ * if balance < 0 { ASKED } else { OFFERED + ASKED };
        match ours.logs() * OFFERED + answers < cells as u64 * CELL {
            true => Outcome::Plain,
            false if balance < 0 => Outcome::Ask(cells),
            false => Outcome::Tell(cells),
        }
    }

    /// Asks for cells of theirs in an exchange in which we are to give.
    fn ask_more(&mut self, id: LinkId, name: &ChannelId, sketch: &SketchMessage, from: usize, upto: usize) {
        self.answer_exchange(id, name, sketch, false);
        let more = More { tag: sketch.tag, serial: sketch.serial, from: from as u32, upto: upto as u32 };
        self.send(id, &Message::More(more), Class::Urgent);
    }

    pub(super) fn on_more(&mut self, id: LinkId, more: &More) {
        let now = self.now.tick;
        let Some((name, _)) = self.shared_by_tag(id, more.tag) else { return };
        let Some(pause) = self.links.get(&id).map(|link| link.rtt.smoothed().unwrap_or_default() / 2) else {
            return;
        };
        // Without an exchange nobody is owed thousands of cells.
        let exchange = self.exchanges.get(id, &name).filter(|exchange| exchange.serial == more.serial);
        let Some(exchange) = exchange else { return };
        // Nor are the same ones twice in a moment; what follows is, as the trip may be shorter than it seemed.
        if exchange.more.is_some_and(|(last, upto)| more.from < upto && now.since(last) < pause) {
            return;
        }
        exchange.more = Some((now, more.upto));
        self.extend_wants(id);
        self.say_cells(id, &name, more.from as usize..more.upto as usize, false);
    }

    /// Sketches did not tell: heights do. A link on which that happens again and again has to do without.
    pub(super) fn sketches_fail(&mut self, id: LinkId, name: &ChannelId) {
        let until = self.now.tick + SHUNNED;
        if let Some(shared) = self.shared(id, name) {
            shared.failures.0 += 1;
            if shared.failures.0 >= FAILURES {
                shared.failures = (0, until);
            }
        }
        self.end_exchange(id, name);
        self.offer_all(id, name);
    }

    fn is_shunned(&mut self, id: LinkId, name: &ChannelId) -> bool {
        let now = self.now.tick;
        self.shared(id, name).is_some_and(|shared| now < shared.failures.1)
    }
}
