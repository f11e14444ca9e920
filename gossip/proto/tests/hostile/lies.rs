//! What a member of the channel could say that is not so.

use bytes::Bytes;
use gossip_proto::node::NodeConfig;
use gossip_proto::wire::{
    self, Back, BackLog, Beacon, ChannelTag, Channels, Delta, DeltaRun, DigestTag, Erase, EraseLog,
    FloorNote, Hello, Matches, Message, Nonce, Offer, OfferLog, Piece, PieceWant, Proof, SessionTag,
    StreamKey, Want, WantLog,
};
use gossip_proto::{ChainHash, Check, Epoch, LogId, NodeId, Rng, Run, Seal, Seq, SeqRange, Stamp, StreamId};

use crate::{lies2, lies3};

/// What a liar knows from listening.
pub(crate) struct Known {
    pub(crate) tag: ChannelTag,
    pub(crate) liar: NodeId,
    pub(crate) logs: Vec<LogId>,
    pub(crate) runs: Vec<Run>,
}

/// One lie, in one frame or several.
pub(crate) fn draw(known: &Known, rng: &mut Rng) -> Vec<Bytes> {
    match rng.below(24) {
        0 => vec![say(Message::Beacon(Beacon { tag: known.tag, mine: digest(rng), yours: None }))],
        1 => vec![say(offer(known, 1 + rng.below(20), rng))],
        2 if rng.chance(60) => vec![say(offer(known, 100_000, rng))],
        3 => vec![say(empty_streams(known, rng))],
        4 => vec![say(want(known, 1 + rng.below(3), rng))],
        5 if rng.chance(300) => vec![say(want(known, 20_000, rng))],
        6 => vec![say(Message::Delta(delta(known, rng)))],
        7 => vec![say(list(rng))],
        8 => vec![say(hello(known, rng))],
        9 => huge_pieces(rng),
        10 => small_pieces(rng),
        11 => vec![say(piece_want(rng))],
        12 => vec![say(back(known, rng))],
        13 => vec![say(erase(known, rng))],
        14 => vec![say(Message::Erased(known.tag, number(rng)))],
        15..19 => vec![say(lies2::draw(known, rng))],
        19..23 => vec![say(lies3::draw(known, rng))],
        _ => vec![say(small_talk(rng))],
    }
}

pub(crate) fn say(message: Message) -> Bytes {
    let version = match &message {
        message if message.is_of_members() => 3,
        message if lies2::is_of_2(message) => 2,
        _ => 1,
    };
    wire::write(&message, version).into_bytes()
}

pub(crate) fn bytes<const N: usize>(rng: &mut Rng) -> [u8; N] {
    std::array::from_fn(|_| rng.next_u64() as u8)
}

pub(crate) fn digest(rng: &mut Rng) -> DigestTag {
    DigestTag(bytes(rng))
}

/// Small, large, and as large as can be.
pub(crate) fn number(rng: &mut Rng) -> u64 {
    match rng.below(4) {
        0 => rng.below(4),
        1 => rng.below(1 << 20),
        2 => u64::MAX - rng.below(2),
        _ => rng.next_u64(),
    }
}

fn name(rng: &mut Rng) -> String {
    format!("lie-{:x}", rng.next_u64())
}

/// Heights nobody has, in streams and by authors that are or are not.
fn offer(known: &Known, logs: u64, rng: &mut Rng) -> Message {
    let streams = vec![StreamId::new("s").unwrap(), StreamId::new(name(rng)).unwrap()];
    let authors = vec![known.liar.clone(), NodeId::new(name(rng)).unwrap()];
    // Now and then one that is not there.
    let streams_named = if rng.chance(100) { 3 } else { 2 };
    let one = |rng: &mut Rng| OfferLog {
        stream: rng.below(streams_named) as u32,
        author: rng.below(2) as u32,
        epoch: Epoch::new(rng.below(4) as u16, rng.next_u64()),
        branch: None,
        height: number(rng),
        check: Check(bytes(rng)),
        floor: number(rng),
    };
    let edge = |rng: &mut Rng| rng.chance(500).then(|| LogId(bytes(rng)));
    let range = rng.chance(500).then(|| (edge(rng), edge(rng)));
    let refused = (0..rng.below(3)).map(|_| StreamKey(bytes(rng))).collect();
    let logs = (0..logs).map(|_| one(rng)).collect();
    Message::Offer(Offer { tag: known.tag, mine: digest(rng), range, refused, streams, authors, logs })
}

fn empty_streams(known: &Known, rng: &mut Rng) -> Message {
    let count = if rng.chance(30) { 30_000 } else { rng.below(40) };
    let streams = (0..count).map(|_| StreamId::new(name(rng)).unwrap()).collect();
    let (mine, range) = (digest(rng), Some((None, None)));
    Message::Offer(Offer {
        tag: known.tag,
        mine,
        range,
        refused: Vec::new(),
        streams,
        authors: Vec::new(),
        logs: Vec::new(),
    })
}

fn want(known: &Known, logs: u64, rng: &mut Rng) -> Message {
    let some_log = |rng: &mut Rng| match rng.below(4) {
        0 => LogId(bytes(rng)),
        _ => known.logs[rng.below(known.logs.len() as u64) as usize],
    };
    let one = |rng: &mut Rng| {
        let (log, after) = (some_log(rng), if rng.chance(500) { 0 } else { number(rng) });
        WantLog { log, after, check: Check(bytes(rng)) }
    };
    let (serial, logs) = (number(rng), (0..logs).map(|_| one(rng)).collect());
    Message::Want(Want { tag: known.tag, serial, budget: u64::MAX, logs })
}

/// Holes that are none.
fn back(known: &Known, rng: &mut Rng) -> Message {
    let log = |rng: &mut Rng| {
        let log = known.logs[rng.below(known.logs.len() as u64) as usize];
        BackLog { log, above: number(rng), below: number(rng), check: Check(bytes(rng)) }
    };
    let count = if rng.chance(100) { 1_000 } else { rng.below(4) };
    let logs = (0..count).map(|_| log(rng)).collect();
    Message::Back(Back { tag: known.tag, serial: number(rng), budget: u64::MAX, logs })
}

/// Entries of the liar and of others, of logs that are or are not, in ranges that are none.
fn erase(known: &Known, rng: &mut Rng) -> Message {
    let range = |rng: &mut Rng| SeqRange { first: number(rng), last: number(rng) };
    let count = if rng.chance(100) { 2_000 } else { rng.below(4) };
    let log = |rng: &mut Rng| {
        let author = if rng.chance(500) { known.liar.clone() } else { NodeId::new(name(rng)).unwrap() };
        let name = (StreamId::new("s").unwrap(), author, Epoch::new(1, rng.below(9)), None);
        EraseLog { name, ranges: (0..count).map(|_| range(rng)).collect() }
    };
    let logs = (0..rng.below(4)).map(|_| log(rng)).collect();
    Message::Erase(Erase { tag: known.tag, serial: number(rng), by: known.liar.clone(), logs })
}

/// Real runs where they do not belong, under hashes that are not theirs, and floors.
pub(crate) fn delta(known: &Known, rng: &mut Rng) -> Delta {
    let run = |rng: &mut Rng| DeltaRun {
        prev: rng.chance(500).then(|| ChainHash(bytes(rng))),
        run: known.runs[rng.below(known.runs.len() as u64) as usize].clone(),
    };
    let floor = |rng: &mut Rng| FloorNote {
        log: known.logs[rng.below(known.logs.len() as u64) as usize],
        floor: number(rng),
        hash: ChainHash(bytes(rng)),
        stamp: Stamp::from_bits(rng.next_u64()),
        seal: rng.chance(500).then(|| Seal(bytes(rng))),
    };
    let names = (0..rng.below(4)).map(|_| {
        let (stream, author) = (StreamId::new(name(rng)).unwrap(), NodeId::new(name(rng)).unwrap());
        (stream, author, Epoch::new(1, rng.next_u64()), None)
    });
    let names = names.collect();
    let floors = (0..rng.below(3)).map(|_| floor(rng)).collect();
    let runs = (0..rng.below(4)).map(|_| run(rng)).collect();
    // Serials of our wants begin at 1: guesses that come true would be answers.
    let serial: Seq = if rng.chance(500) { 0 } else { number(rng).max(1 << 20) };
    Delta { tag: known.tag, serial, end: rng.chance(500), names, floors, runs }
}

fn list(rng: &mut Rng) -> Message {
    let count = if rng.chance(30) { 70_000 } else { rng.below(9) };
    let proofs = (0..count).map(|_| Proof(bytes(rng))).collect();
    let serial = number(rng);
    let session = SessionTag(bytes(rng));
    if rng.chance(500) {
        Message::Channels(Channels { session, serial, proofs })
    } else {
        Message::Matches(Matches { session, serial, turn: serial, proofs })
    }
}

fn hello(known: &Known, rng: &mut Rng) -> Message {
    let node = if rng.chance(900) { known.liar.clone() } else { NodeId::new(name(rng)).unwrap() };
    let (min_version, max_version) = if rng.chance(900) { (1, 1) } else { (rng.below(9) as u8, 200) };
    Message::Hello(Hello {
        min_version,
        max_version,
        node,
        scheme: u8::from(rng.chance(50)),
        nonce: Nonce(bytes(rng)),
        echo: rng.chance(500).then(|| Nonce(bytes(rng))),
        complete: rng.chance(500),
        paused: rng.chance(100),
    })
}

fn piece(id: [u8; 8], total: u64, offset: u64, len: usize) -> Bytes {
    wire::write_piece(&Piece { id, total, offset, bytes: vec![0; len].into() }, 1).into_bytes()
}

/// Beginnings of messages as large as is allowed, and larger.
fn huge_pieces(rng: &mut Rng) -> Vec<Bytes> {
    let most = NodeConfig::default().message_bytes as u64;
    let total = |rng: &mut Rng| [most, most + 1, u64::MAX][rng.below(3) as usize];
    (0..20).map(|_| piece(bytes(rng), total(rng), rng.below(1000), 1 + rng.below(200) as usize)).collect()
}

/// Pieces that overlap, repeat, and make up something else in the end.
fn small_pieces(rng: &mut Rng) -> Vec<Bytes> {
    let id = bytes(rng);
    let mut pieces: Vec<Bytes> = (0..16).map(|at| piece(id, 160, at * 10, 10)).collect();
    for _ in 0..rng.below(8) {
        let offset = rng.below(150);
        pieces.insert(rng.below(16) as usize, piece(id, 160, offset, 1 + rng.below(10) as usize));
    }
    pieces
}

fn piece_want(rng: &mut Rng) -> Message {
    let ranges = (0..rng.below(2000)).map(|_| (number(rng), number(rng))).collect();
    Message::PieceWant(PieceWant { id: bytes(rng), ranges })
}

fn small_talk(rng: &mut Rng) -> Message {
    match rng.below(5) {
        0 => Message::Ping(rng.next_u64(), rng.chance(300)),
        1 => Message::Pong(rng.next_u64(), rng.chance(300)),
        2 => Message::Rescan,
        3 if rng.chance(100) => Message::Goodbye,
        _ => Message::Paused(rng.chance(300)),
    }
}
