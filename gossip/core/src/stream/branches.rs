//! Logs that fork: what followed the place is a log of its own, with other ids for the same entries.

use gossip_proto::{EntryId, LogHead, LogId, LogName, Scope, Seq};

use super::StreamRef;
use crate::{Store, StoreResult};

/// Whether something of a log is missing below its height. A branch begins where the log it parts from ends.
pub(crate) fn lacks(head: &LogHead, heads: &[LogHead]) -> bool {
    let ends = |other: &LogHead| other.turn.is_some_and(|turn| turn.ends(head.floor, &head.floor_hash));
    let begins = head.name.branch.is_some() && heads.iter().any(ends);
    !head.gaps.is_empty() || head.floor > 0 && !begins
}

/// The last sequence of a log that forked, which nothing is held beyond.
pub(super) async fn end_of(store: &dyn Store, log: LogId) -> StoreResult<Seq> {
    let turn = head_of(store, log).await?.and_then(|head| head.turn);
    Ok(turn.filter(|turn| turn.first.is_some()).map_or(Seq::MAX, |turn| turn.at - 1))
}

/// The id an entry has now, if it followed a fork since it got this one.
pub(crate) async fn moved(store: &dyn Store, mut id: EntryId) -> StoreResult<EntryId> {
    while let Some(head) = head_of(store, id.log).await?
        && head.turn.is_some_and(|turn| turn.at <= id.sequence)
        && let Some(branch) = branch_from(&head)
    {
        id.log = branch;
    }
    Ok(id)
}

/// The branch that what followed the end of a log moved to.
pub(crate) fn branch_from(head: &LogHead) -> Option<LogId> {
    head.turn?.first.map(|first| head.name.branching(first).id())
}

/// The log whose end moved here to a branch that begins at `first`: what was known of it as that log's is
/// known.
pub(crate) async fn moved_from(at: &StreamRef, name: &LogName, first: Seq) -> StoreResult<Option<LogId>> {
    let Some(branch) = name.branch else { return Ok(None) };
    let store = &*at.shared.store;
    for head in super::heads(at).await? {
        let log = head.name.id();
        if head.name.first_log() != branch.parent || head.name == *name {
            continue;
        }
        let ended = head.turn.is_some_and(|turn| turn.first == Some(branch.first));
        // The end moves before the log is cut.
        let holds = head.floor < first && first <= head.height;
        if ended || holds && store.hash_at(log, &[first]).await.is_ok_and(|hash| hash[0] == branch.first) {
            return Ok(Some(log));
        }
    }
    Ok(None)
}

/// The head of a log, if the store holds one.
pub(crate) async fn head_of(store: &dyn Store, log: LogId) -> StoreResult<Option<LogHead>> {
    Ok(store.heads(&Scope::Log(log), None, 1).await?.items.into_iter().next())
}
