//! Full names of logs, remembered: a log id is a hash of its name, so a name never changes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use gossip_proto::{LogId, LogName, Scope};

use crate::{Store, StoreResult};

/// A bounded memory of log names.
#[derive(Debug, Default)]
pub(crate) struct Names(Mutex<HashMap<LogId, Arc<LogName>>>);

impl Names {
    /// Names remembered; above it all are forgotten and asked for again.
    const MAX: usize = 1 << 16;

    /// The name of a log; `None` when the store does not know it.
    pub(crate) async fn resolve(&self, store: &dyn Store, log: LogId) -> StoreResult<Option<Arc<LogName>>> {
        if let Some(name) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&log) {
            return Ok(Some(name.clone()));
        }
        let heads = store.heads(&Scope::Log(log), None, 1).await?;
        let head = heads.items.into_iter().find(|head| head.name.id() == log);
        Ok(head.map(|head| self.remember(log, &head.name)))
    }

    /// Remembers a name that was read anyway.
    pub(crate) fn remember(&self, log: LogId, name: &LogName) -> Arc<LogName> {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() >= Self::MAX {
            names.clear();
        }
        names.entry(log).or_insert_with(|| Arc::new(name.clone())).clone()
    }
}
