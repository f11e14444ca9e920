//! What is known of a peer, whatever links lead to it.

use std::collections::BTreeSet;

use super::pieces::{Assemblies, Outgoing};
use super::{LinkId, PeerStatus};
use crate::PeerRecord;

/// A peer, added by the app or met on a link.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) record: Option<PeerRecord>,
    pub(super) links: BTreeSet<LinkId>,
    pub(super) status: PeerStatus,
    pub(super) paused: bool,
    pub(super) assemblies: Assemblies,
    pub(super) outgoing: Outgoing,
}

impl Peer {
    pub(super) fn met() -> Self {
        Self {
            record: None,
            links: BTreeSet::new(),
            status: PeerStatus::Unreachable,
            paused: false,
            assemblies: Assemblies::default(),
            outgoing: Outgoing::default(),
        }
    }

    pub(super) fn added(record: PeerRecord) -> Self {
        Self { record: Some(record), ..Self::met() }
    }
}
