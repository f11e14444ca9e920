//! Automerge 0.12: a document per stream, an entry is a change that inserts bytes into a list. Unsigned, no
//! store.

use automerge::sync::{Message, State, SyncDoc};
use automerge::transaction::Transactable;
use automerge::{ActorId, AutoCommit, ObjId, ObjType, ROOT, ReadDoc, ScalarValue};

use crate::meter::{
    AUTHORS, EQUAL, Figure, MISSING, Noise, PAYLOAD, STREAMS, Said, cold, is_longer, missing, used,
};
use crate::{Outcome, live};

const SYSTEM: &str = "automerge 0.12.0";
const NOTE: &str = "unsigned, no store";
/// Entries of each author in each document: a tenth of what others have, as building a million changes
/// takes minutes.
const EACH: usize = 10;

pub(crate) fn measure() -> Outcome {
    for entries in [10_000, 100_000] {
        let (mut from, list) = document()?;
        push(&mut from, &list, 1, entries, &mut Noise::new(1))?;
        let mut to = AutoCommit::new();
        let (before, mut said) = (used(), Said::default());
        meet(&mut from, &mut to, (&mut State::new(), &mut State::new()), &mut said)?;
        let cpu = used() - before;
        if to.length(&list) != entries {
            return Err("entries are missing".into());
        }
        Figure::new(&cold(entries), SYSTEM).said(said, entries * PAYLOAD).cpu(cpu).note(NOTE).print()?;
    }
    strangers(1, None)?;
    for case in MISSING {
        strangers(EACH, Some(case))?;
    }
    known()?;
    alive()
}

/// Both have 1,000 documents and remember nothing of each other.
fn strangers(each: usize, longer: Option<(usize, usize)>) -> Outcome {
    let mut noise = Noise::new(5);
    let (mut said, mut cpu) = (Said::default(), std::time::Duration::ZERO);
    for stream in 0..STREAMS {
        let (mut theirs, list) = document()?;
        for author in 0..AUTHORS {
            push(&mut theirs, &list, author, each, &mut noise)?;
        }
        let mut ours = theirs.fork();
        for author in 0..AUTHORS {
            let log = stream * AUTHORS + author;
            let more = longer.filter(|(longer, _)| is_longer(log, *longer)).map_or(0, |(_, more)| more);
            push(&mut theirs, &list, author, more, &mut noise)?;
        }
        let before = used();
        meet(&mut theirs, &mut ours, (&mut State::new(), &mut State::new()), &mut said)?;
        cpu += used() - before;
    }
    let payload = longer.map_or(0, |(logs, more)| logs * more * PAYLOAD);
    let workload = longer.map_or(EQUAL.to_owned(), |(logs, more)| missing(logs, more));
    let note = format!("{NOTE}; of {} entries; names of documents not counted", STREAMS * AUTHORS * each);
    Figure::new(&workload, SYSTEM).said(said, payload).cpu(cpu).note(&note).print()
}

/// One entry more in one document, both remember where they stood.
fn known() -> Outcome {
    let (mut from, list) = document()?;
    push(&mut from, &list, 1, 100_000, &mut Noise::new(1))?;
    let (mut to, mut states) = (AutoCommit::new(), (State::new(), State::new()));
    meet(&mut from, &mut to, (&mut states.0, &mut states.1), &mut Said::default())?;
    push(&mut from, &list, 1, 1, &mut Noise::new(2))?;
    let (before, mut said) = (used(), Said::default());
    meet(&mut from, &mut to, (&mut states.0, &mut states.1), &mut said)?;
    let figure = Figure::new("1 missing, known peer", SYSTEM).said(said, PAYLOAD).cpu(used() - before);
    figure.note(&format!("{NOTE}; of 100,000 entries in one document")).print()
}

/// Changes are broadcast as they are: kinder than its sync protocol, which sends Bloom filters with each.
fn alive() -> Outcome {
    let (mut from, list) = document()?;
    push(&mut from, &list, 1, live::LOADED, &mut Noise::new(3))?;
    let mut to = from.fork();
    let append = |payload: Vec<u8>| {
        let at = from.length(&list);
        from.insert(&list, at, ScalarValue::Bytes(payload)).expect("it is inserted");
        from.commit();
        from.get_last_local_change().expect("there is a change").raw_bytes().to_vec()
    };
    let figure =
        Figure::new("live", SYSTEM).note(&format!("{NOTE}; bare changes instead of its sync protocol"));
    live::measure(figure, append, |message| {
        to.load_incremental(message).expect("it applies");
    })
}

fn document() -> Outcome<(AutoCommit, ObjId)> {
    let mut document = AutoCommit::new().with_actor(ActorId::from([0; 16]));
    let list = document.put_object(ROOT, "entries", ObjType::List)?;
    document.commit();
    Ok((document, list))
}

fn push(to: &mut AutoCommit, list: &ObjId, author: usize, entries: usize, noise: &mut Noise) -> Outcome {
    let mut actor = [0; 16];
    actor[..8].copy_from_slice(&(author as u64 + 1).to_be_bytes());
    to.set_actor(ActorId::from(actor));
    let mut at = to.length(list);
    for _ in 0..entries {
        to.insert(list, at, ScalarValue::Bytes(noise.payload()))?;
        to.commit();
        at += 1;
    }
    Ok(())
}

/// The sync protocol, until neither has anything to say.
fn meet(
    from: &mut AutoCommit,
    to: &mut AutoCommit,
    states: (&mut State, &mut State),
    said: &mut Said,
) -> Outcome {
    loop {
        let ours = to.sync().generate_sync_message(states.1).map(Message::encode);
        if let Some(message) = &ours {
            said.count(message);
            from.sync().receive_sync_message(states.0, Message::decode(message)?)?;
        }
        let theirs = from.sync().generate_sync_message(states.0).map(Message::encode);
        if let Some(message) = &theirs {
            said.count(message);
            to.sync().receive_sync_message(states.1, Message::decode(message)?)?;
        }
        if ours.is_none() && theirs.is_none() {
            return Ok(());
        }
    }
}
