//! Logs of p2panda in memory: kinder than the SQLite of its own, which looks for heights and entries without
//! an index.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use p2panda_core::{Body, Hash, Header, Operation, SigningKey, VerifyingKey};
use p2panda_store::logs::LogStore;

/// Author and number of the log.
type Key = (VerifyingKey, u64);

/// What an author wrote, with its header as it is sent.
type Written = (Operation, Vec<u8>);

#[derive(Debug, Clone, Default)]
pub(crate) struct Logs(Arc<BTreeMap<Key, Vec<Written>>>);

/// Collects logs.
#[derive(Default)]
pub(crate) struct Builder(BTreeMap<Key, Vec<Written>>);

impl Builder {
    pub(crate) fn append(&mut self, author: &SigningKey, log: u64, payload: &[u8]) {
        let written = self.0.entry((author.verifying_key(), log)).or_default();
        let last = written.last().map(|(operation, _)| operation);
        written.push(sign(author, last, payload));
    }

    pub(crate) fn build(self) -> Logs {
        Logs(Arc::new(self.0))
    }
}

/// The next operation of a log.
pub(crate) fn sign(author: &SigningKey, last: Option<&Operation>, payload: &[u8]) -> Written {
    let body = Body::new(payload);
    let seq_num = last.map_or(0, |last| last.header.seq_num + 1);
    let mut header = Header::<()> {
        version: 1,
        verifying_key: author.verifying_key(),
        signature: None,
        payload_size: body.size(),
        payload_hash: Some(body.hash()),
        timestamp: (1_700_000_000_000_000 + seq_num).into(),
        seq_num,
        backlink: last.map(|last| last.hash),
        extensions: (),
    };
    header.sign(author);
    let bytes = header.to_bytes();
    (Operation { hash: header.hash(), header, body: Some(body) }, bytes)
}

impl Logs {
    fn range(&self, key: Key, after: Option<u64>, until: Option<u64>) -> Option<&[Written]> {
        let all = self.0.get(&key)?;
        let from = after.map_or(0, |after| after as usize + 1).min(all.len());
        let to = until.map_or(all.len(), |until| until as usize + 1).min(all.len());
        all.get(from..to)
    }
}

impl LogStore<Operation, VerifyingKey, u64, u64, Hash> for Logs {
    type Error = Infallible;

    async fn get_latest_entry(
        &self,
        author: &VerifyingKey,
        log: &u64,
    ) -> Result<Option<Operation>, Infallible> {
        let last = self.0.get(&(*author, *log)).and_then(|all| all.last());
        Ok(last.map(|(operation, _)| operation.clone()))
    }

    async fn get_latest_entry_tx(
        &self,
        author: &VerifyingKey,
        log: &u64,
    ) -> Result<Option<Operation>, Infallible> {
        self.get_latest_entry(author, log).await
    }

    async fn get_log_heights(
        &self,
        author: &VerifyingKey,
        logs: &[u64],
    ) -> Result<Option<BTreeMap<u64, u64>>, Infallible> {
        let height = |log: &u64| Some((*log, self.0.get(&(*author, *log))?.len() as u64 - 1));
        let heights: BTreeMap<u64, u64> = logs.iter().filter_map(height).collect();
        Ok((!heights.is_empty()).then_some(heights))
    }

    async fn get_log_size(
        &self,
        author: &VerifyingKey,
        log: &u64,
        after: Option<u64>,
        until: Option<u64>,
    ) -> Result<Option<(u64, u64)>, Infallible> {
        let size = |(operation, header): &Written| (header.len() as u64) + operation.header.payload_size;
        let range = self.range((*author, *log), after, until);
        Ok(range.map(|range| (range.len() as u64, range.iter().map(size).sum())))
    }

    async fn get_log_entries(
        &self,
        author: &VerifyingKey,
        log: &u64,
        after: Option<u64>,
        until: Option<u64>,
    ) -> Result<Option<Vec<Written>>, Infallible> {
        Ok(self.range((*author, *log), after, until).map(<[Written]>::to_vec))
    }

    async fn prune_entries(&self, _: &VerifyingKey, _: &u64, _: &u64) -> Result<u64, Infallible> {
        Ok(0)
    }
}
