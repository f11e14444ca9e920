//! What a process is told on its standard input, a line each.

use tokio::sync::mpsc::{Receiver, channel};

/// Orders that wait.
const WAITING: usize = 16;

/// Ends with the standard input.
pub(crate) fn orders() -> Receiver<String> {
    let (sender, orders) = channel(WAITING);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    orders
}
