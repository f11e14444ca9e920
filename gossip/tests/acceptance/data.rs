//! Looking after the data: erasing, checking and mending, files, history asked back.

use std::io::Cursor;
use std::path::Path;

use gossip::{DamageKind, EntryId, Event, EventStream, Retention};

use crate::wait::{event, eventually};
use crate::world::{Device, Disk, Shelf, Wire, World, converge, holds, in_sync, texts};

on_every_disk! {
    erasure_reaches_peers_and_who_was_away,
    entries_of_others_are_erased_only_where_the_application_agrees,
    a_newcomer_starts_from_a_file_and_goes_on_from_there,
    what_was_pruned_is_asked_back,
    a_newcomer_asks_for_what_lies_below_the_floor,
}

async fn is_absent(stream: &EventStream, id: EntryId) -> bool {
    stream.get(id).await.unwrap().is_some_and(|entry| entry.bytes().is_none())
}

async fn erasure_reaches_peers_and_who_was_away(world: World) {
    let world = world.only_linked();
    let [ann, bob, cid] = world.devices(["ann", "bob", "cid"]).await;
    world.chain(&[&ann, &bob, &cid]).await;
    let stream = ann.stream().await;
    ann.write(2).await;
    let secret = stream.append("the secret").await.unwrap();
    let before = converge(&[&ann, &bob, &cid], 3).await;
    world.cut(&bob, &cid).await;

    let mut told = bob.events();
    assert!(stream.erase(secret).await.unwrap());
    let theirs = bob.stream().await;
    eventually("bob follows", async || is_absent(&theirs, secret).await).await;
    event(&mut told, "the erasure", |event| match event {
        Event::EntriesErased { by, payloads: 1, .. } if by == ann.node.id() => Some(()),
        _ => None,
    })
    .await;
    let away = cid.stream().await;
    assert!(!is_absent(&away, secret).await, "cid was away");
    world.mend(&bob, &cid).await;
    eventually("cid follows", async || is_absent(&away, secret).await).await;
    in_sync(&ann, &bob).await;
    in_sync(&bob, &cid).await;
    assert_eq!(away.version().await.unwrap(), stream.version().await.unwrap());

    // A newcomer gets the entry without its payload, and nobody the payload back.
    let dan = world.device("dan").await;
    world.link(&dan, &cid).await;
    let records = converge(&[&ann, &bob, &cid, &dan], 3).await;
    let ids = |records: &[(EntryId, _, Vec<u8>)]| records.iter().map(|record| record.0).collect::<Vec<_>>();
    assert_eq!(ids(&records), ids(&before), "the order is as it was");
    assert_eq!(records[2].2, b"");
    let cid = world.restart(cid).await;
    assert!(is_absent(&cid.stream().await, secret).await, "after a restart");
}

async fn entries_of_others_are_erased_only_where_the_application_agrees(world: World) {
    let [ann, bob] = world.devices(["ann", "bob"]).await;
    world.link(&ann, &bob).await;
    let (ours, theirs) = (ann.stream().await, bob.stream().await);
    let id = ours.append("ann wrote this").await.unwrap();
    holds(&theirs, 1).await;
    let mut told = ann.events();
    assert!(theirs.erase(id).await.unwrap(), "bob may forget whatever he likes");
    let (by, asked) = event(&mut told, "the request", |event| match event {
        Event::EraseRequested { by, entries, .. } => Some((by.clone(), entries.clone())),
        _ => None,
    })
    .await;
    assert_eq!((&by, asked[0].0, asked[0].1.first), (bob.node.id(), id.log, id.sequence));
    assert_eq!(texts(&ours).await, ["ann wrote this"]);
    assert!(ours.erase(id).await.unwrap());
}

async fn a_newcomer_starts_from_a_file_and_goes_on_from_there(world: World) {
    let world = world.only_linked();
    let [ann, bob] = world.devices(["ann", "bob"]).await;
    world.link(&ann, &bob).await;
    tokio::join!(ann.write(20), bob.write(20));
    converge(&[&ann, &bob], 40).await;
    let channel = ann.node.channel("room").await.unwrap();
    let (exported, file) = channel.export(Vec::new()).await.unwrap();
    assert_eq!((exported.logs, exported.entries), (2, 40));

    let cid = world.device("cid").await;
    let (_, imported) = cid.node.import(Cursor::new(file)).await.unwrap();
    assert_eq!((imported.streams, imported.entries, imported.skipped), (1, 40, 0));
    let mut told = cid.events();
    world.link(&cid, &bob).await;
    bob.write(1).await;
    converge(&[&ann, &bob, &cid], 41).await;
    let merged = event(&mut told, "what was missing", |event| match event {
        Event::EntriesMerged { entries, .. } => {
            Some(entries.iter().map(|(_, range)| range.count()).sum::<u64>())
        }
        _ => None,
    })
    .await;
    assert_eq!(merged, 1, "what the file brought was fetched again");
    cid.write(1).await;
    converge(&[&ann, &bob, &cid], 42).await;
}

async fn what_was_pruned_is_asked_back(world: World) {
    let [ann, bob] = world.devices(["ann", "bob"]).await;
    world.link(&ann, &bob).await;
    ann.write(50).await;
    converge(&[&ann, &bob], 50).await;
    let theirs = bob.stream().await;
    theirs.set_retention(Retention::CountBased(5)).await.unwrap();
    theirs.compact().await.unwrap();
    assert_eq!(texts(&theirs).await.len(), 5);
    theirs.set_retention(Retention::KeepAll).await.unwrap();
    theirs.ask_back().await.unwrap();
    converge(&[&ann, &bob], 50).await;
    assert!(bob.node.verify().await.unwrap().is_sound());
}

async fn a_newcomer_asks_for_what_lies_below_the_floor(world: World) {
    let world = world.only_linked();
    let [ann, bob, cid] = world.devices(["ann", "bob", "cid"]).await;
    world.link(&ann, &bob).await;
    ann.write(30).await;
    converge(&[&ann, &bob], 30).await;
    world.cut(&ann, &bob).await;
    let short = bob.stream().await;
    short.set_retention(Retention::CountBased(4)).await.unwrap();
    short.compact().await.unwrap();
    world.link(&cid, &bob).await;
    let stream = cid.stream().await;
    holds(&stream, 4).await;
    in_sync(&cid, &bob).await;
    assert_eq!(texts(&stream).await.len(), 4, "the newcomer begins at the floor");
    stream.ask_back().await.unwrap();
    world.link(&cid, &ann).await;
    converge(&[&ann, &cid], 30).await;
    assert!(cid.node.verify().await.unwrap().is_sound());
}

/// Changes a text wherever it lies in the file of a store that is closed; returns how often.
fn spoil(directory: &Path, text: &[u8]) -> usize {
    let file = directory.join(gossip::redb::FILE_NAME);
    let mut bytes = std::fs::read(&file).unwrap();
    let places: Vec<_> = bytes
        .windows(text.len())
        .enumerate()
        .filter(|(_, window)| *window == text)
        .map(|(at, _)| at)
        .collect();
    places.iter().for_each(|at| bytes[*at] ^= 1);
    std::fs::write(&file, bytes).unwrap();
    places.len()
}

async fn spoiled(world: &World, device: Device, text: &[u8]) -> Device {
    let Shelf::Redb(directory) = device.shelf.clone() else { panic!("a store on disk") };
    device.node.shutdown().await.unwrap();
    assert!(spoil(&directory, text) > 0, "the text is in the file");
    world.revive(device, |builder| builder).await
}

#[tokio::test]
async fn a_damaged_run_is_found_isolated_and_fetched_again() {
    let world = World::new(Wire::Memory, Disk::Redb);
    let [ann, bob] = world.devices(["ann", "bob"]).await;
    world.link(&bob, &ann).await;
    for _ in 0..3 {
        ann.stream().await.append_all((0..10).map(|n| format!("sound {n:6000}"))).await.unwrap();
    }
    ann.stream().await.append_all(["before", "soon to be damaged", "after"]).await.unwrap();
    ann.write(5).await;
    let whole = converge(&[&ann, &bob], 38).await;
    world.cut(&ann, &bob).await;
    let ann = spoiled(&world, ann, b"soon to be damaged").await;

    let report = ann.node.verify().await.unwrap();
    let found: Vec<_> = report.damaged.iter().map(|damage| (damage.what, damage.range)).collect();
    assert!(matches!(&found[..], [(DamageKind::BrokenChain | DamageKind::Unreadable, _)]), "{report:?}");
    assert!(found[0].1.contains(32));
    assert_eq!(ann.node.verify().await.unwrap(), report, "a check changes nothing");

    let mut told = ann.events();
    let repaired = ann.node.repair().await.unwrap();
    assert_eq!(repaired.isolated.iter().map(|(_, range)| *range).collect::<Vec<_>>(), [found[0].1]);
    assert!(repaired.report.is_sound() && repaired.report.gaps == 1, "{:?}", repaired.report);
    let rest = texts(&ann.stream().await).await;
    assert!(!rest.iter().any(|text| text.contains("damaged")));
    assert_eq!(rest.len() as u64, 38 - found[0].1.count());
    assert!(rest.len() >= 20, "large runs are not joined with it: {}", rest.len());
    let channel = ann.node.channel("room").await.unwrap();
    assert_eq!(channel.export(Vec::new()).await.unwrap().0.entries as usize, rest.len());

    world.mend(&ann, &bob).await;
    event(&mut told, "history", |event| matches!(event, Event::HistoryRestored { .. }).then_some(())).await;
    assert_eq!(converge(&[&ann, &bob], 38).await, whole);
    let report = ann.node.verify().await.unwrap();
    assert!(report.is_sound() && report.gaps == 0, "{report:?}");
    in_sync(&ann, &bob).await;
    assert_eq!(ann.node.repair().await.unwrap().isolated, []);
}
