//! Laws of the arrival order.

use bytes::Bytes;
use gossip_core::Store;
use gossip_proto::{Arrival, ChannelId, LogId, Scope, Seq};

use super::StoreHarness;
use super::expect::{PLENTY, commit, numbered, numbers, rows, short_rows};
use crate::fixture::{LogWriter, stored};

/// New entries are numbered consecutively in the order of the batch.
pub async fn numbers_are_consecutive_in_batch_order<H: StoreHarness>(place: H) {
    let store = place.open().await;
    assert_eq!(store.last_arrival().await.unwrap(), Arrival(0));
    let (mut ann, mut bob) = (LogWriter::new("c", "s", "ann"), LogWriter::new("c", "t", "bob"));
    let one = commit(&*store, &[ann.run(3), bob.run(2), ann.run(1)]).await;
    assert_eq!(one.arrivals, [Some(Arrival(1)), Some(Arrival(4)), Some(Arrival(6))]);
    let two = commit(&*store, &[bob.adopt(), bob.run(4)]).await;
    assert_eq!(two.arrivals, [None, Some(Arrival(7))]);
    assert_eq!(store.last_arrival().await.unwrap(), Arrival(10));
}

struct Four {
    logs: [LogWriter; 4],
}

/// Rows 1, 2 and 3, 4, 5 and 6, 7, then one more of the first log.
async fn four_logs(store: &dyn Store) -> Four {
    let mut logs = [("c", "s", "ann"), ("c", "t", "ann"), ("d", "s", "ann"), ("c", "s", "bob")]
        .map(|(channel, stream, author)| LogWriter::new(channel, stream, author));
    let mut batch: Vec<_> = logs.iter_mut().zip([1, 2, 1, 2]).map(|(log, count)| log.run(count)).collect();
    commit(store, &batch).await;
    batch = vec![logs[0].run(1)];
    commit(store, &batch).await;
    Four { logs }
}

/// Every scope sees its own rows, in the order of arrival.
pub async fn each_scope_sees_its_own_in_order<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let Four { logs } = four_logs(&*store).await;
    let [a, b, c, d] = logs.each_ref().map(LogWriter::id);
    let all = [(1, a, 1, 1), (2, b, 1, 2), (4, c, 1, 1), (5, d, 1, 2), (7, a, 2, 2)];
    assert_eq!(short_rows(&*store, &Scope::All, 0).await, all);
    let channel = Scope::Channel(ChannelId::new("c").unwrap());
    assert_eq!(short_rows(&*store, &channel, 0).await, [all[0], all[1], all[3], all[4]]);
    assert_eq!(short_rows(&*store, &logs[0].stream(), 0).await, [all[0], all[3], all[4]]);
    assert_eq!(short_rows(&*store, &Scope::Log(a), 0).await, [all[0], all[4]]);
    assert_eq!(short_rows(&*store, &channel, 4).await, [all[3], all[4]]);
    assert_eq!(short_rows(&*store, &LogWriter::new("c", "no", "x").stream(), 0).await, []);
}

/// A row in whose middle `after` stands is returned without what came before.
pub async fn a_page_begins_in_the_middle_of_a_row<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let item = ann.run(4);
    commit(&*store, std::slice::from_ref(&item)).await;
    for scope in [Scope::All, ann.stream(), Scope::Log(ann.id())] {
        assert_eq!(short_rows(&*store, &scope, 2).await, [(3, ann.id(), 3, 4)]);
        assert_eq!(rows(&*store, &scope, 3).await[0].runs, [stored(&item)]);
        assert_eq!(short_rows(&*store, &scope, 4).await, []);
        assert_eq!(short_rows(&*store, &scope, u64::MAX).await, []);
    }
}

/// Pages of every size, from every place, join to the whole: nothing is lost and nothing doubled,
/// however long rows are cut and neighbours joined.
pub async fn pages_join_to_the_whole<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let Four { mut logs } = four_logs(&*store).await;
    for _ in 0..5 {
        let batch: Vec<_> = logs.iter_mut().map(|log| log.run(3)).collect();
        commit(&*store, &batch).await;
    }
    let channel = Scope::Channel(ChannelId::new("c").unwrap());
    for scope in [Scope::All, channel, logs[1].stream(), Scope::Log(logs[0].id())] {
        let whole = numbered(&*store, &scope, 0).await;
        for (budget, from) in
            [0, 1, 300, 1000, usize::MAX].into_iter().flat_map(|b| [(b, 0), (b, 3), (b, 30)])
        {
            let (joined, pages) = walk(&*store, &scope, from, budget).await;
            let rest: Vec<_> = whole.iter().copied().filter(|(number, ..)| *number > from).collect();
            assert_eq!(joined, rest, "budget {budget}");
            assert!(budget < usize::MAX || pages == 1, "a huge budget takes all");
        }
    }
}

/// A row made of many runs may come in parts; together they carry every run, at any budget.
pub async fn a_long_row_comes_whole_or_in_parts<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let batch: Vec<_> = (0..20).map(|_| ann.run_of(&[Bytes::from(vec![7; 500]), "short".into()])).collect();
    commit(&*store, &batch).await;
    let stored: Vec<_> = batch.iter().map(stored).collect();
    for from in [0, 1, 2, 21, 39] {
        for budget in [0, 1, 600, 5000, usize::MAX] {
            let (mut after, mut runs) = (Arrival(from), Vec::new());
            loop {
                let page = store.arrivals(&ann.stream(), after, budget).await.unwrap();
                runs.extend(page.items.into_iter().flat_map(|row| row.runs));
                let Some(next) = page.next else { break };
                after = next;
            }
            assert_eq!(runs, stored[from as usize / 2..], "from {from}, budget {budget}");
        }
    }
}

/// Walks pages to the end; returns the entries and how many pages there were.
async fn walk(store: &dyn Store, scope: &Scope, from: u64, budget: usize) -> (Vec<(u64, LogId, Seq)>, usize) {
    let (mut joined, mut after, mut pages) = (Vec::new(), Arrival(from), 0);
    loop {
        let page = store.arrivals(scope, after, budget).await.unwrap();
        pages += 1;
        assert!(!page.items.is_empty() || page.next.is_none(), "at least one row a page");
        assert!(budget > 1 || page.items.len() <= 1, "a tiny budget gives one row a page");
        joined.extend(page.items.iter().flat_map(numbers));
        let Some(next) = page.next else { break };
        assert!(next > after, "pages advance");
        after = next;
    }
    (joined, pages)
}

/// `next` is `None` exactly when nothing more is stored now.
pub async fn the_end_is_told<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let empty = store.arrivals(&Scope::All, Arrival(0), PLENTY).await.unwrap();
    assert!(empty.items.is_empty() && empty.next.is_none());
    let (mut ann, mut bob) = (LogWriter::new("c", "s", "ann"), LogWriter::new("c", "t", "bob"));
    commit(&*store, &[ann.run(2), bob.run(2)]).await;
    let page = store.arrivals(&ann.stream(), Arrival(0), 1).await.unwrap();
    assert_eq!((page.items.len(), page.next), (1, None), "the rest is outside the scope");
    let page = store.arrivals(&Scope::All, Arrival(0), 1).await.unwrap();
    assert_eq!((page.items.len(), page.next), (1, Some(Arrival(2))));
}
