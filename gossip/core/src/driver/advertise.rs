//! Where others are told to dial this node.

use std::net::SocketAddr;
use std::sync::Arc;

use gossip_proto::{MAX_ADDRESS_BYTES, MAX_ADDRESSES};

use crate::{MessagePort, PeerAddr};

/// What the application says, or else what ports know. Nobody can dial all interfaces.
pub(super) fn advertised<'p>(
    given: &[String],
    ports: impl IntoIterator<Item = &'p Arc<dyn MessagePort>>,
) -> Vec<String> {
    if !given.is_empty() {
        return given.to_vec();
    }
    let is_nowhere = |address: &PeerAddr| {
        address.rest().parse::<SocketAddr>().is_ok_and(|address| address.ip().is_unspecified())
    };
    let known = ports.into_iter().flat_map(|port| port.local_addresses());
    let known = known.filter(|address| !is_nowhere(address)).map(|address| address.to_string());
    known.filter(|address| address.len() <= MAX_ADDRESS_BYTES).take(MAX_ADDRESSES).collect()
}
