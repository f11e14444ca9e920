//! All messages, and the control messages among them: one CBOR array each, through serde and ciborium.

use std::fmt;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{
    Ask, Back, Beat, Delta, Equal, Erase, Fresh, Hashes, Have, Look, More, Offer, Positions, Push, Row,
    Scope, Seen, SketchMessage, States, Table, TreeMessage, Want, WireError,
};
use super::{members, runs};
use crate::NodeId;

macro_rules! tag {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(#[serde(with = "serde_bytes")] pub [u8; $len]);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                crate::hex(f, &self.0)
            }
        }
    };
}

tag! {
    /// How two peers that share a channel call it between them; says nothing to others.
    ChannelTag, 8
}
tag! {
    /// Names a completed handshake: the beginning of the hash of what both sides said.
    SessionTag, 8
}
tag! {
    /// A short name of a stream in refusals.
    StreamKey, 8
}
tag! {
    /// Digest of what one side holds of a channel, as far as both share it.
    DigestTag, 16
}

tag! {
    /// Random number of one side of one handshake.
    Nonce, 16
}
tag! {
    /// Proof of knowing a channel's secret, bound to one handshake and one side.
    Proof, 16
}

/// Begins and repeats the handshake of a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Oldest wire version spoken.
    pub min_version: u8,
    /// Newest wire version spoken.
    pub max_version: u8,
    /// Who speaks.
    pub node: NodeId,
    /// Authentication scheme: 0 is none ("plain"). Others will be defined; unknown ones end the link.
    pub scheme: u8,
    /// Fresh for this link.
    pub nonce: Nonce,
    /// The other side's nonce, once seen.
    pub echo: Option<Nonce>,
    /// The speaker has seen its own nonce echoed.
    pub complete: bool,
    /// The speaker is paused: push nothing.
    pub paused: bool,
}

/// Proofs of the channels the initiator of a handshake takes part in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channels {
    /// Which handshake the proofs are bound to.
    pub session: SessionTag,
    /// Counts the initiator's lists on this link.
    pub serial: u64,
    /// In order of their bytes, which says nothing.
    pub proofs: Vec<Proof>,
}

/// The responder's own proofs for those of them it shares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matches {
    /// Which handshake the proofs are bound to.
    pub session: SessionTag,
    /// Which list this answers.
    pub serial: u64,
    /// Counts the changes of the responder's channels: of two answers to one list the later holds.
    pub turn: u64,
    /// In any order.
    pub proofs: Vec<Proof>,
}

/// What the speaker holds of a channel, in 16 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beacon {
    /// The channel.
    pub tag: ChannelTag,
    /// The speaker's digest.
    pub mine: DigestTag,
    /// The listener's digest as the speaker last heard it.
    pub yours: Option<DigestTag>,
}

/// Asks for parts of a message that comes in pieces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PieceWant {
    /// The message.
    #[serde(with = "serde_bytes")]
    pub id: [u8; 8],
    /// Offset and length of each part.
    pub ranges: Vec<(u64, u64)>,
}

/// Everything one node says to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Handshake.
    Hello(Hello),
    /// Are you there? Answered by the same number. Says whether the speaker is paused.
    Ping(u64, bool),
    /// Here I am. Says whether the speaker is paused.
    Pong(u64, bool),
    /// The initiator's channels.
    Channels(Channels),
    /// Those of them that are shared.
    Matches(Matches),
    /// The responder's channels changed: send `Channels` again.
    Rescan,
    /// A digest.
    Beacon(Beacon),
    /// Heights.
    Offer(Offer),
    /// A request.
    Want(Want),
    /// Runs.
    Delta(Delta),
    /// A request for pieces.
    PieceWant(PieceWant),
    /// The speaker is paused (or not any more).
    Paused(bool),
    /// The speaker closes the link on purpose.
    Goodbye,
    /// A request for what is missing below a height.
    Back(Back),
    /// A request to erase.
    Erase(Erase),
    /// The request to erase of this serial was heard, whatever becomes of it.
    Erased(ChannelTag, u64),
    /// The digest just heard is the speaker's too. This and what follows: from version 2 on.
    Equal(Equal),
    /// Fresh runs of logs the listener knows.
    Push(Push),
    /// Cells from which differences are found.
    Sketch(SketchMessage),
    /// A request for more cells.
    More(More),
    /// A request for runs, by the beginnings of log ids.
    Ask(Ask),
    /// Runs, each log's ending at a seal if its author seals.
    Runs(Delta),
    /// Streams left out on this link.
    Scope(Scope),
    /// A request for hashes at positions.
    Positions(Positions),
    /// Hashes at positions.
    Hashes(Hashes),
    /// Here I am, and are you there? This and what follows: from version 3 on.
    Beat(Beat),
    /// Do you hear that member?
    Look(Look),
    /// Whether it was heard.
    Seen(Seen),
    /// News of members.
    News(Vec<Row>),
    /// A step in the comparison of two tables of members.
    Table(Table),
    /// Which members are alive.
    States(States),
    /// A link joins the tree of a channel, or leaves it.
    Tree(TreeMessage),
    /// Heights of some logs.
    Have(Have),
    /// Fresh runs of logs the listener knows, of a channel it knows them by.
    Fresh(Fresh),
}

impl Message {
    /// Name for logs and errors.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Hello(_) => "hello",
            Self::Ping(..) => "ping",
            Self::Pong(..) => "pong",
            Self::Channels(_) => "channels",
            Self::Matches(_) => "matches",
            Self::Rescan => "rescan",
            Self::Beacon(_) => "beacon",
            Self::Offer(_) => "offer",
            Self::Want(_) => "want",
            Self::Delta(_) => "delta",
            Self::PieceWant(_) => "piece want",
            Self::Paused(_) => "paused",
            Self::Goodbye => "goodbye",
            Self::Back(_) => "back",
            Self::Erase(_) => "erase",
            Self::Erased(..) => "erased",
            Self::Equal(_) => "equal",
            Self::Push(_) => "push",
            Self::Sketch(_) => "sketch",
            Self::More(_) => "more",
            Self::Ask(_) => "ask",
            Self::Runs(_) => "runs",
            Self::Scope(_) => "scope",
            Self::Positions(_) => "positions",
            Self::Hashes(_) => "hashes",
            Self::Beat(_) => "beat",
            Self::Look(_) => "look",
            Self::Seen(_) => "seen",
            Self::News(_) => "news",
            Self::Table(_) => "table",
            Self::States(_) => "states",
            Self::Tree(_) => "tree",
            Self::Have(_) => "have",
            Self::Fresh(_) => "fresh",
        }
    }

    /// Whether it is only for who takes part in the group, from version 3 on.
    #[must_use]
    pub fn is_of_members(&self) -> bool {
        matches!(
            self,
            Self::Beat(_)
                | Self::Look(_)
                | Self::Seen(_)
                | Self::News(_)
                | Self::Table(_)
                | Self::States(_)
                | Self::Tree(_)
                | Self::Have(_)
                | Self::Fresh(_)
        )
    }

    /// Appends type and fields to `head`; what should not be copied is returned.
    pub(super) fn write(&self, head: &mut Vec<u8>) -> Vec<Bytes> {
        match self {
            Self::Hello(m) => put(head, 1, &m.tuple()),
            Self::Ping(number, paused) => put(head, 2, &(number, paused)),
            Self::Pong(number, paused) => put(head, 3, &(number, paused)),
            Self::Channels(m) => put(head, 4, &(m.session, m.serial, &m.proofs)),
            Self::Matches(m) => put(head, 5, &(m.session, m.serial, m.turn, &m.proofs)),
            Self::Rescan => put(head, 6, &()),
            Self::Beacon(m) => put(head, 7, &(m.tag, m.mine, m.yours)),
            Self::Offer(m) => put(head, 8, &m.tuple()),
            Self::Want(m) => put(head, 9, &m.tuple()),
            Self::Delta(delta) => return delta.write(start(head, 10)),
            Self::PieceWant(m) => put(head, 11, &(serde_bytes::Bytes::new(&m.id), &m.ranges)),
            Self::Paused(paused) => put(head, 12, &(paused,)),
            Self::Goodbye => put(head, 13, &()),
            Self::Back(m) => put(head, 14, &m.tuple()),
            Self::Erase(m) => put(head, 15, &m.tuple()),
            Self::Erased(tag, serial) => put(head, 16, &(tag, serial)),
            Self::Equal(m) => m.write(start(head, 17)),
            Self::Push(m) => return m.write(start(head, 18)),
            Self::Sketch(m) => m.write(start(head, 19)),
            Self::More(m) => m.write(start(head, 20)),
            Self::Ask(m) => m.write(start(head, 21)),
            Self::Runs(delta) => return runs::write(delta, start(head, 22)),
            Self::Scope(m) => m.write(start(head, 23)),
            Self::Positions(m) => m.write(start(head, 24)),
            Self::Hashes(m) => m.write(start(head, 25)),
            Self::Beat(m) => m.write(start(head, 26)),
            Self::Look(m) => m.write(start(head, 27)),
            Self::Seen(m) => m.write(start(head, 28)),
            Self::News(rows) => members::write(rows, start(head, 29)),
            Self::Table(m) => m.write(start(head, 30)),
            Self::States(m) => m.write(start(head, 31)),
            Self::Tree(m) => m.write(start(head, 32)),
            Self::Have(m) => m.write(start(head, 33)),
            Self::Fresh(m) => return m.write(start(head, 34)),
        }
        Vec::new()
    }

    pub(super) fn read(body: Bytes) -> Result<Self, WireError> {
        let kind = *body.first().ok_or(WireError::Empty)?;
        let fields = body.slice(1..);
        Ok(match kind {
            1 => Self::Hello(Hello::from_tuple(take("hello", &fields)?)),
            2 => {
                let (number, paused) = take("ping", &fields)?;
                Self::Ping(number, paused)
            }
            3 => {
                let (number, paused) = take("pong", &fields)?;
                Self::Pong(number, paused)
            }
            4 => {
                let (session, serial, proofs) = take("channels", &fields)?;
                Self::Channels(Channels { session, serial, proofs })
            }
            5 => {
                let (session, serial, turn, proofs) = take("matches", &fields)?;
                Self::Matches(Matches { session, serial, turn, proofs })
            }
            6 => take::<()>("rescan", &fields).map(|()| Self::Rescan)?,
            7 => {
                let (tag, mine, yours) = take("beacon", &fields)?;
                Self::Beacon(Beacon { tag, mine, yours })
            }
            8 => Self::Offer(Offer::from_tuple(take("offer", &fields)?)),
            9 => Self::Want(Want::from_tuple(take("want", &fields)?)),
            10 => Self::Delta(Delta::read(&fields)?),
            11 => {
                let (id, ranges): (serde_bytes::ByteArray<8>, _) = take("piece want", &fields)?;
                Self::PieceWant(PieceWant { id: id.into_array(), ranges })
            }
            12 => Self::Paused(take::<(bool,)>("paused", &fields)?.0),
            13 => take::<()>("goodbye", &fields).map(|()| Self::Goodbye)?,
            14 => Self::Back(Back::from_tuple(take("back", &fields)?)),
            15 => Self::Erase(Erase::from_tuple(take("erase", &fields)?)),
            16 => {
                let (tag, serial) = take("erased", &fields)?;
                Self::Erased(tag, serial)
            }
            17 => Self::Equal(Equal::read(&fields)?),
            18 => Self::Push(Push::read(&fields)?),
            19 => Self::Sketch(SketchMessage::read(&fields)?),
            20 => Self::More(More::read(&fields)?),
            21 => Self::Ask(Ask::read(&fields)?),
            22 => Self::Runs(runs::read(&fields)?),
            23 => Self::Scope(Scope::read(&fields)?),
            24 => Self::Positions(Positions::read(&fields)?),
            25 => Self::Hashes(Hashes::read(&fields)?),
            other => Self::read_of_members(other, &fields)?,
        })
    }

    fn read_of_members(kind: u8, fields: &Bytes) -> Result<Self, WireError> {
        Ok(match kind {
            26 => Self::Beat(Beat::read(fields)?),
            27 => Self::Look(Look::read(fields)?),
            28 => Self::Seen(Seen::read(fields)?),
            29 => Self::News(members::read(fields)?),
            30 => Self::Table(Table::read(fields)?),
            31 => Self::States(States::read(fields)?),
            32 => Self::Tree(TreeMessage::read(fields)?),
            33 => Self::Have(Have::read(fields)?),
            34 => Self::Fresh(Fresh::read(fields)?),
            other => return Err(WireError::Type(other)),
        })
    }
}

fn start(head: &mut Vec<u8>, kind: u8) -> &mut Vec<u8> {
    head.push(kind);
    head
}

fn put<T: Serialize>(out: &mut Vec<u8>, kind: u8, fields: &T) {
    out.push(kind);
    let done = ciborium::into_writer(fields, out);
    debug_assert!(done.is_ok(), "writing CBOR to a Vec cannot fail");
}

fn take<T: DeserializeOwned>(what: &'static str, fields: &Bytes) -> Result<T, WireError> {
    let mut rest = &fields[..];
    let value = ciborium::from_reader_with_buffer(&mut rest, &mut [0; 256]);
    let value = value.map_err(|error| WireError::malformed(what, error))?;
    if rest.is_empty() { Ok(value) } else { Err(WireError::malformed(what, "bytes after the end")) }
}

type HelloTuple = (u8, u8, NodeId, u8, Nonce, Option<Nonce>, bool, bool);

impl Hello {
    fn tuple(&self) -> HelloTuple {
        let Self { min_version, max_version, node, scheme, nonce, echo, complete, paused } = self.clone();
        (min_version, max_version, node, scheme, nonce, echo, complete, paused)
    }

    fn from_tuple(fields: HelloTuple) -> Self {
        let (min_version, max_version, node, scheme, nonce, echo, complete, paused) = fields;
        Self { min_version, max_version, node, scheme, nonce, echo, complete, paused }
    }
}
