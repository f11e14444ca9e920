//! Loro 1.17: a document per stream, an entry is a binary item pushed to a list. Unsigned, no time, no store.

use loro::{ExportMode, LoroDoc, VersionVector};

use crate::meter::{
    AUTHORS, EACH, EQUAL, Figure, MISSING, Noise, PAYLOAD, STREAMS, Said, cold, is_longer, missing, used,
};
use crate::{Outcome, live};

const SYSTEM: &str = "loro 1.17.1";
const NOTE: &str = "unsigned, no time, no store";

pub(crate) fn measure() -> Outcome {
    for entries in [100_000, 1_000_000] {
        let (from, to) = (document(0)?, document(1)?);
        push(&from, entries, &mut Noise::new(1))?;
        let (before, mut said) = (used(), Said::default());
        meet(&from, &to, &mut said)?;
        let cpu = used() - before;
        check(&to, entries)?;
        Figure::new(&cold(entries), SYSTEM).said(said, entries * PAYLOAD).cpu(cpu).note(NOTE).print()?;
    }
    let equal = (replicas(1, None)?, replicas(1, None)?);
    let (said, cpu) = meet_all(&equal.0, &equal.1)?;
    let note = format!("{NOTE}; names of documents not counted");
    Figure::new(EQUAL, SYSTEM).said(said, 0).cpu(cpu).note(&note).print()?;
    drop(equal);
    for (logs, more) in MISSING {
        let (said, cpu) = meet_all(&replicas(EACH, Some((logs, more)))?, &replicas(EACH, None)?)?;
        let figure = Figure::new(&missing(logs, more), SYSTEM).said(said, logs * more * PAYLOAD).cpu(cpu);
        figure.note(&format!("{NOTE}; every document has to be asked")).print()?;
    }
    let (from, to) = (document(0)?, document(1)?);
    push(&from, live::LOADED, &mut Noise::new(3))?;
    meet(&from, &to, &mut Said::default())?;
    let append = |payload: Vec<u8>| {
        let before = from.oplog_vv();
        from.get_list("entries").push(payload).expect("it is pushed");
        from.commit();
        from.export(ExportMode::updates(&before)).expect("it is exported")
    };
    live::measure(Figure::new("live", SYSTEM).note(NOTE), append, |message| {
        to.import(message).expect("it applies");
    })
}

/// With an id as large as those that are drawn by default.
fn document(author: usize) -> Outcome<LoroDoc> {
    let document = LoroDoc::new();
    document.set_peer_id(Noise::new(author as u64 + 99).next())?;
    Ok(document)
}

fn push(to: &LoroDoc, entries: usize, noise: &mut Noise) -> Outcome {
    let list = to.get_list("entries");
    for _ in 0..entries {
        list.push(noise.payload())?;
        to.commit();
    }
    Ok(())
}

fn check(document: &LoroDoc, entries: usize) -> Outcome {
    let held = document.get_list("entries").len();
    if held == entries { Ok(()) } else { Err(format!("{held} of {entries}").into()) }
}

/// Both send their version, both answer with what the other lacks.
fn meet(from: &LoroDoc, to: &LoroDoc, said: &mut Said) -> Outcome {
    for (asks, answers) in [(to, from), (from, to)] {
        let question = asks.oplog_vv().encode();
        said.count(&question);
        let answer = answers.export(ExportMode::updates(&VersionVector::decode(&question)?))?;
        said.count(&answer);
        asks.import(&answer)?;
    }
    Ok(())
}

fn meet_all(from: &[LoroDoc], to: &[LoroDoc]) -> Outcome<(Said, std::time::Duration)> {
    let (before, mut said) = (used(), Said::default());
    for (from, to) in from.iter().zip(to) {
        meet(from, to, &mut said)?;
    }
    Ok((said, used() - before))
}

/// Documents of many authors who wrote at the same time.
fn replicas(each: usize, longer: Option<(usize, usize)>) -> Outcome<Vec<LoroDoc>> {
    let mut all = Vec::new();
    for stream in 0..STREAMS {
        let replica = document(AUTHORS)?;
        for author in 0..AUTHORS {
            let log = stream * AUTHORS + author;
            let more = longer.filter(|(longer, _)| is_longer(log, *longer)).map_or(0, |(_, more)| more);
            let writer = document(author)?;
            push(&writer, each + more, &mut Noise::new(log as u64 + 1))?;
            replica.import(&writer.export(ExportMode::all_updates())?)?;
        }
        all.push(replica);
    }
    Ok(all)
}
