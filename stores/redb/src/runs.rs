//! Reading runs and the hashes in them.

use gossip_core::proto::{ChainHash, LogHead, LogId, Seq, SeqRange, StoredRun};
use redb::ReadTransaction;

use crate::fault::Failure;
use crate::keys;
use crate::tables::{HEADS, RUNS, Readable, decode_run, head_row, run_len};

/// Runs from the one that holds `from`: about `budget` bytes, at least one. What is before a
/// damaged run is returned; the damage is told to whoever reads on from there.
pub(crate) fn read(
    reading: &ReadTransaction,
    log: LogId,
    from: Seq,
    budget: usize,
) -> Result<Vec<StoredRun>, Failure> {
    let table = reading.open_table(RUNS)?;
    let (mut runs, mut bytes) = (Vec::new(), 0);
    for row in table.range(&keys::run(log, from)[..]..=&keys::run(log, Seq::MAX)[..])? {
        let (key, value) = row?;
        bytes += run_len(value.value());
        if bytes > budget as u64 && !runs.is_empty() {
            break;
        }
        match decode_run(log, keys::number(key.value()), value.value()) {
            Err(_) if !runs.is_empty() => break,
            run => runs.push(run?),
        }
    }
    Ok(runs)
}

/// The first run that ends at or after `from`.
pub(crate) fn first_run(runs: &impl Readable, log: LogId, from: Seq) -> Result<Option<StoredRun>, Failure> {
    let mut rows = runs.range(&keys::run(log, from)[..]..=&keys::run(log, Seq::MAX)[..])?;
    let Some((key, value)) = rows.next().transpose()? else { return Ok(None) };
    decode_run(log, keys::number(key.value()), value.value()).map(Some)
}

/// Runs that hold what is still kept of a range.
pub(crate) fn covering(runs: &impl Readable, log: LogId, range: SeqRange) -> Result<Vec<StoredRun>, Failure> {
    let mut found = Vec::new();
    for row in runs.range(&keys::run(log, range.first)[..]..=&keys::run(log, Seq::MAX)[..])? {
        let (key, value) = row?;
        let stored = decode_run(log, keys::number(key.value()), value.value())?;
        let last = stored.run.last();
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

/// Chain hash at a position inside a run or just before one.
pub(crate) fn hash_in(runs: &impl Readable, log: LogId, position: Seq) -> Result<Option<ChainHash>, Failure> {
    Ok(first_run(runs, log, position)?.and_then(|stored| stored.hash_at(position).ok()))
}

/// Chain hash at a position of a log, `None` where it is not known.
pub(crate) fn hash_of(
    runs: &impl Readable,
    log: LogId,
    head: &LogHead,
    position: Seq,
) -> Result<Option<ChainHash>, Failure> {
    match position {
        0 => Ok(Some(head.name.hash().root())),
        _ if position < head.floor => Ok(None),
        _ if position == head.floor => Ok(Some(head.floor_hash)),
        _ if position == head.height => Ok(Some(head.hash)),
        _ => hash_in(runs, log, position),
    }
}

/// Chain hashes at positions of a log, in the order asked.
pub(crate) fn hash_at(
    reading: &ReadTransaction,
    log: LogId,
    positions: &[Seq],
) -> Result<Vec<ChainHash>, Failure> {
    let (heads, runs) = (reading.open_table(HEADS)?, reading.open_table(RUNS)?);
    let row = head_row(&heads, log)?.ok_or_else(|| Failure::rejected("the log is not known"))?;
    let unknown = || Failure::rejected("nothing is held at this position");
    let hash = |position: &Seq| hash_of(&runs, log, &row.head, *position)?.ok_or_else(unknown);
    positions.iter().map(hash).collect()
}
