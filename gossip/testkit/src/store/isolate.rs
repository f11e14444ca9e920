//! Laws of `isolate` where nothing is damaged.

use gossip_proto::LogId;

use super::StoreHarness;
use super::expect::{commit, everything};
use crate::fixture::LogWriter;

/// Sound, pruned, in a gap, above the height, of an unknown log: `None`, and nothing is dropped.
pub async fn what_is_sound_or_not_held_stays<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let (mut ann, mut bob) = (LogWriter::new("c", "s", "ann"), LogWriter::new("c", "s", "bob"));
    commit(&*store, &[ann.run(3), ann.run(2), bob.run(2)]).await;
    let _missed = ann.run(3);
    let adopt = ann.adopt();
    commit(&*store, &[adopt, ann.run(2)]).await;
    store.prune(&[(ann.id(), 2), (bob.id(), 2)]).await.unwrap();
    let before = everything(&*store).await;
    for at in (0..=13).chain([u64::MAX]) {
        for log in [ann.id(), bob.id(), LogId([9; 16])] {
            assert_eq!(store.isolate(log, at).await.unwrap(), None, "at {at}");
        }
    }
    assert_eq!(everything(&*store).await, before);
}
