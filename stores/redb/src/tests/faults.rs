//! Failing disks: what the caller is told, and that service resumes.

use std::path::Path;
use std::sync::Arc;

use gossip_core::proto::{Durability, Fault, Meta};
use gossip_core::{EntryRepository, NodeRepository};
use gossip_testkit::fixture::LogWriter;
use gossip_testkit::store::{FaultSwitch, Moment};

use super::laws::exposed;
use super::weather::Weather;
use crate::RedbStore;

fn store(directory: &Path) -> (RedbStore, Arc<Weather>) {
    let weather = Arc::default();
    (RedbStore::with_opener(exposed(directory, &weather), Durability::Sync).unwrap(), weather)
}

#[tokio::test]
async fn a_full_disk_is_told_and_nothing_was_written() {
    let place = tempfile::tempdir().unwrap();
    let (store, weather) = store(place.path());
    let mut ann = LogWriter::new("c", "s", "ann");
    store.commit(&[ann.run(1)], &Meta::default()).await.unwrap();
    weather.fail(Moment::Space).unwrap();
    let item = ann.run(1);
    let error = store.commit(std::slice::from_ref(&item), &Meta::default()).await.unwrap_err();
    assert_eq!(error.fault, Fault::Full, "{error}");
    weather.heal();
    assert_eq!(store.last_arrival().await.unwrap().0, 1);
    store.commit(&[item], &Meta::default()).await.unwrap();
    assert_eq!(store.last_arrival().await.unwrap().0, 2);
}

#[tokio::test]
async fn a_failed_sync_leaves_the_outcome_open_and_service_resumes() {
    let place = tempfile::tempdir().unwrap();
    let (store, weather) = store(place.path());
    let mut ann = LogWriter::new("c", "s", "ann");
    store.commit(&[ann.run(1)], &Meta::default()).await.unwrap();
    weather.fail(Moment::Sync).unwrap();
    let item = ann.run(1);
    let error = store.commit(std::slice::from_ref(&item), &Meta::default()).await.unwrap_err();
    assert_eq!(error.fault, Fault::Unknown, "{error}");
    weather.heal();
    let height = store.read(ann.id(), 1, usize::MAX).await.unwrap().last().unwrap().run.last();
    assert!(height == 1 || height == 2);
    store.commit(&[item], &Meta::default()).await.unwrap();
    assert_eq!(store.last_arrival().await.unwrap().0, 2, "once, however it had come out");
}

#[tokio::test]
async fn while_it_cannot_be_opened_again_callers_are_told_to_come_back() {
    let place = tempfile::tempdir().unwrap();
    let (store, weather) = store(place.path());
    let (file, away) = (place.path().join(crate::FILE_NAME), place.path().join("away"));
    weather.fail(Moment::Sync).unwrap();
    assert!(store.mark_open().await.is_err());
    std::fs::rename(&file, &away).unwrap();
    for _ in 0..2 {
        assert_eq!(store.incarnation().await.unwrap_err().fault, Fault::Transient);
    }
    std::fs::rename(&away, &file).unwrap();
    weather.heal();
    store.incarnation().await.unwrap();
    store.mark_open().await.unwrap();
    assert!(store.mark_open().await.unwrap());
}
