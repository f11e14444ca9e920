//! Yrs 0.28: a document per stream, an entry is a binary item pushed to an array. Unsigned, no time, no store.

use yrs::sync::{Message, SyncMessage};
use yrs::updates::decoder::Decode;
use yrs::updates::encoder::Encode;
use yrs::{Any, Array, Doc, ReadTxn, StateVector, Transact, Update};

use crate::meter::{
    AUTHORS, EACH, EQUAL, Figure, MISSING, Noise, PAYLOAD, STREAMS, Said, cold, is_longer, missing, used,
};
use crate::{Outcome, live};

const SYSTEM: &str = "yrs 0.28.1";
const NOTE: &str = "unsigned, no time, no store";

pub(crate) fn measure() -> Outcome {
    for entries in [100_000, 1_000_000] {
        let (from, to) = (Doc::with_client_id(id(0)), Doc::with_client_id(id(1)));
        let mut noise = Noise::new(1);
        push(&from, entries, &mut noise)?;
        let (before, mut said) = (used(), Said::default());
        meet(&from, &to, &mut said)?;
        let cpu = used() - before;
        check(&to, entries)?;
        Figure::new(&cold(entries), SYSTEM).said(said, entries * PAYLOAD).cpu(cpu).note(NOTE).print()?;
    }
    equal()?;
    for (logs, more) in MISSING {
        delta(logs, more)?;
    }
    let (from, to) = (Doc::with_client_id(id(0)), Doc::with_client_id(id(1)));
    push(&from, live::LOADED, &mut Noise::new(3))?;
    meet(&from, &to, &mut Said::default())?;
    let figure = Figure::new("live", SYSTEM).note(NOTE);
    let list = from.get_or_insert_array("entries");
    let append = |payload: Vec<u8>| {
        let mut writing = from.transact_mut();
        list.push_back(&mut writing, Any::Buffer(payload.into()));
        Message::Sync(SyncMessage::Update(writing.encode_update_v1())).encode_v1()
    };
    live::measure(figure, append, |message| {
        let Ok(Message::Sync(SyncMessage::Update(update))) = Message::decode_v1(message) else { return };
        apply(&to, &update).expect("it applies");
    })
}

fn equal() -> Outcome {
    let (ours, theirs) = (replicas(1, None)?, replicas(1, None)?);
    let (before, mut said) = (used(), Said::default());
    for (ours, theirs) in ours.iter().zip(&theirs) {
        meet(ours, theirs, &mut said)?;
    }
    let note = format!("{NOTE}; names of documents not counted");
    Figure::new(EQUAL, SYSTEM).said(said, 0).cpu(used() - before).note(&note).print()
}

fn delta(logs: usize, more: usize) -> Outcome {
    let (ours, theirs) = (replicas(EACH, None)?, replicas(EACH, Some((logs, more)))?);
    let (before, mut said) = (used(), Said::default());
    for (ours, theirs) in ours.iter().zip(&theirs) {
        meet(theirs, ours, &mut said)?;
    }
    let cpu = used() - before;
    let figure = Figure::new(&missing(logs, more), SYSTEM).said(said, logs * more * PAYLOAD).cpu(cpu);
    figure.note(&format!("{NOTE}; every document has to be asked")).print()
}

/// The protocol of Yjs: both send their state vector, both answer with what the other lacks.
fn meet(from: &Doc, to: &Doc, said: &mut Said) -> Outcome {
    for (asks, answers) in [(to, from), (from, to)] {
        let state = asks.transact().state_vector();
        let question = Message::Sync(SyncMessage::SyncStep1(state)).encode_v1();
        said.count(&question);
        let Message::Sync(SyncMessage::SyncStep1(state)) = Message::decode_v1(&question)? else {
            return Err("not a question".into());
        };
        let update = answers.transact().encode_state_as_update_v1(&state);
        let answer = Message::Sync(SyncMessage::SyncStep2(update)).encode_v1();
        said.count(&answer);
        let Message::Sync(SyncMessage::SyncStep2(update)) = Message::decode_v1(&answer)? else {
            return Err("not an answer".into());
        };
        apply(asks, &update)?;
    }
    Ok(())
}

fn apply(to: &Doc, update: &[u8]) -> Outcome {
    Ok(to.transact_mut().apply_update(Update::decode_v1(update)?)?)
}

fn push(to: &Doc, entries: usize, noise: &mut Noise) -> Outcome {
    let list = to.get_or_insert_array("entries");
    for _ in 0..entries {
        list.push_back(&mut to.transact_mut(), Any::Buffer(noise.payload().into()));
    }
    Ok(())
}

fn check(doc: &Doc, entries: usize) -> Outcome {
    let held = doc.get_or_insert_array("entries").len(&doc.transact()) as usize;
    if held == entries { Ok(()) } else { Err(format!("{held} of {entries}").into()) }
}

/// Documents of many authors who wrote at the same time.
fn replicas(each: usize, longer: Option<(usize, usize)>) -> Outcome<Vec<Doc>> {
    let mut all = Vec::new();
    for stream in 0..STREAMS {
        let replica = Doc::with_client_id(id(AUTHORS));
        // A document is there before anything is in it.
        replica.get_or_insert_array("entries");
        for author in 0..AUTHORS {
            let log = stream * AUTHORS + author;
            let more = longer.filter(|(longer, _)| is_longer(log, *longer)).map_or(0, |(_, more)| more);
            let writer = Doc::with_client_id(id(author));
            push(&writer, each + more, &mut Noise::new(log as u64 + 1))?;
            apply(&replica, &writer.transact().encode_state_as_update_v1(&StateVector::default()))?;
        }
        all.push(replica);
    }
    Ok(all)
}

/// As large as those that are drawn by default.
fn id(author: usize) -> u64 {
    Noise::new(author as u64 + 99).next() >> 32
}
