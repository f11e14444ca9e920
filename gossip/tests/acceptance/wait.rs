//! Waiting for what is claimed, never for time to pass.

use std::time::Duration;

use gossip::{Event, Events};
use tokio::time::{Instant, sleep, timeout};

/// Far more than anything here needs, even on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const BEAT: Duration = Duration::from_millis(5);

/// Looks again and again until it is so.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < end, "still not so: {what}");
        sleep(BEAT).await;
    }
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
