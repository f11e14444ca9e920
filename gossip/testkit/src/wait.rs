//! Waiting for what is claimed, where nothing tells that it has happened.
//!
//! The one place where tests pause: what they ask for comes about in another task, thread or process, or
//! when an engine tries its disk again, and there is no notification to wait for. A wait ends as soon as
//! it is so; only a failure takes the whole patience.

use std::time::{Duration, Instant};

/// Far more than anything here needs, even on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks.
const BEAT: Duration = Duration::from_millis(5);

/// Asks again and again until there is an answer; in virtual time the pauses are virtual.
///
/// # Panics
/// When there is none within [`PATIENCE`].
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let end = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(tokio::time::Instant::now() < end, "still not so: {what}");
        tokio::time::sleep(BEAT).await;
    }
}

/// The same on a thread: `None` when there is no answer within `limit`, or an error as soon as there is one.
///
/// # Errors
/// Whatever asking fails with.
pub fn eventually_blocking<T, E>(
    limit: Duration,
    mut ask: impl FnMut() -> Result<Option<T>, E>,
) -> Result<Option<T>, E> {
    let begin = Instant::now();
    loop {
        if let Some(answer) = ask()? {
            return Ok(Some(answer));
        }
        if begin.elapsed() > limit {
            return Ok(None);
        }
        std::thread::sleep(BEAT);
    }
}
