//! p2panda 0.6 (0.7 asks for a newer Rust than the one installed): signed logs, heights of all logs in one
//! session of its log sync protocol. Messages are counted as CBOR, as its network crate frames them.

use std::cell::Cell;
use std::future::ready;

use futures::channel::mpsc;
use futures::{SinkExt, StreamExt};
use p2panda_core::cbor::{decode_cbor, encode_cbor};
use p2panda_core::{Body, Header, Operation, SigningKey, validate_operation};
use p2panda_store::operations::OperationStore;
use p2panda_store::sqlite::{SqliteStore, SqliteStoreBuilder};
use p2panda_store::tx;
use p2panda_sync::protocols::{LogSync, LogSyncEvent, LogSyncMessage, Logs as Named, TopicLogSyncMessage};
use p2panda_sync::traits::Protocol;
use tokio::sync::broadcast;

use crate::meter::{
    AUTHORS, EQUAL, Figure, MISSING, Noise, PAYLOAD, STREAMS, Said, cold, is_longer, missing, used,
};
use crate::panda_store::{Builder, Logs, sign};
use crate::{Outcome, live};

const SYSTEM: &str = "p2panda-sync 0.6.1";
const MEMORY: &str = "every entry signed and verified; our memory store, nothing stored by who receives";
/// Received operations that may wait: what does not fit is lost.
const EVENTS: usize = 1 << 18;
/// Operations in a transaction of SQLite.
const BATCH: usize = 1_000;

pub(crate) fn measure() -> Outcome {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        first_contact(100_000, false).await?;
        first_contact(10_000, true).await?;
        many(EQUAL, None).await?;
        for case in MISSING {
            many(&missing(case.0, case.1), Some(case)).await?;
        }
        Outcome::Ok(())
    })?;
    alive()
}

/// One author.
async fn first_contact(entries: usize, stored: bool) -> Outcome {
    let (author, mut from, mut noise) = (key(1), Builder::default(), Noise::new(1));
    for _ in 0..entries {
        from.append(&author, 0, &noise.payload());
    }
    let names = Named::from([(author.verifying_key(), vec![0])]);
    let store = if stored { Some(SqliteStoreBuilder::new().max_connections(1).build().await?) } else { None };
    let (from, before) = (from.build(), used());
    let (said, received) = meet(from, Logs::default(), &names, store).await?;
    let cpu = used() - before;
    if received != entries {
        return Err(format!("{received} of {entries}").into());
    }
    let sqlite = "every entry signed and verified; stored in its SQLite in memory, 1,000 a transaction";
    let figure = Figure::new(&cold(entries), SYSTEM).said(said, entries * PAYLOAD).cpu(cpu);
    figure.note(if stored { sqlite } else { MEMORY }).print()
}

/// Ten authors with a log in each of 1,000 streams; one entry in each is enough, as only heights are said.
async fn many(workload: &str, longer: Option<(usize, usize)>) -> Outcome {
    let authors: Vec<SigningKey> = (0..AUTHORS).map(|author| key(author as u8 + 1)).collect();
    let (mut ours, mut theirs) = (Builder::default(), Builder::default());
    for stream in 0..STREAMS {
        for (number, author) in authors.iter().enumerate() {
            let log = stream * AUTHORS + number;
            let more = longer.filter(|(longer, _)| is_longer(log, *longer)).map_or(0, |(_, more)| more);
            let mut noise = Noise::new(log as u64 + 1);
            let entries: Vec<Vec<u8>> = (0..1 + more).map(|_| noise.payload()).collect();
            ours.append(author, stream as u64, &entries[0]);
            entries.iter().for_each(|entry| theirs.append(author, stream as u64, entry));
        }
    }
    let logs: Vec<u64> = (0..STREAMS as u64).collect();
    let names: Named<u64> = authors.iter().map(|author| (author.verifying_key(), logs.clone())).collect();
    let (theirs, ours, before) = (theirs.build(), ours.build(), used());
    let (said, received) = meet(theirs, ours, &names, None).await?;
    let cpu = used() - before;
    let expected = longer.map_or(0, |(logs, more)| logs * more);
    if received != expected {
        return Err(format!("{received} of {expected}").into());
    }
    let note = format!("{MEMORY}; logs have names of 2 bytes");
    Figure::new(workload, SYSTEM).said(said, expected * PAYLOAD).cpu(cpu).note(&note).print()
}

/// A session of both; operations that come are verified, and stored if there is a store.
async fn meet(
    from: Logs,
    to: Logs,
    names: &Named<u64>,
    store: Option<SqliteStore>,
) -> Outcome<(Said, usize)> {
    let ((source_events, _unread), (sink_events, events)) =
        (broadcast::channel::<LogSyncEvent<()>>(EVENTS), broadcast::channel::<LogSyncEvent<()>>(EVENTS));
    let source = LogSync::<u64, (), Logs, _>::new(from, names.clone(), source_events);
    let sink = LogSync::<u64, (), Logs, _>::new(to, names.clone(), sink_events);
    let ((source_out, sink_in), (sink_out, source_in)) = (mpsc::channel(512), mpsc::channel(512));
    let said = Cell::new(Said::default());
    let encode = |message: LogSyncMessage<u64>| {
        let bytes = encode_cbor(&message).expect("it is encoded");
        let mut more = said.get();
        more.count(&bytes);
        said.set(more);
        ready(Ok::<Vec<u8>, mpsc::SendError>(bytes))
    };
    let decode = |bytes: Vec<u8>| decode_cbor::<LogSyncMessage<u64>, _>(&bytes[..]);
    let (mut source_out, mut sink_out) = (source_out.with(encode), sink_out.with(encode));
    let (mut source_in, mut sink_in) = (source_in.map(decode), sink_in.map(decode));
    let (given, taken, received) = tokio::join!(
        source.run(&mut source_out, &mut source_in),
        sink.run(&mut sink_out, &mut sink_in),
        take(events, store),
    );
    given?;
    taken?;
    Ok((said.get(), received?))
}

/// The application: verifies what comes.
async fn take(
    mut events: broadcast::Receiver<LogSyncEvent<()>>,
    store: Option<SqliteStore>,
) -> Outcome<usize> {
    let (mut received, mut batch) = (0, Vec::new());
    loop {
        match events.recv().await {
            Ok(LogSyncEvent::OperationReceived { operation, .. }) => {
                validate_operation(&*operation)?;
                received += 1;
                if let Some(store) = &store {
                    batch.push(*operation);
                    if batch.len() == BATCH {
                        save(store, std::mem::take(&mut batch)).await?;
                    }
                }
            }
            Ok(LogSyncEvent::MetricsExchanged { .. }) => {}
            Err(broadcast::error::RecvError::Closed) => break,
            Err(lagged) => return Err(lagged.into()),
        }
    }
    match &store {
        Some(store) => save(store, batch).await?,
        None => drop(batch),
    }
    Ok(received)
}

async fn save(store: &SqliteStore, batch: Vec<Operation>) -> Outcome {
    tx!(store, {
        for operation in &batch {
            store.insert_operation(&operation.hash, operation, &0_u64).await?;
        }
    });
    Ok(())
}

/// Signed, sent as its live message, verified; without its session, its events and a store, which favours it.
fn alive() -> Outcome {
    let author = key(1);
    let mut last: Option<Operation> = None;
    let append = |payload: Vec<u8>| {
        let (operation, _) = sign(&author, last.as_ref(), &payload);
        let message = TopicLogSyncMessage::<u64, ()>::Live(operation.header.clone(), operation.body.clone());
        last = Some(operation);
        encode_cbor(&message).expect("it is encoded")
    };
    let note = "every entry signed and verified; bare messages without session and store";
    live::measure(Figure::new("live", SYSTEM).note(note), append, |message| {
        let message: TopicLogSyncMessage<u64, ()> = decode_cbor(message).expect("it is a message");
        let TopicLogSyncMessage::Live(header, body) = message else { return };
        let (header, body): (Header, Option<Body>) = (header, body);
        validate_operation(Operation { hash: header.hash(), header, body }).expect("it is valid");
    })
}

fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}
