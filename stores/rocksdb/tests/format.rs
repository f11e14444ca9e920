//! The format: the rows are those of every engine, and lie where they always lay.

mod common;

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};

use common::{database, open};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use gossip_core::proto::{Arrival, Scope, StoreIncarnation};
use gossip_core::{EntryRepository, NodeRepository, SnapshotRepository};
use gossip_store_kv::{Edits, Engine, Order, Span, Table, View};
use gossip_store_rocksdb::{RocksdbStore, Settings};

const FORMAT_2: &str = include_str!("../../kv/golden/format-2.txt");
const FORMAT_3: &str = include_str!("../../kv/golden/format-3.txt");

/// The rows as text: the name of a table, then key and value of each row in it.
fn dump(place: &Path) -> String {
    let hex = |bytes: &[u8]| bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    let engine = open(place, Settings::default()).expect("it opens");
    let view = engine.view().expect("a view");
    let (mut tables, mut text) = (Table::ALL, String::new());
    tables.sort_by_key(|table| table.name());
    for table in tables {
        writeln!(text, "{}", table.name()).expect("written");
        let mut rows = view.scan(table, &Span::all(), Order::Up).expect("rows");
        while let Some((key, value)) = rows.next().expect("a row") {
            writeln!(text, "  {} {}", hex(key), hex(value)).expect("written");
        }
    }
    text
}

/// Lays the rows of a text into a new database.
fn lay_rows(text: &str, place: &Path) {
    let bytes = |text: &str| -> Vec<u8> {
        let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).expect("digits"));
        pairs.map(|pair| u8::from_str_radix(pair, 16).expect("digits")).collect()
    };
    let (mut edits, mut table) = (Edits::default(), None);
    for line in text.lines() {
        match line.strip_prefix("  ").and_then(|row| row.split_once(' ')) {
            Some((key, value)) => edits.put(table.expect("a table first"), bytes(key), bytes(value)),
            None => table = Table::ALL.into_iter().find(|table| table.name() == line),
        }
    }
    let engine = open(place, Settings::default()).expect("a new engine");
    engine.apply(edits, true).expect("applied");
    engine.close().expect("closed");
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/format-3.rocksdb.gz")
}

/// Each file of a database: its name and its size, each on a line, then its bytes.
fn pack(place: &Path) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    let files = fs::read_dir(database(place)).expect("listed").map(|file| file.expect("a file").path());
    let kept = |name: &str| !name.starts_with("LOG") && name != "LOCK";
    for file in files {
        let name = file.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        if kept(&name) {
            let bytes = fs::read(&file).expect("read");
            write!(packed, "{name}\n{}\n", bytes.len()).expect("packed");
            packed.write_all(&bytes).expect("packed");
        }
    }
    packed.finish().expect("packed")
}

fn unpack(packed: &[u8], place: &Path) {
    let mut all = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut all).expect("it unpacks");
    fs::create_dir(database(place)).expect("made");
    let mut rest = &all[..];
    while !rest.is_empty() {
        let mut parts = rest.splitn(3, |byte| *byte == b'\n');
        let mut line = || std::str::from_utf8(parts.next().expect("a line")).expect("text");
        let (name, len) = (line(), line().parse().expect("a size"));
        let (bytes, behind) = parts.next().expect("bytes").split_at(len);
        fs::write(database(place).join(name), bytes).expect("written");
        rest = behind;
    }
}

#[tokio::test]
async fn a_store_of_format_2_is_brought_up_to_date() {
    let place = tempfile::tempdir().unwrap();
    lay_rows(FORMAT_2, place.path());
    let store = RocksdbStore::open(place.path()).unwrap();
    assert_eq!(store.last_arrival().await.unwrap(), Arrival(16));
    assert_eq!(store.incarnation().await.unwrap(), StoreIncarnation(383_478_091_816_639_257));
    let rows = store.arrivals(&Scope::All, Arrival(0), usize::MAX).await.unwrap().items;
    assert_eq!(rows.iter().map(|row| row.range.count()).sum::<u64>(), 16);
    drop(store);
    assert_eq!(dump(place.path()), FORMAT_3);
    if std::env::var_os("WRITE_GOLDEN").is_some() {
        fs::create_dir_all(golden().parent().unwrap()).unwrap();
        fs::write(golden(), pack(place.path())).unwrap();
    }
}

/// When this fails the format changed: raise it, and say how a store of this one becomes a new one.
#[tokio::test]
async fn a_store_of_format_3_stays_as_it_is() {
    let place = tempfile::tempdir().unwrap();
    unpack(&fs::read(golden()).unwrap(), place.path());
    assert_eq!(dump(place.path()), FORMAT_3);
    let store = RocksdbStore::open(place.path()).unwrap();
    assert_eq!(store.heads(&Scope::All, None, 9).await.unwrap().items.len(), 3);
    assert_eq!(store.load_snapshot("view").await.unwrap().unwrap(), "state");
    drop(store);
    assert_eq!(dump(place.path()), FORMAT_3);
}
