//! The way of a frame: outbox, wire, weather, arrival.

use std::time::Duration;

use bytes::Bytes;
use gossip_proto::Tick;
use gossip_proto::node::{Class, LinkId};

use super::{Conn, ConnId, Net, PipeId};
use crate::sim::calendar::{Calendar, Happening};

/// What became of a frame a node wants sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It waits in the outbox.
    Queued,
    /// The outbox is full.
    Overflow,
    /// There is no such link at this host.
    NoLink,
    /// It is larger than the link carries.
    TooLarge,
}

impl Net {
    /// Puts a frame into the outbox of a link.
    pub(crate) fn send(
        &mut self,
        calendar: &mut Calendar,
        host: usize,
        (link, frame, class): (LinkId, Bytes, Class),
    ) -> Sent {
        let Some(&(id, side)) = self.links.get(&link) else { return Sent::NoLink };
        let Some(conn) = self.conns.get_mut(&id).filter(|conn| conn.hosts[side] == host) else {
            return Sent::NoLink;
        };
        let (max, bound) = (conn.plan.limits.max_frame, conn.plan.outbox);
        let pipe = &mut conn.pipes[side];
        if frame.len() > max {
            return Sent::TooLarge;
        }
        self.frames += 1;
        if pipe.bytes() + frame.len() > bound {
            self.coverage.hit("outbox overflow");
            return Sent::Overflow;
        }
        pipe.push(class, frame);
        if !pipe.congested && pipe.bytes() > bound / 2 {
            pipe.congested = true;
            self.coverage.hit("link congested");
            calendar.plan(calendar.now(), Happening::Congested { conn: id, side, congested: true });
        }
        if pipe.sending.is_none() {
            begin(calendar, conn, PipeId { conn: id, side });
        }
        Sent::Queued
    }

    /// The wire is free: what was on it flies, the next frame goes on it.
    pub(crate) fn pump(&mut self, calendar: &mut Calendar, pipe: PipeId) {
        let Some(conn) = self.conns.get_mut(&pipe.conn) else { return };
        let frame = conn.pipes[pipe.side].sending.take();
        begin(calendar, conn, pipe);
        let way = &mut conn.pipes[pipe.side];
        if way.congested && way.bytes() < conn.plan.outbox / 4 {
            way.congested = false;
            let (conn, side) = (pipe.conn, pipe.side);
            calendar.plan(calendar.now(), Happening::Congested { conn, side, congested: false });
        }
        if let Some(frame) = frame {
            self.fly(calendar, pipe, frame);
        }
    }

    /// The host and link where a frame arrives or a signal is felt, if the end still stands.
    pub(crate) fn end(&self, id: ConnId, side: usize) -> Option<(usize, LinkId)> {
        let conn = self.conns.get(&id)?;
        Some((conn.hosts[side], conn.ends[side]?))
    }

    /// Loss, duplication, delay and disorder.
    fn fly(&mut self, calendar: &mut Calendar, pipe: PipeId, bytes: Bytes) {
        let Some(conn) = self.conns.get(&pipe.conn) else { return };
        let (from, to) = (conn.hosts[pipe.side], conn.hosts[1 - pipe.side]);
        let stopped = conn.dead || self.walls.stop(from, to);
        let lossy = !conn.reliable();
        if stopped || lossy && self.rng.chance(self.weather.loss) {
            self.coverage.hit("frame lost");
            return;
        }
        if lossy && self.rng.chance(self.weather.duplicate) {
            self.coverage.hit("frame duplicated");
            self.plan_arrival(calendar, pipe, bytes.clone());
        }
        self.plan_arrival(calendar, pipe, bytes);
    }

    fn plan_arrival(&mut self, calendar: &mut Calendar, pipe: PipeId, bytes: Bytes) {
        let Some(conn) = self.conns.get_mut(&pipe.conn) else { return };
        let delay = conn.plan.delay;
        let extra = self.rng.below(delay * self.weather.jitter + 1);
        let mut at = calendar.now() + Duration::from_micros(delay + extra);
        let way = &mut conn.pipes[pipe.side];
        if conn.plan.limits.ordered {
            at = at.max(Tick(way.last_arrival.0 + 1));
        } else if at < way.last_arrival {
            self.coverage.hit("frame overtaken");
        }
        way.last_arrival = way.last_arrival.max(at);
        calendar.plan(at, Happening::Arrive { conn: pipe.conn, side: 1 - pipe.side, bytes });
    }
}

/// Puts the next frame of a pipe on the wire, if there is one.
fn begin(calendar: &mut Calendar, conn: &mut Conn, pipe: PipeId) {
    if let Some(length) = conn.pipes[pipe.side].begin() {
        let micros = (length as u64 + 40) * 1_000_000 / conn.plan.rate;
        calendar.plan(calendar.now() + Duration::from_micros(micros), Happening::Pump(pipe));
    }
}
