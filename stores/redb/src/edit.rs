//! Replacing runs and dropping the oldest.

use gossip_core::continuity::{self, entries_held, raise_floor, resting_floor, stands_for};
use gossip_core::proto::{Fault, LogHead, LogId, Pruned, Seq, SeqRange, StoredRun};
use redb::{ReadableTable, WriteTransaction};

use crate::fault::Failure;
use crate::keys;
use crate::runs::{covering, first_run, hash_of};
use crate::tables::{HEADS, RUNS, Writable, decode_run, encode, head_row, insert_run, run_len};

/// Puts one run in the place of those that make up exactly `range`.
pub(crate) fn replace(
    writing: &WriteTransaction,
    log: LogId,
    range: SeqRange,
    new: &StoredRun,
) -> Result<(), Failure> {
    let (mut heads, mut runs) = (writing.open_table(HEADS)?, writing.open_table(RUNS)?);
    let Some(mut row) = head_row(&heads, log)? else {
        return Err(Failure::rejected("the log is not known"));
    };
    let old = covering(&runs, log, range)?;
    if !stands_for(log, range, &old.iter().collect::<Vec<_>>(), new) {
        return Err(Failure::rejected("the run does not stand for exactly the runs stored there"));
    }
    row.bytes -= drop_runs(&mut runs, log, range.first, range.last)?.min(row.bytes);
    insert_run(&mut runs, &new.prev, &new.run)?;
    row.bytes += new.run.encoded().len() as u64;
    heads.insert(&log.0[..], &encode(&row)?[..])?;
    Ok(())
}

/// Drops entries up to a floor in each log; a run across a floor is cut.
pub(crate) fn prune(writing: &WriteTransaction, floors: &[(LogId, Seq)]) -> Result<Pruned, Failure> {
    let (mut heads, mut runs) = (writing.open_table(HEADS)?, writing.open_table(RUNS)?);
    let mut sum = Pruned::default();
    for (log, floor) in floors {
        let pruned = prune_log(&mut heads, &mut runs, *log, *floor)?;
        sum.entries += pruned.entries;
        sum.bytes += pruned.bytes;
    }
    Ok(sum)
}

fn prune_log(
    heads: &mut Writable<'_>,
    runs: &mut Writable<'_>,
    log: LogId,
    asked: Seq,
) -> Result<Pruned, Failure> {
    let Some(mut row) = head_row(heads, log)? else { return Ok(Pruned::default()) };
    let Some(mut floor) = resting_floor(&row.head, asked) else { return Ok(Pruned::default()) };
    let whole = first_run(runs, log, floor + 1)?.filter(|stored| stored.run.first() <= floor);
    let cut = whole.as_ref().map(|whole| whole.cut_front(floor + 1));
    if let (Some(whole), Some(Err(_))) = (&whole, &cut) {
        // A stranger may pack a run so tightly that a part of it is over the bounds. It is kept
        // whole and the floor stays before it, so that no such run stops all pruning.
        floor = whole.run.first() - 1;
        if floor <= row.head.floor {
            return Ok(Pruned::default());
        }
    }
    let hash = hash_of(runs, log, &row.head, floor)?;
    let hash = hash.ok_or_else(|| Failure::corrupt("no chain hash at the floor"))?;
    let mut freed = drop_runs(runs, log, 0, floor)?;
    if let (Some(whole), Some(Ok(cut))) = (whole, cut) {
        insert_run(runs, &cut.prev, &cut.run)?;
        freed += (whole.run.encoded().len() as u64).saturating_sub(cut.run.encoded().len() as u64);
    }
    let entries = entries_held(&row.head);
    raise_floor(&mut row.head, floor, hash);
    row.bytes -= freed.min(row.bytes);
    heads.insert(&log.0[..], &encode(&row)?[..])?;
    Ok(Pruned { entries: entries - entries_held(&row.head), bytes: freed })
}

/// Makes a gap of the damage at a sequence. Damaged neighbours go with it: the hash after a gap is
/// known only from a sound run or the head.
pub(crate) fn isolate(writing: &WriteTransaction, log: LogId, at: Seq) -> Result<Option<SeqRange>, Failure> {
    let (mut heads, mut runs) = (writing.open_table(HEADS)?, writing.open_table(RUNS)?);
    let Some(mut row) = head_row(&heads, log)? else { return Ok(None) };
    let Some(gap) = damage(&runs, &row.head, log, at)? else { return Ok(None) };
    row.bytes -= drop_runs(&mut runs, log, gap.first, gap.last)?.min(row.bytes);
    continuity::isolate(&mut row.head, gap);
    heads.insert(&log.0[..], &encode(&row)?[..])?;
    Ok(Some(gap))
}

fn damage(runs: &Writable<'_>, head: &LogHead, log: LogId, at: Seq) -> Result<Option<SeqRange>, Failure> {
    let held = at > head.floor && at <= head.height && !head.gaps.iter().any(|gap| gap.contains(at));
    if !held {
        return Ok(None);
    }
    let before = runs.range(&keys::run(log, 0)[..]..&keys::run(log, at)[..])?.next_back().transpose()?;
    let before = before.map_or(0, |(key, _)| keys::number(key.value()));
    let gaps = head.gaps.iter().map(|gap| gap.last).filter(|last| *last < at);
    let first = gaps.fold(head.floor.max(before), Seq::max) + 1;
    let mut broken = false;
    for row in runs.range(&keys::run(log, at)[..]..=&keys::run(log, Seq::MAX)[..])? {
        let (key, value) = row?;
        match decode_run(log, keys::number(key.value()), value.value()) {
            Ok(stored) if !broken && stored.run.range().contains(at) => return Ok(None),
            Ok(stored) => return Ok(Some(SeqRange { first, last: stored.run.first() - 1 })),
            Err(Failure::Ours(Fault::Corrupt, _)) => broken = true,
            Err(failure) => return Err(failure),
        }
    }
    Ok(Some(SeqRange { first, last: head.height }))
}

/// Drops the runs that end within a range; returns what they occupied.
pub(crate) fn drop_runs(runs: &mut Writable<'_>, log: LogId, first: Seq, last: Seq) -> Result<u64, Failure> {
    let mut freed = 0;
    let (start, end) = (keys::run(log, first), keys::run(log, last));
    runs.retain_in(&start[..]..=&end[..], |_, value| {
        freed += run_len(value);
        false
    })?;
    Ok(freed)
}
