//! A disk that is full, and has space again.
//!
//! The test runs itself again on a small file system of its own, which takes Linux with user
//! namespaces. Where they are not allowed it says so and proves nothing.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use common::{batch, number_of, open};
use gossip_core::proto::Fault;
use gossip_store_kv::{Engine, Table, View};
use gossip_store_rocksdb::{RocksdbEngine, Settings};

const PLACE: &str = "GOSSIP_SMALL_DISK";

#[test]
fn a_full_disk_is_told_reads_go_on_and_writes_resume_when_there_is_space() {
    match std::env::var_os(PLACE) {
        Some(place) => fill_and_free(&PathBuf::from(place)),
        None => on_a_small_disk(),
    }
}

fn on_a_small_disk() {
    let place = tempfile::tempdir().unwrap();
    let program = std::env::current_exe().unwrap();
    let mount = r#"mount -t tmpfs -o size=24m tmpfs "$0" || exit 77; exec "$1" --nocapture"#;
    let mut inner = Command::new("unshare");
    inner.args(["-rm", "sh", "-c", mount]).arg(place.path()).arg(program).env(PLACE, place.path());
    match inner.output() {
        Ok(output) if output.status.success() => {}
        Ok(output) if output.status.code() == Some(101) => {
            panic!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
        }
        other => println!("SKIPPED: no file system of our own: {other:?}"),
    }
}

fn fill_and_free(disk: &Path) {
    let ballast = disk.join("ballast");
    fs::write(&ballast, vec![1; 8 << 20]).unwrap();
    let settings = Settings { memory: 8 << 20, ..Settings::default() };
    let engine = open(disk, settings).unwrap();
    let (kept, failure) = fill(&engine);
    assert_eq!(failure.fault(), Fault::Full, "{failure:?}");
    assert!(!failure.needs_reopening(), "reads would end with it");
    assert_eq!(number_of(&engine, Table::Runs).unwrap(), kept as usize, "what was accepted is read");
    let again = engine.apply(batch(kept, 1000), true).expect_err("still full");
    assert_eq!(again.fault(), Fault::Full, "{again:?}");

    fs::remove_file(&ballast).unwrap();
    let begin = Instant::now();
    while let Err(failure) = engine.apply(batch(kept, 1000), true) {
        assert_eq!(failure.fault(), Fault::Full, "{failure:?}");
        assert!(begin.elapsed() < Duration::from_secs(60), "{failure:?}");
        std::thread::yield_now();
    }
    println!("resumed after {:?}", begin.elapsed());
    check(&engine, kept);
    drop(engine);
    check(&open(disk, settings).unwrap(), kept);
}

/// All that was accepted is there, and nothing else.
fn check(engine: &RocksdbEngine, kept: u64) {
    let view = engine.view().unwrap();
    for n in 0..=kept {
        assert!(view.get(Table::Runs, &n.to_be_bytes()).unwrap().is_some(), "{n} is lost");
    }
    assert_eq!(number_of(engine, Table::Runs).unwrap(), kept as usize + 1);
}

/// How many batches fitted, and what was said to the next.
fn fill(engine: &RocksdbEngine) -> (u64, gossip_store_kv::Failure) {
    for n in 0..1000 {
        if let Err(failure) = engine.apply(batch(n, 100_000), true) {
            return (n, failure);
        }
    }
    panic!("100 MB fit into 24");
}
