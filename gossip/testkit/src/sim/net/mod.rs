//! The network: edges that link and unlink two hosts, and what happens to frames between.

mod conn;
mod flow;
mod walls;

use std::collections::BTreeMap;
use std::time::Duration;

use gossip_proto::Rng;
use gossip_proto::node::{LinkId, LinkLimits};

pub(super) use self::conn::{Conn, ConnId, PipeId};
pub(super) use self::flow::Sent;
use super::calendar::{Calendar, Happening};
use super::coverage::Coverage;
use super::plan::{Edge, Weather, between};

/// A link as one host sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Port {
    pub(super) host: usize,
    pub(super) peer: usize,
    pub(super) link: LinkId,
    pub(super) limits: LinkLimits,
}

/// All edges and connections.
#[derive(Debug)]
pub(super) struct Net {
    edges: Vec<Edge>,
    /// The living connection of each edge.
    alive: Vec<Option<ConnId>>,
    conns: BTreeMap<ConnId, Conn>,
    links: BTreeMap<LinkId, (ConnId, usize)>,
    made: u64,
    walls: walls::Walls,
    pub(super) weather: Weather,
    rng: Rng,
    pub(super) coverage: Coverage,
    /// Frames handed to outboxes so far.
    pub(super) frames: u64,
}

impl Net {
    pub(super) fn new(edges: Vec<Edge>, weather: Weather, rng: Rng) -> Self {
        Self {
            alive: vec![None; edges.len()],
            edges,
            conns: BTreeMap::new(),
            links: BTreeMap::new(),
            made: 0,
            walls: walls::Walls::default(),
            weather,
            rng,
            coverage: Coverage::default(),
            frames: 0,
        }
    }

    pub(super) fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// Who is at the other end of a host's link.
    pub(super) fn peer(&self, host: usize, link: LinkId) -> Option<usize> {
        let (id, _) = self.links.get(&link)?;
        let [a, b] = self.conns.get(id)?.hosts;
        Some(a + b - host)
    }

    /// Edges that are linked now.
    pub(super) fn linked(&self) -> impl Iterator<Item = usize> + '_ {
        self.alive.iter().enumerate().filter(|(_, conn)| conn.is_some()).map(|(edge, _)| edge)
    }

    /// Plans the first attempt of every edge of a host.
    pub(super) fn dial_all(&mut self, calendar: &mut Calendar, host: usize) {
        for edge in 0..self.edges.len() {
            if self.edges[edge].ends.contains(&host) && self.alive[edge].is_none() {
                self.redial(calendar, edge, 20_000);
            }
        }
    }

    /// Links the hosts of an edge if they are `ready` and see each other, else tries again later.
    pub(super) fn dial(&mut self, calendar: &mut Calendar, edge: usize, ready: bool) -> Option<[Port; 2]> {
        let [a, b] = self.edges[edge].ends;
        if self.alive[edge].is_some() || !ready {
            return None;
        }
        if self.walls.stop(a, b) || self.walls.stop(b, a) {
            self.redial(calendar, edge, 1_000_000);
            return None;
        }
        self.made += 1;
        let id = ConnId(self.made);
        let links = [LinkId(self.made * 2), LinkId(self.made * 2 + 1)];
        self.conns.insert(id, Conn::new(edge, self.edges[edge], links));
        self.alive[edge] = Some(id);
        for (side, link) in links.into_iter().enumerate() {
            self.links.insert(link, (id, side));
        }
        let limits = self.edges[edge].limits;
        Some([
            Port { host: a, peer: b, link: links[0], limits },
            Port { host: b, peer: a, link: links[1], limits },
        ])
    }

    /// A connection dies silently: each end notices in its own time, and the edge dials again.
    pub(super) fn kill(&mut self, calendar: &mut Calendar, id: ConnId, notice: u64) {
        let Some(conn) = self.conns.get_mut(&id).filter(|conn| !conn.dead) else { return };
        conn.dead = true;
        let edge = conn.edge;
        self.alive[edge] = None;
        for side in 0..2 {
            let after = Duration::from_micros(self.rng.below(notice + 1));
            calendar.plan(calendar.now() + after, Happening::Notice { conn: id, side });
        }
        self.redial(calendar, edge, 2_000_000);
    }

    /// A random living connection dies.
    pub(super) fn flap(&mut self, calendar: &mut Calendar) {
        let living: Vec<_> = self.alive.iter().flatten().copied().collect();
        if living.is_empty() {
            return;
        }
        let conn = living[self.rng.below(living.len() as u64) as usize];
        let notice = if self.rng.chance(300) { 5_000_000 } else { 50_000 };
        self.coverage.hit(if notice > 100_000 { "half-open link" } else { "link flap" });
        self.kill(calendar, conn, notice);
    }

    /// An end notices that its connection is dead: the link that goes down there.
    pub(super) fn notice(&mut self, id: ConnId, side: usize) -> Option<(usize, LinkId)> {
        let conn = self.conns.get_mut(&id)?;
        let link = conn.ends[side].take()?;
        self.links.remove(&link);
        let host = conn.hosts[side];
        if conn.ends.iter().all(Option::is_none) {
            self.conns.remove(&id);
        }
        Some((host, link))
    }

    /// A host closes one link itself; the other end notices later.
    pub(super) fn close(&mut self, calendar: &mut Calendar, link: LinkId) -> bool {
        let Some(&(id, side)) = self.links.get(&link) else { return false };
        self.kill(calendar, id, 500_000);
        self.notice(id, side);
        true
    }

    /// A host is gone: its ends vanish without a word, its peers notice later.
    pub(super) fn host_gone(&mut self, calendar: &mut Calendar, host: usize, notice: u64) -> Vec<LinkId> {
        let conns = self.conns.iter().filter(|(_, conn)| conn.hosts.contains(&host));
        let conns: Vec<_> = conns.map(|(id, conn)| (*id, conn.side_of(host))).collect();
        let mut links = Vec::new();
        for (id, side) in conns {
            self.kill(calendar, id, notice);
            links.extend(self.notice(id, side).map(|(_, link)| link));
        }
        links
    }

    /// Splits the hosts, by a random mask. Answers the wall's number.
    pub(super) fn partition(&mut self, calendar: &mut Calendar, hosts: usize) -> u64 {
        let side = 1 + self.rng.below((1 << hosts) - 2) as u16;
        let both = self.rng.chance(500);
        self.coverage.hit(if both { "partition, whole" } else { "partition, one way" });
        let wall = self.walls.raise(side, both);
        let split = self.conns.iter().filter(|(_, conn)| conn.reliable() && self.walls.split(conn));
        let split: Vec<_> = split.map(|(id, _)| *id).collect();
        for conn in split {
            self.kill(calendar, conn, 5_000_000);
        }
        wall
    }

    pub(super) fn unite(&mut self, wall: u64) {
        self.walls.lower(wall);
    }

    /// No walls, other weather.
    pub(super) fn heal(&mut self, weather: Weather) {
        self.walls = walls::Walls::default();
        self.weather = weather;
    }

    fn redial(&mut self, calendar: &mut Calendar, edge: usize, mean: u64) {
        let after = Duration::from_micros(between(&mut self.rng, mean / 10, mean));
        calendar.plan(calendar.now() + after, Happening::Dial { edge });
    }
}
