//! What a member of the channel could say in version 2 that is not so.

use gossip_proto::wire::{
    Ask, COUNTERS, Cell, Equal, Hashes, Kind, MAX_ASKED, MAX_CELLS, MAX_POSITIONS, MAX_SCOPE, Message, More,
    Positions, Push, Scope, SketchMessage, StreamKey,
};
use gossip_proto::{Check, LogId, Rng};

use crate::lies::{Known, bytes, delta, digest, number};

/// Whether version 1 does not know it.
pub(crate) fn is_of_2(message: &Message) -> bool {
    matches!(
        message,
        Message::Equal(_)
            | Message::Push(_)
            | Message::Sketch(_)
            | Message::More(_)
            | Message::Ask(_)
            | Message::Runs(_)
            | Message::Scope(_)
            | Message::Positions(_)
            | Message::Hashes(_)
    )
}

pub(crate) fn draw(known: &Known, rng: &mut Rng) -> Message {
    match rng.below(9) {
        0 => Message::Equal(Equal { tag: known.tag, digest: bytes(rng) }),
        1 => Message::Push(push(known, rng)),
        2 => Message::Sketch(sketch(known, rng)),
        3 => Message::More(more(known, rng)),
        4 => Message::Ask(ask(known, rng)),
        5 => Message::Runs(delta(known, rng)),
        6 => Message::Scope(scope(known, rng)),
        7 => Message::Positions(positions(known, rng)),
        _ => Message::Hashes(hashes(known, rng)),
    }
}

/// Real runs where they do not belong.
fn push(known: &Known, rng: &mut Rng) -> Push {
    let runs = (0..rng.below(20)).map(|_| rng.below(known.runs.len() as u64) as usize);
    Push { tag: known.tag, runs: runs.map(|index| known.runs[index].clone()).collect() }
}

/// Noise, or cells in which everything or nothing differs.
fn sketch(known: &Known, rng: &mut Rng) -> SketchMessage {
    let count = if rng.chance(100) { MAX_CELLS as u64 } else { rng.below(40) };
    let noise = rng.chance(700);
    let cell = |rng: &mut Rng| Cell { s1: rng.next_u64() as u32, s2: rng.next_u64() };
    let cells = (0..count).map(|_| if noise { cell(rng) } else { Cell::default() }).collect();
    let estimate = rng.chance(700).then(|| [rng.next_u64() as i16; COUNTERS]);
    SketchMessage {
        tag: known.tag,
        mine: digest(rng),
        serial: rng.below(4) as u32,
        room: number(rng) as u32,
        kind: if rng.chance(700) { Kind::Heights } else { Kind::Hashes },
        turn: if rng.chance(700) { 0 } else { number(rng) },
        logs: if rng.chance(300) { 0 } else { number(rng) },
        from: rng.below(1 + (MAX_CELLS as u64 - count)) as u32 * u32::from(rng.chance(300)),
        estimate,
        cells,
    }
}

fn more(known: &Known, rng: &mut Rng) -> More {
    let from = rng.below(MAX_CELLS as u64) as u32;
    let upto = from + 1 + rng.below(MAX_CELLS as u64 - u64::from(from)) as u32;
    More { tag: known.tag, serial: rng.below(4) as u32, from, upto }
}

fn ask(known: &Known, rng: &mut Rng) -> Ask {
    let count = if rng.chance(100) { MAX_ASKED as u64 } else { rng.below(4) };
    let key = |rng: &mut Rng| {
        let [a, b, c, d, e, ..] = log(known, rng).0;
        ([a, b, c, d, e], number(rng))
    };
    let logs = (0..count).map(|_| key(rng)).collect();
    Ask { tag: known.tag, serial: number(rng) as u32, room: number(rng) as u32, logs }
}

fn scope(known: &Known, rng: &mut Rng) -> Scope {
    let count = if rng.chance(50) { MAX_SCOPE as u64 } else { rng.below(4) };
    let keys = rng.chance(700).then(|| (0..count).map(|_| StreamKey(bytes(rng))).collect());
    Scope { tag: known.tag, turn: number(rng), only: rng.chance(500), keys }
}

fn positions(known: &Known, rng: &mut Rng) -> Positions {
    let at = (0..rng.below(1 + MAX_POSITIONS as u64)).map(|_| number(rng)).collect();
    Positions { tag: known.tag, serial: number(rng) as u32, log: log(known, rng), at }
}

fn hashes(known: &Known, rng: &mut Rng) -> Hashes {
    let at = |rng: &mut Rng| (number(rng), rng.chance(500).then(|| Check(bytes(rng))));
    let at = (0..rng.below(1 + MAX_POSITIONS as u64)).map(|_| at(rng)).collect();
    let (serial, height) = (number(rng) as u32, number(rng));
    Hashes { tag: known.tag, serial, log: log(known, rng), height, at }
}

/// A known log, or none at all.
fn log(known: &Known, rng: &mut Rng) -> LogId {
    if rng.chance(200) {
        return LogId(bytes(rng));
    }
    known.logs[rng.below(known.logs.len() as u64) as usize]
}
