//! Group commit: what waits for the store becomes one commit, and each gets its own answer.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::Ordering;

use gossip_proto::node::OpId;
use gossip_proto::{ChannelId, CommitItem, Committed, Fault, Meta, StoreReply, StreamId};

use super::lanes::{Outcome, guarded};
use crate::handle::Shared;
use crate::{Store, StoreError};

/// Commits that become one.
pub(super) struct Group {
    items: Vec<CommitItem>,
    parts: Vec<(OpId, Range<usize>, Meta)>,
}

impl Group {
    pub(super) fn new(op: OpId, items: Vec<CommitItem>, meta: Meta) -> Self {
        let parts = vec![(op, 0..items.len(), meta)];
        Self { items, parts }
    }

    pub(super) fn add(&mut self, op: OpId, items: Vec<CommitItem>, meta: Meta) {
        let first = self.items.len();
        self.items.extend(items);
        self.parts.push((op, first..self.items.len(), meta));
    }

    pub(super) async fn commit(
        self,
        shared: &Shared,
    ) -> (Vec<(OpId, Outcome)>, BTreeSet<(ChannelId, StreamId)>) {
        let store = &*shared.store;
        let clock = self.parts.iter().map(|(_, _, meta)| meta.clock).max().unwrap_or_default();
        let committed = guarded(store.commit(&self.items, &Meta { clock })).await;
        match &committed {
            // Nobody reads it: what was received need not be kept.
            Ok(committed) if shared.meters.subscriptions.load(Ordering::Relaxed) > 0 => {
                shared.recent.note(&self.items, committed);
            }
            _ => shared.recent.forget(),
        }
        let outcomes = match committed {
            Ok(committed) => self.split(&committed),
            // One bad commit must not fail its neighbours.
            Err(error) if is_about_one(error.fault) && self.parts.len() > 1 => self.each(store).await,
            Err(error) => self.all_failed(&error),
        };
        let mut grown = BTreeSet::new();
        for ((_, range, _), (_, outcome)) in self.parts.iter().zip(&outcomes) {
            if outcome.is_ok() {
                let logs = self.items[range.clone()].iter().map(CommitItem::log);
                grown.extend(logs.map(|log| (log.channel.clone(), log.stream.clone())));
            }
        }
        (outcomes, grown)
    }

    fn split(&self, committed: &Committed) -> Vec<(OpId, Outcome)> {
        let arrivals =
            |range: &Range<usize>| committed.arrivals.get(range.clone()).unwrap_or_default().to_vec();
        let parts = self.parts.iter();
        let reply = |range| StoreReply::Committed(Committed { arrivals: arrivals(range) });
        parts.map(|(op, range, _)| (*op, Ok(reply(range)))).collect()
    }

    async fn each(&self, store: &dyn Store) -> Vec<(OpId, Outcome)> {
        let mut outcomes = Vec::with_capacity(self.parts.len());
        for (op, range, meta) in &self.parts {
            let committed = guarded(store.commit(&self.items[range.clone()], meta)).await;
            outcomes.push((*op, committed.map(StoreReply::Committed).map_err(|error| error.to_failure())));
        }
        outcomes
    }

    fn all_failed(&self, error: &StoreError) -> Vec<(OpId, Outcome)> {
        self.parts.iter().map(|(op, _, _)| (*op, Err(error.to_failure()))).collect()
    }
}

/// Whether a failure may come from one part of a group only; nothing was written then.
pub(super) fn is_about_one(fault: Fault) -> bool {
    matches!(fault, Fault::Rejected | Fault::Corrupt)
}
