//! What every store does to a head: in one place, so that no two stores differ in it.
//!
//! Stores may use these or not; `store_conformance!` checks the outcome.

use gossip_proto::{
    ChainHash, CommitItem, Fault, LogHead, LogId, Run, Seq, SeqRange, Stamp, StoredRun, Turn,
};

use crate::{StoreError, StoreResult};

const COMMITTING: &str = "committing entries";

/// What a commit item means for the log it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Nothing new: held already.
    Known,
    /// The head moved without entries.
    Moved,
    /// The run continues the log and is to be stored; all its entries are new.
    Run,
    /// The run fills a hole and is to be stored. Only these of its entries never arrived before and
    /// get arrival numbers.
    Filled(Vec<SeqRange>),
}

/// Applies one item of a commit to the head of its log, by the rules of
/// [`EntryRepository::commit`](crate::EntryRepository::commit).
///
/// `id` is the address of the item's log. `stored` answers the chain hash at a position inside a
/// run held, or just before one, `None` where it is not known; it is not asked for new runs.
/// What lies below the floor or in a gap cannot be compared any more and counts as known, so
/// that a batch may be repeated after a prune.
///
/// # Errors
/// [`Fault::Rejected`] for what does not continue the log, and whatever `stored` fails with. The
/// head is unchanged then.
pub fn admit(
    head: &mut LogHead,
    id: LogId,
    item: &CommitItem,
    stored: impl Fn(Seq) -> StoreResult<Option<ChainHash>>,
) -> StoreResult<Admission> {
    match item {
        CommitItem::Adopt { floor, .. } if *floor <= head.height => Ok(Admission::Known),
        CommitItem::Adopt { floor, hash, stamp, seal, .. } => {
            within(head, *floor, hash)?;
            adopt(head, *floor, *hash);
            if let Some(seal) = seal {
                head.seal = Some((*floor, serde_bytes::ByteBuf::from(seal.0)));
            }
            // Where it is not known what is held below still has its age.
            head.stamp = head.stamp.max(*stamp);
            Ok(Admission::Moved)
        }
        CommitItem::Run { prev, run, end, .. } => {
            if run.log() != id || run.check() != end.check() {
                return Err(refused("the run is not of the log or not of the hash it is given with"));
            }
            if run.last() <= head.height {
                return compare(head, run, stored);
            }
            continues(head, run, *prev)?;
            within(head, run.last(), end)?;
            extend(head, run, *end);
            Ok(Admission::Run)
        }
        CommitItem::Fill { prev, run, end, .. } => {
            if run.log() != id || run.check() != end.check() {
                return Err(refused("the run is not of the log or not of the hash it is given with"));
            }
            fill(head, run, (*prev, *end), stored)
        }
    }
}

/// Where a floor asked for comes to rest: at most at the height, and at the end of a gap when it
/// lies inside one (there the chain is not known). `None` when the present floor is as high.
#[must_use]
pub fn resting_floor(head: &LogHead, asked: Seq) -> Option<Seq> {
    let asked = asked.min(head.height);
    let gap = head.gaps.iter().find(|gap| gap.contains(asked));
    let floor = gap.map_or(asked, |gap| gap.last);
    (floor > head.floor).then_some(floor)
}

/// Moves the floor up and forgets the gaps below it; `hash` is the chain hash there.
pub fn raise_floor(head: &mut LogHead, floor: Seq, hash: ChainHash) {
    (head.floor, head.floor_hash) = (floor, hash);
    head.gaps.retain(|gap| gap.last > floor);
}

/// How many entries of a log are held.
#[must_use]
pub fn entries_held(head: &LogHead) -> u64 {
    let missing: u64 = head.gaps.iter().map(SeqRange::count).sum();
    (head.height - head.floor).saturating_sub(missing)
}

/// Makes a gap of `range`, which lies between floor and height: what was stored there is damaged.
/// The caller knows the chain hash before and after it, and drops what is left of the runs.
pub fn isolate(head: &mut LogHead, range: SeqRange) {
    head.gaps.push(range);
    head.gaps.sort_unstable();
    let mut apart: Vec<SeqRange> = Vec::with_capacity(head.gaps.len());
    for gap in head.gaps.drain(..) {
        match apart.last_mut() {
            Some(before) if gap.first <= before.last + 1 => before.last = before.last.max(gap.last),
            _ => apart.push(gap),
        }
    }
    head.gaps = apart;
}

/// Ends a log where another history parts from it, by the rules of
/// [`EntryRepository::turn`](crate::EntryRepository::turn). Whether the head changed; the caller drops what
/// lies above its height then.
///
/// `stored` answers the chain hash at a position between floor and height, `None` where it is not known;
/// `newest` is the stamp of the newest entry held before the place.
///
/// # Errors
/// [`Fault::Rejected`] for what cannot be true of this log, and whatever `stored` fails with. The head is
/// unchanged then.
pub fn turn(
    head: &mut LogHead,
    turn: &Turn,
    newest: Stamp,
    stored: impl Fn(Seq) -> StoreResult<Option<ChainHash>>,
) -> StoreResult<bool> {
    if head.turn.as_ref() == Some(turn) {
        return Ok(false);
    }
    if turn.at <= head.floor || head.turn.is_some_and(|noted| noted.at <= turn.at) {
        return Err(no_turn("the place lies below the floor, or above the end of the log"));
    }
    if turn.first.is_some() != (turn.at <= head.height) {
        return Err(no_turn("the hash at the place is told exactly where the log reaches it"));
    }
    for (at, told) in [(turn.at - 1, Some(turn.prev)), (turn.at, turn.first)] {
        let known = match at {
            at if at == head.floor => Some(head.floor_hash),
            at if at == head.height => Some(head.hash),
            at if at > head.height => None,
            // At its end the run that follows tells.
            at if head.gaps.iter().any(|gap| gap.first <= at && at < gap.last) => None,
            at => stored(at)?,
        };
        if known.is_some_and(|known| told != Some(known)) {
            return Err(no_turn("other entries are stored at the place"));
        }
    }
    head.turn = Some(*turn);
    if turn.first.is_some() {
        cut(head, turn, newest);
    }
    Ok(true)
}

fn cut(head: &mut LogHead, turn: &Turn, newest: Stamp) {
    let end = turn.at - 1;
    (head.height, head.hash, head.stamp) = (end, turn.prev, newest);
    for ranges in [&mut head.gaps, &mut head.missed] {
        ranges.retain(|range| range.first <= end);
        ranges.iter_mut().for_each(|range| range.last = range.last.min(end));
    }
    head.seal = head.seal.take().filter(|(at, _)| *at <= end);
}

fn no_turn(why: &'static str) -> StoreError {
    StoreError::new(Fault::Rejected, "ending a log where it forks", why)
}

/// How a run may stand in the place of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It says exactly what they said: whoever loses it and finds them again has lost nothing.
    Same,
    /// It is of the same chain; payloads may be missing.
    SameChain,
}

/// Whether `new` may stand in the place of `old`: these are all the runs of its log that make up exactly
/// its range, and the hashes before and after stay the same. Where it says the same as they do nothing
/// is hashed, so `old` must be what was written; else both ends are computed.
#[must_use]
pub fn stands_for(old: &[&StoredRun], new: &StoredRun) -> Option<Standing> {
    let (first, last) = (old.first()?, old.last()?);
    let whole = first.run.first() == new.run.first() && last.run.last() == new.run.last();
    let joined = old.windows(2).all(|pair| pair[0].run.last() + 1 == pair[1].run.first());
    if !(whole && joined && new.prev == first.prev) {
        return None;
    }
    if StoredRun::join(old).as_ref() == Some(new) {
        return Some(Standing::Same);
    }
    let end = last.hash_at(new.run.last()).ok();
    (end.is_some() && new.run.verify(new.prev).ok() == end).then_some(Standing::SameChain)
}

/// Whether no entry is in two of these runs.
#[must_use]
pub fn are_apart(runs: &[StoredRun]) -> bool {
    let mut places: Vec<_> = runs.iter().map(|stored| (stored.run.log(), stored.run.range())).collect();
    places.sort_unstable_by_key(|(log, range)| (*log, range.first));
    places.windows(2).all(|pair| pair[0].0 != pair[1].0 || pair[0].1.last < pair[1].1.first)
}

/// Puts a run into the upper end of a hole: the floor or a gap.
fn fill(
    head: &mut LogHead,
    run: &Run,
    (prev, end): (ChainHash, ChainHash),
    stored: impl Fn(Seq) -> StoreResult<Option<ChainHash>>,
) -> StoreResult<Admission> {
    let below = SeqRange { first: 1, last: head.floor };
    let mut holes = head.gaps.iter().copied().chain([below]);
    let Some(hole) = holes.rfind(|hole| hole.overlap(&run.range()).is_some()) else {
        let held = run.last() <= head.height;
        return if held { Ok(Admission::Known) } else { Err(refused("the run fills nothing")) };
    };
    if hole.last != run.last() || run.first() < hole.first {
        return Err(refused("the run does not end where the hole ends, or reaches beyond it"));
    }
    let hash_at = |head: &LogHead, at: Seq| match at {
        0 => Ok(Some(head.name.root())),
        at if at == head.floor => Ok(Some(head.floor_hash)),
        at if at == head.height => Ok(Some(head.hash)),
        at => stored(at),
    };
    let joins = hash_at(head, run.last())? == Some(end);
    let whole = run.first() == hole.first;
    if !joins || whole && hash_at(head, run.first() - 1)? != Some(prev) {
        return Err(refused("the run is of another chain"));
    }
    let rest = run.first() - 1;
    match head.gaps.iter().position(|gap| *gap == hole) {
        Some(gap) if whole => drop(head.gaps.remove(gap)),
        Some(gap) => head.gaps[gap].last = rest,
        None => (head.floor, head.floor_hash) = (rest, prev),
    }
    Ok(Admission::Filled(arrive(head, run.range())))
}

/// Takes a range out of what never arrived; returns what it took out.
fn arrive(head: &mut LogHead, range: SeqRange) -> Vec<SeqRange> {
    let fresh = head.missed.iter().filter_map(|missed| missed.overlap(&range)).collect();
    let missed = std::mem::take(&mut head.missed);
    let around = missed.into_iter().flat_map(|missed| {
        let before = SeqRange { last: missed.last.min(range.first - 1), ..missed };
        let after = SeqRange { first: missed.first.max(range.last + 1), ..missed };
        [before, after]
    });
    head.missed = around.filter(|rest| rest.first <= rest.last).collect();
    fresh
}

fn adopt(head: &mut LogHead, floor: Seq, hash: ChainHash) {
    let missing = SeqRange { first: head.height + 1, last: floor };
    match head.missed.last_mut().filter(|missed| missed.last == head.height) {
        Some(missed) => missed.last = floor,
        None => head.missed.push(missing),
    }
    if head.floor == head.height {
        (head.floor, head.floor_hash) = (floor, hash);
    } else if let Some(gap) = head.gaps.last_mut().filter(|gap| gap.last == head.height) {
        gap.last = floor;
    } else {
        head.gaps.push(missing);
    }
    (head.height, head.hash) = (floor, hash);
}

fn compare(
    head: &LogHead,
    run: &Run,
    stored: impl Fn(Seq) -> StoreResult<Option<ChainHash>>,
) -> StoreResult<Admission> {
    let known = match run.last() {
        last if last < head.floor => None,
        last if last == head.height => Some(head.hash),
        last if last == head.floor => Some(head.floor_hash),
        last => stored(last)?,
    };
    match known {
        Some(hash) if hash.check() != run.check() => {
            Err(refused("other entries are stored at these sequences"))
        }
        _ => Ok(Admission::Known),
    }
}

fn continues(head: &LogHead, run: &Run, prev: ChainHash) -> StoreResult<()> {
    if run.first() <= head.height {
        return Err(refused("the run overlaps what is stored"));
    }
    if run.first() > head.height + 1 {
        return Err(refused("the run leaves a hole"));
    }
    if prev != head.hash {
        return Err(refused("the run continues another chain"));
    }
    Ok(())
}

/// A log that forks grows up to the place and not beyond.
fn within(head: &LogHead, last: Seq, end: &ChainHash) -> StoreResult<()> {
    let fits = |turn: &Turn| last < turn.at - 1 || last == turn.at - 1 && *end == turn.prev;
    if head.turn.as_ref().is_none_or(fits) { Ok(()) } else { Err(refused("the log ends before")) }
}

fn extend(head: &mut LogHead, run: &Run, end: ChainHash) {
    head.height = run.last();
    head.hash = end;
    head.stamp = run.last_stamp();
    if let Some(seal) = run.seal() {
        head.seal = Some((run.last(), serde_bytes::ByteBuf::from(seal.to_vec())));
    }
}

fn refused(why: &'static str) -> StoreError {
    StoreError::new(Fault::Rejected, COMMITTING, why)
}
