//! What a member of the group could say of others that is not so.

use gossip_proto::wire::{
    Accusers, Beat, BeatFlags, Fresh, Have, Look, Message, Row, Seen, States, Summed, Table, TreeMessage,
};
use gossip_proto::{MemberKey, MemberRow, MemberState, NodeId, Rng};

use crate::lies::{Known, number};

pub(crate) fn draw(known: &Known, rng: &mut Rng) -> Message {
    let look = |rng: &mut Rng| Look {
        serial: rng.next_u64() as u16,
        key: key(rng),
        incarnation: number(rng),
        age: rng.next_u64() as u32,
    };
    match rng.below(9) {
        0 => Message::Beat(beat(rng)),
        1 => Message::Look(look(rng)),
        2 => Message::Seen(Seen { serial: rng.next_u64() as u16, key: key(rng), heard: rng.chance(500) }),
        3 | 4 => Message::News((0..rng.below(64)).map(|_| row(known, rng)).collect()),
        5 => Message::Table(table(rng)),
        6 => {
            let live = (0..rng.below(40)).map(|_| rng.next_u64() as u8).collect();
            Message::States(States { roster: number(rng), live })
        }
        7 => {
            let tag = rng.chance(700).then_some(known.tag);
            Message::Tree(TreeMessage { tag, eager: rng.chance(500) })
        }
        _ if rng.chance(500) => Message::Have(Have { tag: known.tag, logs: vec![([7; 5], number(rng))] }),
        _ => Message::Fresh(Fresh { named: None, runs: known.runs.first().cloned().into_iter().collect() }),
    }
}

/// Few enough to meet again.
fn name(rng: &mut Rng) -> NodeId {
    let names = ["victim", "liar", "good"].map(String::from);
    let drawn = rng.below(100) as usize;
    NodeId::new(names.get(drawn).cloned().unwrap_or_else(|| format!("m{drawn}"))).unwrap()
}

fn key(rng: &mut Rng) -> MemberKey {
    if rng.chance(800) { MemberKey::of(&name(rng)) } else { MemberKey(rng.next_u64()) }
}

fn beat(rng: &mut Rng) -> Beat {
    let [n, echo, flags] = [(); 3].map(|()| rng.next_u64() as u8);
    let [held, pace] = [(); 2].map(|()| number(rng) as u16);
    let echo = rng.chance(800).then_some(echo);
    Beat { n, echo, held, flags: BeatFlags(flags), pace, table: rng.next_u64(), content: rng.next_u64() }
}

fn row(known: &Known, rng: &mut Rng) -> Row {
    let (key, incarnation, number_) = (key(rng), number(rng), number(rng) as u32);
    match rng.below(8) {
        0 | 1 => {
            let addresses = (0..rng.below(9)).map(|_| "x".repeat(rng.below(20) as usize)).collect();
            let id = if rng.chance(100) { known.liar.clone() } else { name(rng) };
            Row::Live { row: MemberRow { id, incarnation, instance: number_, addresses }, doze: number_ }
        }
        2 => Row::Vouch { key, incarnation, age: number_ },
        3 => Row::Suspect { key, incarnation, left: number_, age: 0, accusers: Accusers::one(key) },
        4 => Row::Down { key, incarnation, age: number_ },
        5 => Row::Left { key, incarnation },
        6 => Row::Doze { key, incarnation, seconds: number_ },
        _ => Row::Seek { key, incarnation, by: key },
    }
}

fn table(rng: &mut Rng) -> Table {
    let states = [MemberState::Live, MemberState::Down, MemberState::Left];
    match rng.below(4) {
        0 => Table::All,
        1 => {
            let of = if rng.chance(500) { Summed::Present } else { Summed::Roster };
            let path = rng.chance(500).then(|| rng.below(16) as u8);
            Table::Sums { of, path, sums: std::array::from_fn(|_| rng.next_u64()) }
        }
        2 => {
            let bucket = key(rng).bucket();
            let on_arc = |key: MemberKey| MemberKey(u64::from(bucket) << 56 | key.0 >> 8);
            let row = |rng: &mut Rng| (on_arc(key(rng)), number(rng), states[rng.below(3) as usize]);
            Table::Bucket { bucket, rows: (0..rng.below(99)).map(|_| row(rng)).collect() }
        }
        _ => Table::Want((0..rng.below(256)).map(|_| key(rng)).collect()),
    }
}
