//! The handle that tests and applications hold.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::state::State;
use crate::{Faults, MemoryTransport, NetworkStats};

/// An in-process network. Clones are handles of the same network.
///
/// Names are those given to [`MemoryNetwork::transport`]. Faults, partitions and cuts may be set
/// before the ports they name are open and outlive them.
#[derive(Debug, Clone)]
pub struct MemoryNetwork {
    state: Arc<Mutex<State>>,
}

impl MemoryNetwork {
    /// A perfect network; what faults do later is drawn from this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: Arc::new(Mutex::new(State::new(seed))) }
    }

    /// The network that `kind = "memory"` in a configuration names: one for each name and process.
    ///
    /// A configuration is plain data and cannot carry a handle, so its networks have to be found
    /// by name; this is the only static of the crate.
    #[must_use]
    pub fn named(name: &str) -> Self {
        static NAMED: OnceLock<Mutex<BTreeMap<String, MemoryNetwork>>> = OnceLock::new();
        let mut networks = NAMED.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
        networks.entry(name.to_owned()).or_insert_with(|| Self::new(0)).clone()
    }

    /// A transport whose port will have the address `memory:NAME`.
    #[must_use]
    pub fn transport(&self, name: &str) -> MemoryTransport {
        MemoryTransport::new(self.clone(), name)
    }

    /// Sets the faults of the whole network and forgets those of single pairs.
    pub fn faults(&self, faults: Faults) {
        self.lock().weather.set_everywhere(faults);
    }

    /// Sets the faults of one direction between two ports, instead of the network's.
    pub fn faults_between(&self, from: &str, to: &str, faults: Faults) {
        self.lock().weather.set_between(from, to, faults);
    }

    /// Silently drops every frame between the two sides, both ways. Links stay up.
    pub fn partition(&self, one: &[&str], other: &[&str]) {
        self.partition_one_way(one, other);
        self.partition_one_way(other, one);
    }

    /// Silently drops every frame from one side to the other. Links stay up.
    pub fn partition_one_way(&self, from: &[&str], to: &[&str]) {
        let mut state = self.lock();
        for (from, to) in from.iter().flat_map(|from| to.iter().map(move |to| (from, to))) {
            state.weather.silence(from, to);
        }
    }

    /// Ends all partitions. Faults and cut links stay as they are.
    pub fn heal(&self) {
        self.lock().weather.heal();
    }

    /// Takes the link between two ports down and lets none come up.
    pub fn cut_links(&self, a: &str, b: &str) {
        self.lock().cut(a, b);
    }

    /// Lets links between two ports come up again, at once if one of them is connecting.
    pub fn restore_links(&self, a: &str, b: &str) {
        self.lock().restore(a, b);
    }

    /// What happened so far.
    #[must_use]
    pub fn stats(&self) -> NetworkStats {
        self.lock().stats
    }

    /// A poisoned lock means that a test panicked while it held it; the state is still whole.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
