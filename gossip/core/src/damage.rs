//! Damage that readers come across: told to the node, which isolates it and asks peers. Readers
//! never wait for that.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use gossip_proto::node::{Command, NodeState};
use gossip_proto::{LogId, Seq};
use tokio::sync::{Notify, mpsc};

use crate::handle::{Request, Shared, ask};

/// Places to be repaired.
#[derive(Debug, Default)]
pub(crate) struct Damage {
    found: Mutex<BTreeSet<(LogId, Seq)>>,
    told: Notify,
}

impl Damage {
    /// Places remembered; more are found again by whoever reads them next.
    const MAX: usize = 256;

    /// Wants a place repaired.
    pub(crate) fn report(&self, log: LogId, at: Seq) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if found.len() < Self::MAX && found.insert((log, at)) {
            tracing::warn!(%log, at, "what is stored here is damaged");
            self.told.notify_one();
        }
    }

    fn take(&self) -> BTreeSet<(LogId, Seq)> {
        std::mem::take(&mut self.found.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Has damage repaired until the node is shut down.
pub(crate) async fn mend(shared: Arc<Shared>, commands: mpsc::Sender<Request>) {
    let mut state = shared.state.subscribe();
    loop {
        tokio::select! {
            _ = state.wait_for(|state| *state == NodeState::ShutDown) => return,
            () = shared.damage.told.notified() => {}
        }
        for (log, at) in shared.damage.take() {
            if let Err(error) = ask(&commands, Command::Repair { log, at }).await {
                tracing::warn!(%log, at, %error, "damage was not isolated");
            }
        }
    }
}
