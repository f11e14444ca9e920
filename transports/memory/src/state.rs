//! Who is open and linked, behind one lock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gossip_core::proto::Rng;
use gossip_core::proto::node::{LinkId, LinkLimits};
use gossip_core::{LocalNode, PortEvent};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::NetworkStats;
use crate::inbox::Inbox;
use crate::weather::Weather;

/// Pause before the first attempt to replace a lost link; doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A link that lived this long makes the next pause short again.
const GOOD_LIFE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) weather: Weather,
    pub(crate) stats: NetworkStats,
    pub(crate) rng: Rng,
    pub(crate) ports: BTreeMap<String, Open>,
    last_id: u64,
}

/// One open port.
#[derive(Debug)]
pub(crate) struct Open {
    /// Tells this opening from later ones of the same name.
    pub(crate) serial: u64,
    pub(crate) inbox: Inbox,
    pub(crate) wake: Arc<Notify>,
    pub(crate) links: BTreeMap<LinkId, Link>,
    local: LocalNode,
    dials: BTreeMap<String, Dial>,
}

/// One end of a link.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) peer: String,
    pub(crate) peer_link: LinkId,
    pub(crate) limits: LinkLimits,
    /// No frame that keeps order arrives before this.
    pub(crate) last_due: Option<Instant>,
    since: Instant,
}

/// An address this port wants to be linked with.
#[derive(Debug, Clone)]
struct Dial {
    pause: Duration,
    retry_at: Option<Instant>,
}

/// What `recv` does next.
pub(crate) enum Step {
    Event(PortEvent),
    Wait(Option<Instant>),
    Closed,
}

impl State {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            weather: Weather::default(),
            stats: NetworkStats::default(),
            rng: Rng::new(seed),
            ports: BTreeMap::new(),
            last_id: 0,
        }
    }

    /// Opens a port, unless the name is in use, and links it with whoever waits for it.
    pub(crate) fn open(&mut self, name: &str, local: LocalNode) -> Option<(u64, Arc<Notify>)> {
        if self.ports.contains_key(name) {
            return None;
        }
        let (serial, wake) = (self.fresh_id(), Arc::new(Notify::new()));
        let open = Open {
            serial,
            inbox: Inbox::default(),
            wake: wake.clone(),
            links: BTreeMap::new(),
            local,
            dials: BTreeMap::new(),
        };
        self.ports.insert(name.to_owned(), open);
        let waiting = self.ports.iter().filter(|(_, port)| port.dials.contains_key(name));
        for dialer in waiting.map(|(dialer, _)| dialer.clone()).collect::<Vec<_>>() {
            self.try_link(&dialer, name);
        }
        Some((serial, wake))
    }

    /// The port of this opening, if it was not closed.
    pub(crate) fn port(&mut self, name: &str, serial: u64) -> Option<&mut Open> {
        self.ports.get_mut(name).filter(|port| port.serial == serial)
    }

    pub(crate) fn close(&mut self, name: &str, serial: u64) {
        let Some(port) = self.port(name, serial) else { return };
        for link in port.links.keys().copied().collect::<Vec<_>>() {
            self.end_link(name, link);
        }
        if let Some(port) = self.ports.remove(name) {
            let lost = port.inbox.abandoned();
            self.stats.dropped_by_link_down.frames += lost.frames;
            self.stats.dropped_by_link_down.bytes += lost.bytes;
            port.wake.notify_one();
        }
    }

    pub(crate) fn connect(&mut self, from: &str, to: &str) {
        let known = self.ports.contains_key(to);
        let Some(port) = self.ports.get_mut(from) else { return };
        if from == to {
            return port.complain(format!("memory:{to} is this node itself; not connecting"));
        }
        if port.dials.contains_key(to) {
            return;
        }
        port.dials.insert(to.to_owned(), Dial { pause: FIRST_PAUSE, retry_at: None });
        if !known {
            port.complain(format!("memory:{to} is not open yet; waiting for it"));
        }
        self.try_link(from, to);
    }

    pub(crate) fn forget(&mut self, from: &str, to: &str) {
        if let Some(port) = self.ports.get_mut(from) {
            port.dials.remove(to);
        }
    }

    pub(crate) fn hurry(&mut self, name: &str) {
        let Some(port) = self.ports.get_mut(name) else { return };
        let now = Instant::now();
        for dial in port.dials.values_mut().filter(|dial| dial.retry_at.is_some()) {
            *dial = Dial { pause: FIRST_PAUSE, retry_at: Some(now) };
        }
        port.wake.notify_one();
    }

    pub(crate) fn cut(&mut self, a: &str, b: &str) {
        self.weather.cut(a, b);
        if let Some(link) = self.ports.get(a).and_then(|port| port.link_to(b)) {
            self.end_link(a, link);
        }
    }

    pub(crate) fn restore(&mut self, a: &str, b: &str) {
        self.weather.restore(a, b);
        for (from, to) in [(a, b), (b, a)] {
            if self.ports.get(from).is_some_and(|port| port.dials.contains_key(to)) {
                self.try_link(from, to);
            }
        }
    }

    /// Ends both ends of a link and has its dialers try again after a pause.
    pub(crate) fn end_link(&mut self, name: &str, link: LinkId) {
        let Some(end) = self.ports.get(name).and_then(|port| port.links.get(&link)).cloned() else { return };
        for (at, link, other) in [(name, link, end.peer.as_str()), (end.peer.as_str(), end.peer_link, name)] {
            let Some(port) = self.ports.get_mut(at) else { continue };
            port.links.remove(&link);
            let lost = port.inbox.down(link);
            self.stats.dropped_by_link_down.frames += lost.frames;
            self.stats.dropped_by_link_down.bytes += lost.bytes;
            port.redial_later(other, end.since, &mut self.rng);
            port.wake.notify_one();
        }
    }

    /// Does what is due for a port and says what its `recv` does next.
    pub(crate) fn step(&mut self, name: &str, serial: u64) -> Step {
        let now = Instant::now();
        let Some(port) = self.port(name, serial) else { return Step::Closed };
        for target in port.due_dials(now) {
            self.try_link(name, &target);
        }
        let Some(port) = self.ports.get_mut(name) else { return Step::Closed };
        match port.inbox.pop(now) {
            Some(event) => {
                if let PortEvent::Frame { bytes, .. } = &event {
                    self.stats.delivered.count(bytes.len());
                }
                Step::Event(event)
            }
            None => Step::Wait(port.next_wake()),
        }
    }

    fn try_link(&mut self, from: &str, to: &str) {
        let (Some(a), Some(b)) = (self.ports.get(from), self.ports.get(to)) else { return };
        if a.link_to(to).is_some() || self.weather.is_cut(from, to) {
            return;
        }
        let (a, b) = (a.local.id.clone(), b.local.id.clone());
        if a == b {
            let detail = format!("memory:{from} and memory:{to} both claim to be {a}; not linked");
            return self.both(from, to, |port| port.complain(detail.clone()));
        }
        let limits = self.limits_between(from, to);
        let (at_a, at_b) = (LinkId(self.fresh_id()), LinkId(self.fresh_id()));
        let since = Instant::now();
        for (name, link, peer_name, peer, peer_link) in [(from, at_a, to, b, at_b), (to, at_b, from, a, at_a)]
        {
            let Some(port) = self.ports.get_mut(name) else { continue };
            let end = Link { peer: peer_name.to_owned(), peer_link, limits, last_due: None, since };
            port.links.insert(link, end);
            port.inbox.up(PortEvent::LinkUp { peer, link, limits });
            port.wake.notify_one();
        }
    }

    /// Faults may be set at any time and a full queue drops, so no link promises anything.
    fn limits_between(&self, a: &str, b: &str) -> LinkLimits {
        let (out, back) = (self.weather.faults(a, b).max_frame, self.weather.faults(b, a).max_frame);
        let max_frame = out.min(back).max(LinkLimits::MIN_FRAME);
        LinkLimits { max_frame, ordered: false, reliable: false, notices_loss: false, cost: 1 }
    }

    fn both(&mut self, a: &str, b: &str, mut act: impl FnMut(&mut Open)) {
        for name in [a, b] {
            if let Some(port) = self.ports.get_mut(name) {
                act(port);
            }
        }
    }

    fn fresh_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}

impl Open {
    fn link_to(&self, peer: &str) -> Option<LinkId> {
        self.links.iter().find(|(_, link)| link.peer == peer).map(|(id, _)| *id)
    }

    fn complain(&mut self, detail: String) {
        self.inbox.trouble(detail);
        self.wake.notify_one();
    }

    fn redial_later(&mut self, to: &str, since: Instant, rng: &mut Rng) {
        let Some(dial) = self.dials.get_mut(to) else { return };
        if since.elapsed() >= GOOD_LIFE {
            dial.pause = FIRST_PAUSE;
        }
        dial.retry_at = Some(Instant::now() + rng.jitter(dial.pause));
        dial.pause = (dial.pause * 2).min(LONGEST_PAUSE);
    }

    fn due_dials(&mut self, now: Instant) -> Vec<String> {
        let due = |dial: &Dial| dial.retry_at.is_some_and(|at| at <= now);
        let targets: Vec<_> = self.dials.iter_mut().filter(|(_, dial)| due(dial)).collect();
        targets
            .into_iter()
            .map(|(target, dial)| {
                dial.retry_at = None;
                target.clone()
            })
            .collect()
    }

    fn next_wake(&self) -> Option<Instant> {
        let redial = self.dials.values().filter_map(|dial| dial.retry_at).min();
        [redial, self.inbox.next_arrival()].into_iter().flatten().min()
    }
}
