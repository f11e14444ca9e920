//! Negentropy 0.5: finds which ids differ; it sends no entries and keeps none.

use negentropy::{Id, Negentropy, NegentropyStorageVector};

use crate::Outcome;
use crate::meter::{AUTHORS, EACH, EQUAL, Figure, MISSING, Noise, STREAMS, Said, is_longer, missing, used};

const LOGS: usize = STREAMS * AUTHORS;

pub(crate) fn measure() -> Outcome {
    let (said, cpu) = reconcile(&frontier(None), &frontier(None))?;
    heights(EQUAL).only_beyond(said).cpu(cpu).print()?;
    let (said, cpu) = reconcile(&entries(None), &entries(None))?;
    ids(EQUAL).only_beyond(said).cpu(cpu).print()?;
    for (logs, more) in MISSING {
        let workload = missing(logs, more);
        let (said, cpu) = reconcile(&frontier(None), &frontier(Some(logs)))?;
        heights(&workload).only_beyond(said).cpu(cpu).print()?;
        let (said, cpu) = reconcile(&entries(None), &entries(Some((logs, more))))?;
        ids(&workload).only_beyond(said).cpu(cpu).print()?;
    }
    Ok(())
}

fn heights(workload: &str) -> Figure {
    let system = "negentropy 0.5.3, set of log heights";
    Figure::new(workload, system).note("finds the logs; sends no entries, signs nothing")
}

fn ids(workload: &str) -> Figure {
    let system = "negentropy 0.5.3, set of 1 M entry ids";
    Figure::new(workload, system).note("finds the entries; sends none, signs nothing")
}

/// One item per log: what it is called and how high it is.
fn frontier(longer: Option<usize>) -> Vec<(u64, [u8; 32])> {
    let id = |log: usize| {
        let is_longer = longer.is_some_and(|longer| is_longer(log, longer));
        (0, random(2 * log as u64 + u64::from(is_longer)))
    };
    (0..LOGS).map(id).collect()
}

/// One item per entry; logs take turns in time, and what is more is scattered like the logs it is in.
fn entries(longer: Option<(usize, usize)>) -> Vec<(u64, [u8; 32])> {
    let mut all = Vec::new();
    for log in 0..LOGS {
        let more = longer.filter(|(longer, _)| is_longer(log, *longer)).map_or(0, |(_, more)| more);
        for number in 0..EACH + more {
            all.push(((number * LOGS + log) as u64, random((1 << 40) + (log * 1_000 + number) as u64)));
        }
    }
    all
}

fn random(seed: u64) -> [u8; 32] {
    let mut noise = Noise::new(seed + 1);
    // The first few of an xorshift resemble their seed.
    (0..8).for_each(|_| _ = noise.next());
    let mut id = [0; 32];
    id.copy_from_slice(&noise.bytes(32));
    id
}

fn storage(items: &[(u64, [u8; 32])]) -> Outcome<NegentropyStorageVector> {
    let mut storage = NegentropyStorageVector::with_capacity(items.len());
    for (time, id) in items {
        storage.insert(*time, Id::from_byte_array(*id))?;
    }
    storage.seal()?;
    Ok(storage)
}

fn reconcile(ours: &[(u64, [u8; 32])], theirs: &[(u64, [u8; 32])]) -> Outcome<(Said, std::time::Duration)> {
    let (ours, theirs) = (storage(ours)?, storage(theirs)?);
    let expected = theirs_only(&ours, &theirs);
    let before = used();
    let mut said = Said::default();
    let (mut client, mut server) = (Negentropy::borrowed(&ours, 0)?, Negentropy::borrowed(&theirs, 0)?);
    let (mut have, mut need) = (Vec::new(), Vec::new());
    let mut question = Some(client.initiate()?);
    while let Some(asked) = question {
        said.count(&asked);
        let answer = server.reconcile(&asked)?;
        said.count(&answer);
        question = client.reconcile_with_ids(&answer, &mut have, &mut need)?;
    }
    let cpu = used() - before;
    if need.len() != expected {
        return Err(format!("{} found, {expected} are missing", need.len()).into());
    }
    Ok((said, cpu))
}

/// How many items only they have.
fn theirs_only(ours: &NegentropyStorageVector, theirs: &NegentropyStorageVector) -> usize {
    use negentropy::NegentropyStorageBase;
    use std::collections::HashSet;
    let ids = |of: &NegentropyStorageVector| -> HashSet<Id> {
        let size = of.size().unwrap_or_default();
        (0..size).filter_map(|at| of.get_item(at).ok().flatten()).map(|item| item.id).collect()
    };
    ids(theirs).difference(&ids(ours)).count()
}
