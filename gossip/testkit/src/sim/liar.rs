//! A host that tells its peers what is not so.
//!
//! Its node is sound; what leaves it is not: between node and network its frames are changed, swallowed,
//! repeated or held back. It lies as a member of its channels could, until the honest hosts have agreed among
//! each other in spite of it. Then it mends its ways, and all have to agree with it too.

use std::time::Duration;

use bytes::Bytes;
use gossip_proto::wire::{self, Beacon, Content, Delta, DeltaRun, Message};
use gossip_proto::{Check, Rng, Run};

use super::plan::between;

/// What a liar does, each kind of it to so many frames of 1,000 that it fits.
const OFTEN: u64 = 300;
/// Bytes of a seal in a run: its length and itself. Without one there is a single byte.
const SEAL: usize = 2 + 64;
/// CBOR for nothing.
const NULL: u8 = 0xf6;

/// A kind of lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lie {
    /// Digests of nothing.
    Digests,
    /// Heights and hashes it does not hold.
    Heights,
    /// Cells of nothing.
    Cells,
    /// Requests that are not answered: answers are swallowed,
    Silence,
    /// or come late.
    Delay,
    /// The same request again and again.
    Repetition,
    /// Seals stripped,
    Unsealed,
    /// or changed.
    Forged,
}

const ALL: [Lie; 8] = [
    Lie::Digests,
    Lie::Heights,
    Lie::Cells,
    Lie::Silence,
    Lie::Delay,
    Lie::Repetition,
    Lie::Unsealed,
    Lie::Forged,
];

/// The habits of one host.
#[derive(Debug)]
pub(super) struct Liar {
    rng: Rng,
    habits: Vec<Lie>,
}

impl Liar {
    /// Somebody with one to three habits.
    pub(super) fn new(mut rng: Rng) -> Self {
        let count = between(&mut rng, 1, 3);
        let habits = (0..count).map(|_| ALL[rng.below(ALL.len() as u64) as usize]).collect();
        Self { rng, habits }
    }

    /// What is sent instead of a frame, each after how long; `None` when the truth is told.
    pub(super) fn tell(&mut self, frame: &Bytes) -> Option<Vec<(Duration, Bytes)>> {
        let lie = self.habits[self.rng.below(self.habits.len() as u64) as usize];
        if !self.rng.chance(OFTEN) {
            return None;
        }
        let Ok(Content::Whole(message)) = wire::read(frame) else { return None };
        let version = wire::version_of(frame)?;
        let at_once = |frame: Bytes| (Duration::ZERO, frame);
        match (lie, &message) {
            (Lie::Silence, Message::Delta(delta) | Message::Runs(delta)) if delta.serial > 0 => Some(vec![]),
            (Lie::Silence, Message::Sketch(_) | Message::More(_) | Message::Equal(_)) => Some(vec![]),
            (Lie::Delay, Message::Delta(_) | Message::Runs(_) | Message::Sketch(_) | Message::Equal(_)) => {
                let late = Duration::from_millis(between(&mut self.rng, 100, 20_000));
                Some(vec![(late, frame.clone())])
            }
            (Lie::Repetition, Message::Want(_) | Message::Ask(_) | Message::More(_) | Message::Sketch(_)) => {
                Some(vec![at_once(frame.clone()); between(&mut self.rng, 2, 10) as usize])
            }
            _ => {
                let changed = self.change(lie, message)?;
                Some(vec![at_once(wire::write(&changed, version).into_bytes())])
            }
        }
    }

    /// A message with something in it that is not so.
    fn change(&mut self, lie: Lie, mut message: Message) -> Option<Message> {
        match (lie, &mut message) {
            (Lie::Digests, Message::Beacon(Beacon { mine, .. })) => self.spoil(&mut mine.0),
            (Lie::Digests, Message::Offer(offer)) => self.spoil(&mut offer.mine.0),
            (Lie::Digests, Message::Sketch(sketch)) => self.spoil(&mut sketch.mine.0),
            (Lie::Heights, Message::Offer(offer)) if !offer.logs.is_empty() => {
                let index = self.rng.below(offer.logs.len() as u64) as usize;
                offer.logs[index].height += between(&mut self.rng, 1, 1_000);
                offer.logs[index].check = Check(self.rng.next_u64().to_le_bytes());
            }
            (Lie::Cells | Lie::Heights, Message::Sketch(sketch)) if !sketch.cells.is_empty() => {
                let index = self.rng.below(sketch.cells.len() as u64) as usize;
                sketch.cells[index].s1 = self.rng.next_u64() as u32;
                if lie == Lie::Cells {
                    sketch.cells[index].s2 = self.rng.next_u64() >> 3;
                    sketch.logs = self.rng.below(10_000);
                }
            }
            (Lie::Unsealed, Message::Delta(delta) | Message::Runs(delta)) if !delta.floors.is_empty() => {
                delta.floors.iter_mut().for_each(|floor| floor.seal = None);
                delta.runs.clear();
            }
            (Lie::Unsealed, Message::Delta(delta) | Message::Runs(delta)) => change_last(delta, strip)?,
            (Lie::Forged, Message::Delta(delta) | Message::Runs(delta)) => change_last(delta, forge)?,
            (Lie::Unsealed, Message::Push(push)) => {
                let last = push.runs.last_mut()?;
                *last = strip(last)?;
            }
            (Lie::Forged, Message::Push(push)) => {
                let last = push.runs.last_mut()?;
                *last = forge(last)?;
            }
            _ => return None,
        }
        Some(message)
    }

    fn spoil(&mut self, digest: &mut [u8; 16]) {
        digest[..8].copy_from_slice(&self.rng.next_u64().to_le_bytes());
    }
}

fn change_last(delta: &mut Delta, change: fn(&Run) -> Option<Run>) -> Option<()> {
    let DeltaRun { run, .. } = delta.runs.last_mut()?;
    *run = change(run)?;
    Some(())
}

/// The run without its seal, if it has one.
fn strip(run: &Run) -> Option<Run> {
    run.seal()?;
    let mut bytes = run.encoded().to_vec();
    bytes.truncate(bytes.len().checked_sub(SEAL)?);
    bytes.push(NULL);
    Run::decode(bytes.into()).ok()
}

/// The run with a seal nobody made.
fn forge(run: &Run) -> Option<Run> {
    run.seal()?;
    let mut bytes = run.encoded().to_vec();
    *bytes.last_mut()? ^= 1;
    Run::decode(bytes.into()).ok()
}
