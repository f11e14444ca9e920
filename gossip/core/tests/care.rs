//! Erasing, exporting and importing on one node.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail at that place")]

mod common;

use std::io::{self, Write};
use std::sync::Arc;

use common::{Count, Joined, exported, imported, notes, on, payloads, soon};
use gossip_core::proto::Scope;
use gossip_core::{
    CommandError, Coordinator, EntryId, EntryRepository, Error, EventStream, FileError, From, PageQuery,
    Retention,
};
use gossip_store_memory::MemoryStore;
use gossip_testkit::fixture::LogWriter;
use proptest::prelude::*;

async fn local(id: &str) -> (Coordinator, Arc<MemoryStore>) {
    let store = Arc::new(MemoryStore::new());
    (on(id, store.clone()).await, store)
}

/// Whether any run in the store contains a text.
async fn stores(store: &MemoryStore, text: &str) -> bool {
    let rows = store.arrivals(&Scope::All, gossip_core::proto::Arrival(0), usize::MAX).await.unwrap();
    let runs = rows.items.into_iter().flat_map(|row| row.runs);
    contains(&runs.flat_map(|stored| stored.run.encoded().to_vec()).collect::<Vec<_>>(), text)
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn an_erased_payload_is_gone_and_its_place_stays() {
    let (node, store) = local("ann").await;
    let stream = notes(&node).await;
    let ids = stream.append_all(["one", "the secret", "three"]).await.unwrap();
    let (version, before) = (stream.version().await.unwrap(), payloads(&stream).await);
    assert_eq!(before, ["one", "the secret", "three"]);
    assert!(stores(&store, "the secret").await);

    assert!(stream.erase(ids[1]).await.unwrap());
    assert!(!stream.erase(ids[1]).await.unwrap(), "erased already");
    assert!(!stores(&store, "the secret").await, "still in the store");
    assert!(!contains(&exported(&node).await, "the secret"), "still in exports");
    let entry = stream.get(ids[1]).await.unwrap().unwrap();
    assert_eq!((entry.bytes(), entry.payload(), entry.content().len()), (None, &b""[..], 10));
    let page = stream.page(PageQuery::first(10)).await.unwrap();
    assert_eq!(page.entries.iter().map(|entry| entry.id()).collect::<Vec<_>>(), ids);
    assert_eq!(stream.version().await.unwrap(), version);
    let mut live = stream.subscribe(From::Start).await.unwrap();
    for id in &ids {
        assert_eq!(soon("entry", live.next()).await.unwrap().unwrap().id(), *id);
    }
    let report = node.verify().await.unwrap();
    assert!(report.is_sound());
    assert_eq!((report.entries, report.hollow), (3, 1));
}

#[tokio::test]
async fn views_skip_what_was_erased() {
    let (node, _) = local("ann").await;
    let stream = notes(&node).await;
    let ids = stream.append_all(["one", "two", "three"]).await.unwrap();
    let old = stream.view(Joined).await.unwrap();
    stream.erase_all(ids[..2].to_vec()).await.unwrap();
    let (total, any) = (stream.view(Joined).await.unwrap(), stream.view(Count).await.unwrap());
    assert_eq!((total.get().join(" "), *any.get()), ("three".to_owned(), 1));
    assert_eq!((total.report().skipped, any.report().skipped), (2, 2));
    assert_eq!(total.report().last_failure, None, "it was not given to the fold");
    assert_eq!(old.get().join(" "), "one two three", "a view built before keeps what it folded");
}

#[tokio::test]
async fn entries_nobody_knows_cannot_be_erased_and_then_none_is() {
    let (node, store) = local("ann").await;
    let stream = notes(&node).await;
    let id = stream.append("kept").await.unwrap();
    let later = EntryId { sequence: 2, ..id };
    let refused = stream.erase_all([id, later]).await;
    assert!(matches!(refused, Err(Error::Command(CommandError::UnknownEntry(entry))) if entry == later));
    let elsewhere = LogWriter::new("project", "notes", "nobody").id();
    let refused = stream.erase(EntryId { log: elsewhere, sequence: 1 }).await;
    assert!(matches!(refused, Err(Error::Command(CommandError::UnknownLog(_)))));
    assert!(stores(&store, "kept").await);
    assert_eq!(stream.erase_all([]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_channel_travels_as_a_file_and_a_second_time_brings_nothing() {
    let (ann, _) = local("ann").await;
    let (bob, _) = local("bob").await;
    let stream = notes(&ann).await;
    let secret = stream.append_all(["one", "two", "three"]).await.unwrap()[1];
    stream.erase(secret).await.unwrap();
    let channel = ann.channel("project").await.unwrap();
    channel.stream_with("kept short", Retention::CountBased(7)).await.unwrap();
    let (told, file) = channel.export(Vec::new()).await.unwrap();
    assert_eq!((told.streams, told.logs, told.entries, told.bytes), (2, 1, 3, file.len() as u64));

    let first = imported(&bob, &file).await;
    assert_eq!((first.streams, first.logs, first.entries, first.skipped), (2, 1, 3, 0));
    let theirs = notes(&bob).await;
    assert_eq!(payloads(&theirs).await, ["one", "", "three"]);
    assert!(theirs.get(secret).await.unwrap().unwrap().bytes().is_none(), "what is hollow stays hollow");
    let short = bob.channel("project").await.unwrap().stream("kept short").await.unwrap();
    assert_eq!(short.retention().await.unwrap(), Retention::CountBased(7));
    let again = imported(&bob, &file).await;
    assert_eq!((again.streams, again.logs, again.entries, again.skipped), (0, 1, 0, 3));
    assert!(bob.verify().await.unwrap().is_sound());
}

#[tokio::test]
async fn an_import_adds_to_what_is_there() {
    let (ann, _) = local("ann").await;
    let (bob, _) = local("bob").await;
    let stream = notes(&ann).await;
    stream.append("ann 1").await.unwrap();
    imported(&bob, &exported(&ann).await).await;
    notes(&bob).await.append("bob 1").await.unwrap();
    stream.append("ann 2").await.unwrap();
    let more = imported(&bob, &exported(&ann).await).await;
    assert_eq!((more.entries, more.skipped), (1, 1));
    let mut texts = payloads(&notes(&bob).await).await;
    texts.sort();
    assert_eq!(texts, ["ann 1", "ann 2", "bob 1"]);
}

#[tokio::test]
async fn an_import_fills_holes_and_leaves_what_was_pruned() {
    let (ann, store) = local("ann").await;
    let stream = notes(&ann).await;
    let mut ids = Vec::new();
    for n in 0..12 {
        ids.push(stream.append(format!("{n:02}")).await.unwrap());
    }
    let (file, log) = (exported(&ann).await, ids[0].log);
    // Two holes, one of them of several runs, and a floor.
    for lost in [4, 8, 9, 10] {
        assert!(store.lose(log, lost));
    }
    assert_eq!(ann.repair().await.unwrap().report.gap_entries, 4);
    stream.set_retention(Retention::CountBased(6)).await.unwrap();
    assert_eq!(stream.compact().await.unwrap().entries, 2);
    stream.set_retention(Retention::KeepAll).await.unwrap();
    assert_eq!(payloads(&stream).await.len(), 6);
    let filled = imported(&ann, &file).await;
    assert_eq!((filled.entries, filled.skipped), (4, 8));
    assert_eq!(payloads(&stream).await, (2..12).map(|n| format!("{n:02}")).collect::<Vec<_>>());
    let report = ann.verify().await.unwrap();
    assert!(report.is_sound() && report.gaps == 0, "{report:?}");
    assert_eq!(imported(&ann, &file).await.entries, 0);
}

#[tokio::test]
async fn an_old_export_of_our_own_is_taken_and_we_write_on_in_another_log() {
    let (ann, _) = local("ann").await;
    let old = notes(&ann).await.append("before").await.unwrap();
    let file = exported(&ann).await;
    // The device is lost; a new one of the same name starts from the file.
    let (again, _) = local("ann").await;
    assert_eq!(imported(&again, &file).await.entries, 1);
    let stream = notes(&again).await;
    let new = stream.append("after").await.unwrap();
    assert_ne!(new.log, old.log, "it may have written more than the file says");
    assert_eq!(payloads(&stream).await, ["before", "after"]);
}

#[tokio::test]
async fn files_of_other_channels_and_damaged_ones_are_refused() {
    let (ann, _) = local("ann").await;
    notes(&ann).await.append_all(["one", "two"]).await.unwrap();
    let file = exported(&ann).await;
    let (bob, _) = local("bob").await;
    let other = bob.channel("other").await.unwrap();
    let refused = other.import(io::Cursor::new(file.clone())).await;
    assert!(
        matches!(refused, Err(Error::File(FileError::OtherChannel { found, .. })) if found.as_str() == "project")
    );
    assert_eq!(bob.channels().await.unwrap().len(), 1);

    // Cut before the totals: what came before is there, and the error says that something is missing.
    let cut = file[..file.len() - 1].to_vec();
    let told = bob.import(io::Cursor::new(cut)).await;
    assert!(matches!(told, Err(Error::File(FileError::Truncated))), "{told:?}");
    assert_eq!(payloads(&notes(&bob).await).await, ["one", "two"]);
    let unknown = ann.channel("gone").await.unwrap();
    ann.remove_channel("gone").await.unwrap();
    let refused = unknown.export(Vec::new()).await;
    assert!(matches!(refused, Err(Error::Command(CommandError::UnknownChannel(_)))));
}

/// Takes so many bytes and then no more.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_writer_that_fails_is_told() {
    let (node, _) = local("ann").await;
    let stream = notes(&node).await;
    for _ in 0..200 {
        stream.append(vec![7; 1000]).await.unwrap();
    }
    let channel = node.channel("project").await.unwrap();
    for room in [0, 10, 100, 60_000] {
        let failed = soon("export", channel.export(Full(room))).await.map(|(told, _)| told);
        assert!(
            matches!(&failed, Err(Error::File(FileError::Io(error))) if error.kind() == io::ErrorKind::StorageFull),
            "{failed:?}"
        );
    }
}

#[tokio::test]
async fn floors_and_gaps_travel() {
    let (ann, store) = local("ann").await;
    notes(&ann).await;
    ann.shutdown().await.unwrap();
    let mut cid = LogWriter::new("project", "notes", "cid");
    let mut batch = vec![cid.run(4)];
    cid.run(4);
    batch.push(cid.adopt());
    batch.push(cid.run(2));
    cid.run(3);
    batch.push(cid.adopt());
    store.commit(&batch, &Default::default()).await.unwrap();
    store.prune(&[(cid.id(), 2)]).await.unwrap();
    let ann = on("ann", store).await;
    let (bob, held) = local("bob").await;
    let told = imported(&bob, &exported(&ann).await).await;
    assert_eq!((told.entries, told.skipped), (4, 0));
    let head = held.heads(&Scope::Log(cid.id()), None, 1).await.unwrap().items.remove(0);
    let gaps: Vec<_> = head.gaps.iter().map(|gap| (gap.first, gap.last)).collect();
    assert_eq!((head.floor, head.height, gaps), (2, 13, vec![(5, 8), (11, 13)]));
    assert_eq!(head.hash, cid.hash());
    assert!(bob.verify().await.unwrap().is_sound());
    assert_eq!(imported(&bob, &exported(&ann).await).await.entries, 0);
    // And from the copy again.
    let (dan, _) = local("dan").await;
    imported(&dan, &exported(&bob).await).await;
    assert_eq!(payloads(&notes(&dan).await).await, payloads(&notes(&ann).await).await);
}

#[tokio::test]
async fn usage_tells_what_is_held_and_what_the_store_did() {
    let (node, store) = local("ann").await;
    notes(&node).await.append_all(["one", "two"]).await.unwrap();
    let usage = node.resource_usage().await.unwrap();
    assert_eq!((usage.channels, usage.streams, usage.logs, usage.entries), (1, 1, 1, 2));
    assert_eq!(usage.store, store.stats().await.unwrap());
    let mut usage = usage;
    (usage.store.committed_bytes, usage.store.written_bytes) = (100, 250);
    assert_eq!(usage.write_amplification(), Some(2.5));
    usage.store.written_bytes = 0;
    assert_eq!(usage.write_amplification(), None, "an engine that does not tell");
}

/// One step in the life of two nodes.
#[derive(Debug, Clone)]
enum Step {
    Append {
        by: bool,
        stream: u8,
        payloads: Vec<u8>,
    },
    Erase {
        by: bool,
        at: usize,
    },
    Keep {
        by: bool,
        newest: u64,
    },
    /// The other one takes in what this one has.
    Pass {
        from: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let payloads = || prop::collection::vec(any::<u8>(), 1..20);
    prop_oneof![
        4 => (any::<bool>(), 0..3_u8, payloads())
            .prop_map(|(by, stream, payloads)| Step::Append { by, stream, payloads }),
        2 => (any::<bool>(), any::<usize>()).prop_map(|(by, at)| Step::Erase { by, at }),
        1 => (any::<bool>(), 0..9_u64).prop_map(|(by, newest)| Step::Keep { by, newest }),
        2 => any::<bool>().prop_map(|from| Step::Pass { from }),
    ]
}

async fn stream(node: &Coordinator, number: u8) -> EventStream {
    node.channel("project").await.unwrap().stream(format!("s{number}")).await.unwrap()
}

type Seen = Vec<(EntryId, u64, Option<Vec<u8>>)>;

async fn seen(node: &Coordinator) -> Vec<(String, Seen)> {
    let mut all = Vec::new();
    for number in 0..3 {
        let stream = stream(node, number).await;
        let entries = stream.read_all().await.unwrap().collect().await.unwrap();
        let entries = entries
            .iter()
            .map(|entry| (entry.id(), entry.stamp().bits(), entry.bytes().map(|bytes| bytes.to_vec())));
        all.push((format!("{:?}", stream.version().await.unwrap()), entries.collect()));
    }
    all
}

async fn live(nodes: &[Coordinator; 2], step: &Step) {
    match step {
        Step::Append { by, stream: number, payloads } => {
            let payloads = payloads.iter().map(|byte| vec![*byte; usize::from(*byte) * 3]);
            stream(&nodes[usize::from(*by)], *number).await.append_all(payloads).await.unwrap();
        }
        Step::Erase { by, at } => {
            let stream = stream(&nodes[usize::from(*by)], 0).await;
            let entries = stream.read_all().await.unwrap().collect().await.unwrap();
            if !entries.is_empty() {
                stream.erase(entries[at % entries.len()].id()).await.unwrap();
            }
        }
        Step::Keep { by, newest } => {
            let stream = stream(&nodes[usize::from(*by)], 1).await;
            stream.set_retention(Retention::CountBased(*newest)).await.unwrap();
            stream.compact().await.unwrap();
            // So that what is passed on later is not dropped by itself.
            stream.set_retention(Retention::KeepAll).await.unwrap();
        }
        Step::Pass { from } => {
            let file = exported(&nodes[usize::from(*from)]).await;
            imported(&nodes[usize::from(!*from)], &file).await;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever two nodes did: a third that imports what one of them exports reads the same.
    #[test]
    fn a_copy_reads_like_its_source(steps in prop::collection::vec(step(), 1..14)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let nodes = [local("ann").await.0, local("bob").await.0];
            for step in &steps {
                live(&nodes, step).await;
            }
            for (at, source) in nodes.iter().enumerate() {
                // All streams exist, whatever happened.
                seen(source).await;
                let copy = local("cid").await.0;
                let told = imported(&copy, &exported(source).await).await;
                assert_eq!((told.streams, told.skipped), (3, 0), "node {at}");
                assert_eq!(seen(&copy).await, seen(source).await, "node {at}");
                assert_eq!(imported(&copy, &exported(source).await).await.entries, 0, "node {at}");
                let (ours, theirs) = (copy.verify().await.unwrap(), source.verify().await.unwrap());
                assert!(ours.is_sound() && theirs.is_sound(), "{ours:?} {theirs:?}");
                assert_eq!((ours.entries, ours.hollow, ours.gaps), (theirs.entries, theirs.hollow, theirs.gaps));
            }
        });
    }
}
