//! Laws of `remove`.

use gossip_core::Store;
use gossip_proto::{Arrival, ChannelId, Removed, Scope};

use super::StoreHarness;
use super::expect::{commit, find_head, sequences, short_rows};
use crate::fixture::LogWriter;

async fn three_logs(store: &dyn Store) -> [LogWriter; 3] {
    let mut logs = [("c", "s", "ann"), ("c", "s", "bob"), ("d", "s", "ann")]
        .map(|(channel, stream, author)| LogWriter::new(channel, stream, author));
    let batch: Vec<_> = logs.iter_mut().map(|log| log.run(2)).collect();
    commit(store, &batch).await;
    logs
}

/// Exactly the scope is taken away, and the answer counts it.
pub async fn takes_away_exactly_the_scope<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let logs = three_logs(&*store).await;
    let gone = store.remove(&Scope::Log(logs[0].id())).await.unwrap();
    assert_eq!(gone, Removed { logs: 1, entries: 2 });
    assert_eq!(find_head(&*store, logs[0].id()).await, None);
    assert!(sequences(&*store, logs[0].id()).await.is_empty());
    assert_eq!(sequences(&*store, logs[1].id()).await, [1, 2]);
    assert_eq!(store.remove(&logs[0].stream()).await.unwrap(), Removed { logs: 1, entries: 2 });
    assert_eq!(store.remove(&logs[0].stream()).await.unwrap(), Removed::default());
    assert_eq!(store.usage(&Scope::All).await.unwrap().logs, 1);
    let channel = Scope::Channel(ChannelId::new("d").unwrap());
    assert_eq!(store.remove(&channel).await.unwrap().logs, 1);
    three_logs(&*store).await;
    assert_eq!(store.remove(&Scope::All).await.unwrap(), Removed { logs: 3, entries: 6 });
    assert!(store.heads(&Scope::All, None, 10).await.unwrap().items.is_empty());
}

/// Arrival numbers are not used again, also not after reopening.
pub async fn never_reuses_arrival_numbers<H: StoreHarness>(place: H) {
    let store = place.open().await;
    three_logs(&*store).await;
    store.remove(&Scope::All).await.unwrap();
    assert_eq!(store.last_arrival().await.unwrap(), Arrival(6));
    drop(store);
    let store = place.open().await;
    let mut eve = LogWriter::new("c", "s", "eve");
    assert_eq!(commit(&*store, &[eve.run(1)]).await.arrivals, [Some(Arrival(7))]);
}

/// Rows of removed logs are gone, the others stay as they were.
pub async fn forgets_arrival_rows<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let logs = three_logs(&*store).await;
    let before = short_rows(&*store, &Scope::All, 0).await;
    store.remove(&Scope::Log(logs[0].id())).await.unwrap();
    assert_eq!(short_rows(&*store, &Scope::All, 0).await, before[1..]);
    assert_eq!(short_rows(&*store, &logs[0].stream(), 0).await, before[1..2]);
}

/// A removed log is unknown: it starts again from its root.
pub async fn a_removed_log_may_come_back<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let logs = three_logs(&*store).await;
    store.remove(&logs[0].stream()).await.unwrap();
    let mut again = LogWriter::new("c", "s", "ann");
    commit(&*store, &[again.run(1), again.run(2)]).await;
    assert_eq!(sequences(&*store, again.id()).await, [1, 2, 3]);
}
