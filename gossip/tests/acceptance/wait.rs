//! Waiting for what is claimed, never for time to pass.

use gossip::{Event, Events};
pub(crate) use gossip_testkit::wait::PATIENCE;
use tokio::time::timeout;

/// Looks again and again until it is so.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    gossip_testkit::wait::eventually(what, async || is_so().await.then_some(())).await;
}

/// The first event that fits.
pub(crate) async fn event<T>(events: &mut Events, what: &str, fits: impl Fn(&Event) -> Option<T>) -> T {
    let search = async {
        loop {
            let event = events.next_event().await.expect("the node ended");
            if let Some(found) = fits(&event) {
                return found;
            }
        }
    };
    timeout(PATIENCE, search).await.unwrap_or_else(|_| panic!("no event: {what}"))
}

/// Everything told up to and including the first event that fits.
pub(crate) async fn events_until(events: &mut Events, last: impl Fn(&Event) -> bool) -> Vec<Event> {
    let mut told = Vec::new();
    let search = async {
        loop {
            told.push(events.next_event().await.expect("the node ended"));
            if told.last().is_some_and(&last) {
                return;
            }
        }
    };
    timeout(PATIENCE, search).await.expect("the last event did not come");
    told
}
