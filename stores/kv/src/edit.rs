//! Replacing runs and dropping the oldest.

use std::collections::BTreeMap;

use gossip_core::continuity::{
    self, Standing, are_apart, entries_held, raise_floor, resting_floor, stands_for,
};
use gossip_core::proto::{LogId, LogName, Pruned, Seq, SeqRange, Stamp, StoredRun, Turn as Place};

use crate::commit::enlist;
use crate::engine::{Order, Table, View};
use crate::fault::Failure;
use crate::format::FORMAT;
use crate::head::Held;
use crate::keys;
use crate::layout::{decode_run, put_run, run_len};
use crate::notes::put_version;
use crate::runs::{ending, first_run, hash_in, hash_of};
use crate::turn::Turn;

pub(crate) const TURNING: &str = "ending a log where it forks";

/// So many rows are dropped one by one; more are dropped as a range, which costs some engines more
/// later on than a few rows do now.
const FEW: usize = 64;
/// Few rows with so many bytes are dropped as a range too: engines give back at once what a range took.
/// More than joined runs take together.
const MUCH: u64 = 256 << 10;

/// Puts each of these runs in the place of those that make up exactly its range.
pub(crate) fn replace(turn: &mut Turn<'_>, runs: &[StoredRun]) -> Result<(), Failure> {
    // Each looks at what was there before this turn.
    if !are_apart(runs) {
        return Err(Failure::rejected("the runs overlap"));
    }
    let mut is_same = true;
    for new in runs {
        is_same &= replace_one(turn, new)? == Standing::Same;
    }
    if is_same {
        turn.may_be_lost();
    }
    Ok(())
}

fn replace_one(turn: &mut Turn<'_>, new: &StoredRun) -> Result<Standing, Failure> {
    let (log, range) = (new.run.log(), new.run.range());
    let Some(mut held) = turn.head(log)? else {
        return Err(Failure::rejected("the log is not known"));
    };
    let old = covering(turn.view(), log, range)?;
    let Some(standing) = stands_for(&old.iter().collect::<Vec<_>>(), new) else {
        return Err(Failure::rejected("a run does not stand for exactly the runs stored there"));
    };
    let freed: u64 = old.iter().map(|stored| stored.run.encoded().len() as u64).sum();
    // The last one is written over. They are small and go one by one: a range would have some engines tidy up
    // after each join.
    for stored in old.iter().filter(|stored| stored.run.last() < range.last) {
        turn.edits.delete(Table::Runs, keys::run(log, stored.run.last()));
    }
    put_run(&mut turn.edits, &new.prev, &new.run);
    held.bytes = held.bytes.saturating_sub(freed) + new.run.encoded().len() as u64;
    turn.put_head(log, held);
    Ok(standing)
}

/// Runs that hold what is kept of a range; damage among them is an error.
fn covering(view: &dyn View, log: LogId, range: SeqRange) -> Result<Vec<StoredRun>, Failure> {
    let mut found: Vec<StoredRun> = Vec::new();
    let mut rows = ending(view, log, (range.first, Seq::MAX), Order::Up)?;
    while let Some((key, value)) = rows.next()? {
        let last = keys::number(key);
        let stored = decode_run(log, last, value)?;
        if stored.run.first() > range.last {
            break;
        }
        found.push(stored);
        if last >= range.last {
            break;
        }
    }
    Ok(found)
}

/// Ends a log where another history parts from it; one that is not known comes to be with that alone.
pub(crate) fn turn(turn: &mut Turn<'_>, name: &LogName, place: &Place) -> Result<(), Failure> {
    let log = name.id();
    let known = turn.head(log)?;
    let is_new = known.is_none();
    let mut held = known.unwrap_or_else(|| Held::new(name.clone()));
    let (view, height) = (turn.view(), held.head.height);
    let across = first_run(view, log, place.at)?.filter(|stored| stored.run.first() < place.at);
    let front = across.map(|stored| stored.cut_back(place.at - 1)).transpose();
    let front = front.map_err(Failure::rejected)?.map(|(front, _)| front);
    let below = match &front {
        Some(front) => Some(front.run.last_stamp()),
        None => last_stamp(view, log, place.at)?,
    };
    let stored = |at| hash_in(view, log, at).map_err(|why| why.into_store_error(TURNING));
    if !continuity::turn(&mut held.head, place, below.unwrap_or(Stamp::ZERO), stored)? {
        return Ok(());
    }
    if height >= place.at {
        let freed = drop_runs(turn, log, place.at, height)?;
        let kept = front.map_or(0, |front| {
            put_run(&mut turn.edits, &front.prev, &front.run);
            front.run.encoded().len() as u64
        });
        held.bytes = held.bytes.saturating_sub(freed) + kept;
    }
    if is_new {
        enlist(turn, name, log);
    }
    // Programs of before would take such a head for a damaged one, and the log for lost.
    put_version(&mut turn.edits, FORMAT as u32);
    turn.put_head(log, held);
    Ok(())
}

/// Stamp of the newest entry held before a place.
fn last_stamp(view: &dyn View, log: LogId, before: Seq) -> Result<Option<Stamp>, Failure> {
    let mut rows = ending(view, log, (0, before.saturating_sub(1)), Order::Down)?;
    let Some((key, value)) = rows.next()? else { return Ok(None) };
    Ok(Some(decode_run(log, keys::number(key), value)?.run.last_stamp()))
}

/// Drops entries up to a floor in each log; a run across a floor is cut.
pub(crate) fn prune(turn: &mut Turn<'_>, floors: &[(LogId, Seq)]) -> Result<Pruned, Failure> {
    // One floor for each log: what a turn did to the runs of a log it cannot read again.
    let mut highest = BTreeMap::new();
    for (log, floor) in floors {
        let asked = highest.entry(*log).or_insert(*floor);
        *asked = (*asked).max(*floor);
    }
    let mut sum = Pruned::default();
    for (log, floor) in highest {
        let pruned = prune_log(turn, log, floor)?;
        sum.entries += pruned.entries;
        sum.bytes += pruned.bytes;
    }
    Ok(sum)
}

fn prune_log(turn: &mut Turn<'_>, log: LogId, asked: Seq) -> Result<Pruned, Failure> {
    let Some(mut held) = turn.head(log)? else { return Ok(Pruned::default()) };
    let Some(mut floor) = resting_floor(&held.head, asked) else { return Ok(Pruned::default()) };
    let whole = first_run(turn.view(), log, floor + 1)?.filter(|stored| stored.run.first() <= floor);
    let cut = whole.as_ref().map(|whole| whole.cut_front(floor + 1));
    if let (Some(whole), Some(Err(_))) = (&whole, &cut) {
        // A stranger may pack a run so tightly that a part of it is over the bounds. It is kept
        // whole and the floor stays before it, so that no such run stops all pruning.
        floor = whole.run.first() - 1;
        if floor <= held.head.floor {
            return Ok(Pruned::default());
        }
    }
    let hash = hash_of(turn.view(), log, &held.head, floor)?;
    let hash = hash.ok_or_else(|| Failure::corrupt("no chain hash at the floor"))?;
    let mut freed = drop_runs(turn, log, 0, floor)?;
    if let (Some(whole), Some(Ok(cut))) = (whole, cut) {
        put_run(&mut turn.edits, &cut.prev, &cut.run);
        freed += (whole.run.encoded().len() as u64).saturating_sub(cut.run.encoded().len() as u64);
    }
    let entries = entries_held(&held.head);
    raise_floor(&mut held.head, floor, hash);
    held.bytes = held.bytes.saturating_sub(freed);
    let entries = entries - entries_held(&held.head);
    turn.put_head(log, held);
    Ok(Pruned { entries, bytes: freed })
}

/// Drops the runs that end within a range; returns what they occupied.
pub(crate) fn drop_runs(turn: &mut Turn<'_>, log: LogId, first: Seq, last: Seq) -> Result<u64, Failure> {
    let (mut freed, mut ends) = (0, Vec::new());
    let mut rows = ending(turn.view(), log, (first, last), Order::Up)?;
    while let Some((key, value)) = rows.next()? {
        freed += run_len(value);
        ends.push(keys::number(key));
    }
    drop_ends(turn, log, &ends, freed);
    Ok(freed)
}

/// Drops the runs that end at these places, which are all there are from the first to the last of them, and
/// take so many bytes.
fn drop_ends(turn: &mut Turn<'_>, log: LogId, ends: &[Seq], bytes: u64) {
    match ends {
        [first, .., last] if ends.len() > FEW || bytes >= MUCH => {
            turn.edits.delete_range(Table::Runs, keys::run(log, *first), keys::after(&keys::run(log, *last)));
        }
        _ => ends.iter().for_each(|end| turn.edits.delete(Table::Runs, keys::run(log, *end))),
    }
}
