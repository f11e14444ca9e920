//! One node's turn: what it is given, what it wants done, and what follows from that on its own machine.

use std::collections::VecDeque;

use bytes::Bytes;
use gossip_proto::node::{Effect, Event, Input, LinkId, Reply};

use super::host;
use super::views::Change;
use super::world::{Arrival, Came, Happening, Swarm};

impl Swarm {
    /// Gives a node an input, and at once what follows from it on the same machine; arms its deadline.
    pub(super) fn feed(&mut self, index: usize, input: Input) {
        let now = host::now(self.now());
        let mut inbox = std::mem::take(&mut self.inbox);
        inbox.push_back(input);
        while let Some(input) = inbox.pop_front() {
            let Some(node) = self.hosts[index].node.as_mut() else { break };
            node.handle(now, input);
            while let Some(effect) = self.hosts[index].node.as_mut().and_then(|node| node.poll_effect()) {
                self.carry_out(index, effect, &mut inbox);
            }
            let waits = self.hosts[index].node.as_ref().is_some_and(|node| node.has_unwritten());
            if inbox.is_empty() && waits {
                inbox.push_back(Input::StoreReady);
            }
        }
        inbox.clear();
        self.inbox = inbox;
        self.arm(index);
    }

    /// Does what a node wants done.
    fn carry_out(&mut self, index: usize, effect: Effect, inbox: &mut VecDeque<Input>) {
        match effect {
            Effect::Send { link, frame, .. } => self.send(index, link, frame.into_bytes()),
            Effect::Close { link } => self.close(index, link, inbox),
            Effect::Store { op, request } => {
                let result = Ok(self.hosts[index].volume.execute(&request));
                inbox.push_back(Input::Stored { op, result });
            }
            Effect::Reply { result, .. } => {
                self.note_reply(index, &result.expect("what is asked for can be done"))
            }
            Effect::Notify(event) => self.note(index, event),
            Effect::Dial { addresses, .. } => addresses.iter().for_each(|address| self.dial(index, address)),
            // Nothing is tried twice here, and what is lost is lost for itself alone.
            Effect::Forget(_) | Effect::Renew(_) => {}
        }
    }

    fn note_reply(&mut self, index: usize, reply: &Reply) {
        let now = self.now();
        if let Reply::Appended(entries) = reply {
            entries.iter().for_each(|entry| self.deliveries.send(now, index, entry));
        }
    }

    fn note(&mut self, index: usize, event: Event) {
        let at = self.now();
        match event {
            Event::PeerStatusChanged(peer, status) => {
                let (observer, subject) = (index as u32, host::number(&peer) as u32);
                self.views.note(Change { at, observer, subject, status });
            }
            Event::EntriesMerged { entries, .. } => {
                entries.into_iter().for_each(|(log, range)| self.deliveries.deliver(at, index, log, range));
            }
            _ => {}
        }
    }

    fn send(&mut self, index: usize, link: LinkId, bytes: Bytes) {
        let Some(side) = self.links.side_of(link, index, self.hosts[index].life) else { return };
        self.meter.count(index, &bytes);
        self.hand_over(index, Arrival { link, side: 1 - side, what: Came::Frame(bytes) });
    }

    /// A node closes its end; the other one goes down too if it can be told.
    fn close(&mut self, index: usize, link: LinkId, inbox: &mut VecDeque<Input>) {
        let Some(side) = self.links.side_of(link, index, self.hosts[index].life) else { return };
        self.links.shut(link, side);
        inbox.push_back(Input::LinkDown { link });
        self.hand_over(index, Arrival { link, side: 1 - side, what: Came::Closed });
    }

    fn hand_over(&mut self, index: usize, arrival: Arrival) {
        match &mut self.hosts[index].held {
            Some(held) => held.keep_sent(arrival),
            None => self.transmit(arrival),
        }
    }

    pub(super) fn arm(&mut self, index: usize) {
        let now = self.now();
        let host = &mut self.hosts[index];
        let Some(at) = host.node.as_ref().and_then(|node| node.deadline()) else { return };
        // An earlier one than the node's own only finds nothing due, which is cheaper than taking it back.
        if host.armed.is_none_or(|armed| armed > at) {
            let at = at.max(now);
            host.armed = Some(at);
            self.calendar.plan(at, Happening::Due { host: index });
        }
    }
}
