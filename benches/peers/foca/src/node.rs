//! One node of foca.

use std::cell::RefCell;
use std::collections::HashSet;
use std::convert::Infallible;
use std::num::NonZeroU32;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use foca::{
    AccumulatingRuntime, BroadcastHandler, Config, Error, Foca, Identity, Invalidates, Member,
    OwnedNotification, PostcardCodec, Timer,
};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use serde::{Deserialize, Serialize};

/// Bytes of a message, as in the simulator.
const MESSAGE: usize = 100;
/// How a message begins.
const MARK: [u8; 4] = [0xf0, 0xca, 0x5e, 0xed];

/// Who somebody is: a number, and how often it had to renew itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Id([u8; 8]);

impl Id {
    pub(crate) fn new(node: usize, renewed: u32) -> Self {
        Self(((node as u64) << 32 | u64::from(renewed)).to_be_bytes())
    }

    pub(crate) fn node(self) -> usize {
        (u64::from_be_bytes(self.0) >> 32) as usize
    }

    fn renewed(self) -> u32 {
        u64::from_be_bytes(self.0) as u32
    }
}

impl Identity for Id {
    type Addr = usize;

    fn renew(&self) -> Option<Self> {
        Some(Self::new(self.node(), self.renewed() + 1))
    }

    fn addr(&self) -> usize {
        self.node()
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        self.renewed() > adversary.renewed()
    }
}

/// The number of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Message(pub(crate) u32);

impl Invalidates for Message {
    fn invalidates(&self, other: &Self) -> bool {
        self == other
    }
}

impl Message {
    pub(crate) fn to_bytes(self) -> [u8; MESSAGE] {
        let mut bytes = [0; MESSAGE];
        bytes[..4].copy_from_slice(&MARK);
        bytes[4..8].copy_from_slice(&self.0.to_be_bytes());
        bytes
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let number = bytes.strip_prefix(&MARK)?.first_chunk()?;
        Some(Self(u32::from_be_bytes(*number)))
    }

    /// How many of them are in a datagram.
    pub(crate) fn count(datagram: &[u8]) -> u64 {
        datagram.windows(MARK.len()).filter(|window| **window == MARK).count() as u64
    }
}

/// Messages that are new to a node, until they are taken.
type New = Rc<RefCell<Vec<Message>>>;

/// Messages that a node knows.
#[derive(Debug, Default)]
struct Messages {
    known: HashSet<Message>,
    new: New,
}

impl BroadcastHandler<Id> for Messages {
    type Key = Message;
    type Error = Infallible;

    fn receive_item(&mut self, data: &[u8], _: Option<&Id>) -> Result<Option<Message>, Infallible> {
        let message = Message::read(data).filter(|message| self.known.insert(*message));
        self.new.borrow_mut().extend(message);
        Ok(message)
    }
}

/// A node while it runs.
pub(crate) struct Node {
    foca: Foca<Id, PostcardCodec, SmallRng, Messages>,
    out: AccumulatingRuntime<Id>,
    new: New,
}

/// What a node wants after it was given something.
pub(crate) enum Want {
    Send(usize, Bytes),
    Schedule(Duration, Timer<Id>),
    /// A node is there, or is not any more.
    Told(usize, bool),
    /// It has a message it did not have before.
    Delivered(Message),
}

impl Node {
    /// One that knows all others.
    pub(crate) fn new(node: usize, nodes: u32, seed: u64) -> Self {
        let (new, mut out) = (New::default(), AccumulatingRuntime::new());
        let messages = Messages { known: HashSet::new(), new: new.clone() };
        let config = Config::new_lan(NonZeroU32::new(nodes).unwrap_or(NonZeroU32::MIN));
        let rng = SmallRng::seed_from_u64(seed);
        let mut foca = Foca::with_custom_broadcast(Id::new(node, 0), config, rng, PostcardCodec, messages);
        let others = (0..nodes as usize).filter(|other| *other != node);
        let known = foca.apply_many(others.map(|other| Member::alive(Id::new(other, 0))), false, &mut out);
        complain(known);
        Self { foca, out, new }
    }

    pub(crate) fn hear(&mut self, datagram: &[u8]) {
        complain(self.foca.handle_data(datagram, &mut self.out));
    }

    pub(crate) fn due(&mut self, timer: Timer<Id>) {
        match self.foca.handle_timer(timer, &mut self.out) {
            // It knows nobody any more who could be asked.
            Err(Error::NotConnected) => {}
            other => complain(other),
        }
    }

    pub(crate) fn say(&mut self, message: Message) {
        complain(self.foca.add_broadcast(&message.to_bytes()).map(drop));
    }

    /// What it wants next.
    pub(crate) fn want(&mut self) -> Option<Want> {
        if let Some((to, datagram)) = self.out.to_send() {
            return Some(Want::Send(to.node(), datagram));
        }
        if let Some((after, timer)) = self.out.to_schedule() {
            return Some(Want::Schedule(after, timer));
        }
        while let Some(told) = self.out.to_notify() {
            match told {
                OwnedNotification::MemberUp(id) => return Some(Want::Told(id.node(), true)),
                OwnedNotification::MemberDown(id) => return Some(Want::Told(id.node(), false)),
                _ => {}
            }
        }
        self.new.borrow_mut().pop().map(Want::Delivered)
    }
}

/// Errors are those of whoever drives it: none is expected.
fn complain(result: Result<(), Error>) {
    if let Err(error) = result {
        eprintln!("foca: {error}");
    }
}
