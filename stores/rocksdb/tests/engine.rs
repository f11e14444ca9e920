//! The engine alone: rows, ranges, snapshots, and what is left of them after damage.

mod common;

use std::fs;
use std::path::Path;

use common::{batch, copy, log_file, log_files, number_of, open, rows, table_files, with_batches};
use gossip_core::proto::Fault;
use gossip_store_kv::{Edit, Edits, Engine, Order, Span, Table, View};
use gossip_store_rocksdb::{Compression, RocksdbEngine, Settings};

const SETTINGS: Settings = Settings { memory: 8 << 20, compression: Compression::Lz4 };

fn scanned(engine: &RocksdbEngine, table: Table, span: &Span, order: Order) -> Vec<Vec<u8>> {
    let view = engine.view().expect("a view");
    let mut rows = view.scan(table, span, order).expect("a scan");
    let mut keys = Vec::new();
    while let Some((key, _)) = rows.next().expect("a row") {
        keys.push(key.to_vec());
    }
    assert!(rows.next().expect("the end").is_none(), "and stays at its end");
    keys
}

#[test]
fn tables_do_not_see_each_other() {
    let place = tempfile::tempdir().unwrap();
    let engine = open(place.path(), SETTINGS).unwrap();
    let mut edits = Edits::default();
    for table in Table::ALL {
        for key in [&b""[..], b"\0", b"a", b"b\0", b"b\xff", b"\xff\xff\xff"] {
            edits.put(table, key, [key, table.name().as_bytes()].concat());
        }
    }
    engine.apply(edits, true).unwrap();
    for table in Table::ALL {
        let all = scanned(&engine, table, &Span::all(), Order::Up);
        assert_eq!(all, [&b""[..], b"\0", b"a", b"b\0", b"b\xff", b"\xff\xff\xff"], "{table:?}");
        let mut down = scanned(&engine, table, &Span::all(), Order::Down);
        down.reverse();
        assert_eq!(down, all, "{table:?}");
        let value = engine.view().unwrap().get(table, b"a").unwrap().unwrap().to_vec();
        assert_eq!(value, [b"a", table.name().as_bytes()].concat());
    }
}

#[test]
fn spans_include_what_they_say() {
    let place = tempfile::tempdir().unwrap();
    let engine = open(place.path(), SETTINGS).unwrap();
    let mut edits = Edits::default();
    for table in [Table::Runs, Table::Heads] {
        for key in [b"a", b"b", b"c", b"d"] {
            edits.put(table, key, &b"v"[..]);
        }
    }
    engine.apply(edits, false).unwrap();
    use std::ops::Bound::{Excluded, Included, Unbounded};
    let b = || b"b".to_vec();
    let d = || b"d".to_vec();
    let cases: [(Span, &str); 8] = [
        (Span { start: Included(b()), end: Included(d()) }, "bcd"),
        (Span { start: Included(b()), end: Excluded(d()) }, "bc"),
        (Span { start: Excluded(b()), end: Excluded(d()) }, "c"),
        (Span { start: Excluded(b()), end: Unbounded }, "cd"),
        (Span { start: Unbounded, end: Included(b()) }, "ab"),
        (Span { start: Unbounded, end: Excluded(b()) }, "a"),
        (Span { start: Included(d()), end: Excluded(b()) }, ""),
        (Span { start: Excluded(b()), end: Excluded(b()) }, ""),
    ];
    for table in [Table::Runs, Table::Heads] {
        for (span, wanted) in &cases {
            let up = scanned(&engine, table, span, Order::Up).concat();
            assert_eq!(String::from_utf8(up).unwrap(), *wanted, "{span:?}");
            let mut down = scanned(&engine, table, span, Order::Down);
            down.reverse();
            assert_eq!(down.concat(), wanted.as_bytes(), "{span:?} down");
        }
    }
}

#[test]
fn edits_are_applied_in_order_and_seen_by_later_views_only() {
    let place = tempfile::tempdir().unwrap();
    let engine = open(place.path(), SETTINGS).unwrap();
    let before = engine.view().unwrap();
    let mut edits = Edits::default();
    for key in [b"a", b"b", b"c"] {
        edits.put(Table::Runs, key, &b"1"[..]);
    }
    edits.delete_range(Table::Runs, b"a", b"c");
    edits.put(Table::Runs, b"b", &b"2"[..]);
    edits.delete(Table::Runs, b"c");
    edits.delete_range(Table::Runs, b"z", b"a");
    engine.apply(edits, true).unwrap();
    assert!(before.get(Table::Runs, b"b").unwrap().is_none());
    assert!(before.scan(Table::Runs, &Span::all(), Order::Up).unwrap().next().unwrap().is_none());
    drop(before);
    assert_eq!(scanned(&engine, Table::Runs, &Span::all(), Order::Up), [b"b"]);
    assert_eq!(&*engine.view().unwrap().get(Table::Runs, b"b").unwrap().unwrap(), b"2");
}

#[test]
fn a_log_cut_anywhere_opens_with_the_batches_before() {
    for synced in [true, false] {
        let place = tempfile::tempdir().unwrap();
        let engine = with_batches(place.path(), synced, 12);
        let whole = fs::read(log_file(place.path())).unwrap();
        let mut most = 0;
        for part in 0..=24 {
            let cut = copy(place.path());
            let length = whole.len() * part / 24;
            fs::write(log_file(cut.path()), &whole[..length]).unwrap();
            let found = rows(&open(cut.path(), SETTINGS).unwrap()).unwrap();
            assert!(found >= most, "{found} batches of {length} bytes, {most} of fewer");
            most = found;
        }
        assert_eq!(most, 12);
        drop(engine);
    }
}

#[test]
fn a_flipped_bit_in_the_log_never_loses_a_synced_batch_silently() {
    let place = tempfile::tempdir().unwrap();
    let engine = with_batches(place.path(), true, 12);
    let whole = fs::read(log_file(place.path())).unwrap();
    let mut refused = 0;
    for at in flips(whole.len()) {
        let spoilt = copy(place.path());
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(log_file(spoilt.path()), bytes).unwrap();
        match open(spoilt.path(), SETTINGS) {
            // The last one looks like one that was being written when the power went.
            Ok(engine) => assert!(rows(&engine).unwrap() >= 11, "a bit of byte {at}"),
            Err(error) => {
                assert_eq!(error.fault, Fault::Corrupt, "{error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 30, "only {refused} refused");
    drop(engine);
}

#[test]
fn a_flipped_bit_in_an_unsynced_log_ends_it_there() {
    let place = tempfile::tempdir().unwrap();
    let engine = with_batches(place.path(), false, 12);
    let whole = fs::read(log_file(place.path())).unwrap();
    let mut short = 0;
    for at in flips(whole.len()).step_by(3) {
        let spoilt = copy(place.path());
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(log_file(spoilt.path()), bytes).unwrap();
        let engine = open(spoilt.path(), SETTINGS).unwrap();
        short += usize::from(rows(&engine).unwrap() < 12);
    }
    assert!(short > 5, "only {short} were cut short");
    drop(engine);
}

#[test]
fn an_older_log_that_was_cut_is_damage() {
    let place = tempfile::tempdir().unwrap();
    let settings = Settings { memory: 4 << 20, ..SETTINGS };
    let engine = open(place.path(), settings).unwrap();
    for n in 0..40 {
        engine.apply(batch(n, 100_000), true).unwrap();
    }
    let kept = copy(place.path());
    let logs = log_files(kept.path());
    assert!(logs.len() > 1, "one log only");
    for log in &logs[..logs.len() - 1] {
        let spoilt = copy(kept.path());
        let log = common::database(spoilt.path()).join(log.file_name().unwrap());
        let length = fs::metadata(&log).unwrap().len();
        fs::OpenOptions::new().write(true).open(&log).unwrap().set_len(length / 2).unwrap();
        let error = open(spoilt.path(), settings).expect_err("half a log is missing");
        assert_eq!(error.fault, Fault::Corrupt, "{error}");
    }
    assert_eq!(number_of(&open(kept.path(), settings).unwrap(), Table::Runs).unwrap(), 40);
    drop(engine);
}

/// Offsets all over a file, and all of its beginning.
fn flips(length: usize) -> impl Iterator<Item = usize> {
    (0..24).chain((24..length).step_by(length / 40))
}

#[test]
fn a_zeroed_page_in_the_log_is_damage() {
    let place = tempfile::tempdir().unwrap();
    let engine = with_batches(place.path(), true, 40);
    let whole = fs::read(log_file(place.path())).unwrap();
    for page in [0, 1, 8, whole.len() / 4096 / 2] {
        let spoilt = copy(place.path());
        let mut bytes = whole.clone();
        bytes[page * 4096..(page + 1) * 4096].fill(0);
        fs::write(log_file(spoilt.path()), bytes).unwrap();
        let error = open(spoilt.path(), SETTINGS).expect_err("a page is missing");
        assert_eq!(error.fault, Fault::Corrupt, "page {page}: {error}");
    }
    drop(engine);
}

#[test]
fn zeros_behind_the_log_are_no_damage() {
    let place = tempfile::tempdir().unwrap();
    let engine = with_batches(place.path(), true, 5);
    let padded = copy(place.path());
    let mut bytes = fs::read(log_file(padded.path())).unwrap();
    bytes.resize(bytes.len() + 100_000, 0);
    fs::write(log_file(padded.path()), bytes).unwrap();
    assert_eq!(rows(&open(padded.path(), SETTINGS).unwrap()).unwrap(), 5);
    drop(engine);
}

#[test]
fn a_damaged_table_is_told_when_it_is_opened_or_read_and_never_read_wrongly() {
    let place = tempfile::tempdir().unwrap();
    drop(with_batches(place.path(), true, 30));
    // What was in the log is put into tables when the database is opened again.
    drop(open(place.path(), SETTINGS).unwrap());
    let mut told = 0;
    for name in table_files(place.path()) {
        let whole = fs::read(&name).unwrap();
        for at in (0..whole.len()).step_by(whole.len() / 12 + 1) {
            let spoilt = copy(place.path());
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            fs::write(common::database(spoilt.path()).join(name.file_name().unwrap()), bytes).unwrap();
            let fault = match open(spoilt.path(), SETTINGS) {
                Ok(engine) => rows(&engine).err().map(|failure| failure.fault()),
                Err(error) => Some(error.fault),
            };
            assert!(matches!(fault, None | Some(Fault::Corrupt)), "{fault:?} at {at}");
            told += usize::from(fault.is_some());
        }
    }
    assert!(told > 10, "only {told} of the damages were noticed");
}

#[test]
fn missing_files_are_told() {
    let place = tempfile::tempdir().unwrap();
    drop(with_batches(place.path(), true, 5));
    drop(open(place.path(), SETTINGS).unwrap());
    for name in fs::read_dir(common::database(place.path())).unwrap() {
        let name = name.unwrap().file_name().into_string().unwrap();
        if !["MANIFEST", ".sst", ".blob"].iter().any(|part| name.contains(part)) {
            continue;
        }
        let spoilt = copy(place.path());
        fs::remove_file(common::database(spoilt.path()).join(&name)).unwrap();
        let opened =
            open(spoilt.path(), SETTINGS).map(|engine| rows(&engine).map_err(|failure| failure.fault()));
        let fault = opened.map_or_else(|error| Some(error.fault), Result::err);
        assert_eq!(fault, Some(Fault::Corrupt), "{name}");
    }
}

#[test]
fn stats_tell_what_is_taken() {
    let place = tempfile::tempdir().unwrap();
    let engine = open(place.path(), SETTINGS).unwrap();
    let before = engine.stats().unwrap();
    let mut edits = Edits::default();
    edits.put(Table::Runs, b"key", vec![7; 1 << 20]);
    engine.apply(edits, true).unwrap();
    let after = engine.stats().unwrap();
    assert!(after.disk_bytes >= before.disk_bytes + (1 << 20), "{after:?}");
    assert!(after.written_bytes >= before.written_bytes + (1 << 20), "{after:?}");
    assert!(after.memory_bytes >= 1 << 20, "{after:?}");
    assert!(after.memory_bytes <= 16 << 20, "{after:?}");
}

/// Waits for a background job, without a clock of its own to depend on.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = std::time::Instant::now();
    while !holds() {
        assert!(begin.elapsed().as_secs() < 60, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn space_of_a_removed_range_comes_back_while_writing_goes_on() {
    let place = tempfile::tempdir().unwrap();
    let engine = open(place.path(), SETTINGS).unwrap();
    for n in 0..20_u64 {
        engine.apply(batch(n, 1 << 20), false).unwrap();
    }
    drop(engine);
    let engine = open(place.path(), SETTINGS).unwrap();
    let full = engine.stats().unwrap().disk_bytes;
    assert!(full > 20 << 20, "{full}");
    let mut edits = Edits::default();
    edits.delete_range(Table::Runs, 0_u64.to_be_bytes(), 18_u64.to_be_bytes());
    engine.apply(edits, true).unwrap();
    let mut n = 20;
    eventually("the space comes back", || {
        engine.apply(batch(n, 100), false).unwrap();
        n += 1;
        engine.stats().unwrap().disk_bytes < full / 2
    });
    assert_eq!(number_of(&engine, Table::Runs).unwrap(), n as usize - 18);
}

/// Every file of large runs keeps something: what is in use has to be moved.
#[test]
fn space_comes_back_from_files_others_are_still_in() {
    const OTHERS: u64 = 1000;
    let place = tempfile::tempdir().unwrap();
    let engine = open(place.path(), SETTINGS).unwrap();
    for n in 0..40_u64 {
        engine.apply(batch(n / 2 + n % 2 * OTHERS, 256 << 10), false).unwrap();
    }
    drop(engine);
    let engine = open(place.path(), SETTINGS).unwrap();
    let full = engine.stats().unwrap().disk_bytes;
    let mut edits = Edits::default();
    edits.delete_range(Table::Runs, 0_u64.to_be_bytes(), OTHERS.to_be_bytes());
    engine.apply(edits, true).unwrap();
    eventually("the space comes back", || engine.stats().unwrap().disk_bytes < full * 2 / 3);
    for n in OTHERS..OTHERS + 20 {
        let kept = engine.view().unwrap().get(Table::Runs, &n.to_be_bytes()).unwrap().map(|run| run.to_vec());
        let wanted = batch(n, 256 << 10);
        let Some(Edit::Put { value, .. }) = wanted.iter().next() else { panic!("{wanted:?}") };
        assert_eq!(kept.as_deref(), Some(&*value.joined()), "{n}");
    }
}

#[test]
fn closing_while_space_is_given_back_does_not_hang() {
    let place = tempfile::tempdir().unwrap();
    for round in 0..5_u64 {
        let engine = open(place.path(), SETTINGS).unwrap();
        for n in 0..4 {
            engine.apply(batch(round * 10 + n, 1 << 20), false).unwrap();
        }
        let mut edits = Edits::default();
        edits.delete_range(Table::Runs, 0_u64.to_be_bytes(), (round * 10 + 3).to_be_bytes());
        engine.apply(edits, true).unwrap();
        engine.close().unwrap();
    }
    assert_eq!(number_of(&open(place.path(), SETTINGS).unwrap(), Table::Runs).unwrap(), 1);
}

#[test]
fn a_database_of_someone_else_is_refused_and_left_alone() {
    let place = tempfile::tempdir().unwrap();
    let path = common::database(place.path());
    fs::create_dir_all(&path).unwrap();
    let mut options = rocksdb::Options::default();
    options.create_if_missing(true);
    {
        let theirs = rocksdb::DB::open(&options, &path).unwrap();
        theirs.put(b"key", b"value").unwrap();
    }
    refused(place.path(), "not of gossip");
    {
        let mut theirs = rocksdb::DB::open_cf(&options, &path, ["default", "runs"]).unwrap();
        assert_eq!(theirs.get(b"key").unwrap().unwrap(), b"value");
        theirs.create_cf("theirs", &options).unwrap();
    }
    refused(place.path(), "theirs");
}

fn refused(place: &Path, why: &str) {
    let error = open(place, SETTINGS).expect_err("it is not ours");
    assert_eq!(error.fault, Fault::Rejected, "{error}");
    assert!(error.to_string().contains(why), "{error}");
}
