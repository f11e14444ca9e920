//! In fair weather, whoever is linked is reachable, and knows that all is equal; and whoever there is a way to.

use std::collections::BTreeSet;

use gossip_proto::node::PeerStatus;
use gossip_proto::{MemberState, NodeId};

use super::{Check, Invariant};
use crate::sim::fact::{Ending, Group, Statement};

#[derive(Debug)]
pub(super) struct Reachability;

impl Invariant for Reachability {
    fn name(&self) -> &'static str {
        "reachability"
    }

    fn end(&mut self, ending: &Ending<'_>) -> Check {
        check(&ending.statements, &ending.linked, &ending.groups)?;
        check_members(&ending.statements, &ending.companions)
    }
}

/// Looks at what each host says of those it is linked to.
pub(in crate::sim) fn check(statements: &[Statement], linked: &[Vec<NodeId>], groups: &[Group]) -> Check {
    // Digests of a channel with a fork cannot agree.
    let forked = groups.iter().filter(|group| !group.forked.is_empty()).map(|group| &group.channel);
    let forked = forked.collect::<BTreeSet<_>>().len();
    for (host, (statement, linked)) in statements.iter().zip(linked).enumerate() {
        for id in linked {
            let Some(peer) = statement.peers.iter().find(|peer| peer.id == *id) else {
                return Err(format!("n{host} is linked to {id} and does not list it"));
            };
            if peer.status != PeerStatus::Reachable {
                return Err(format!("n{host} is linked to {id} and calls it {:?}", peer.status));
            }
            if peer.paused {
                return Err(format!("n{host} still takes {id} for paused"));
            }
            if peer.in_sync + forked < peer.channels {
                let (known, all) = (peer.in_sync, peer.channels);
                return Err(format!("n{host} knows {known} of {all} channels to be equal at {id}"));
            }
        }
    }
    Ok(())
}

/// Looks at what each host says of those it is told of: that they are there, and what they call themselves.
pub(in crate::sim) fn check_members(statements: &[Statement], companions: &[Vec<NodeId>]) -> Check {
    let of =
        |statement: &Statement, id: &NodeId| statement.group.iter().find(|member| member.id == *id).cloned();
    for (host, (statement, companions)) in statements.iter().zip(companions).enumerate() {
        for id in companions {
            let Some(member) = of(statement, id) else {
                return Err(format!("n{host} has not heard of {id}"));
            };
            if (member.state, member.status) != (MemberState::Live, PeerStatus::Reachable) {
                return Err(format!("n{host} calls {id} {:?} and {:?}", member.state, member.status));
            }
            let own = statements.iter().find(|statement| statement.me.as_ref() == Some(id));
            let own = own.and_then(|own| of(own, id)).map(|own| own.incarnation);
            if own != Some(member.incarnation) {
                return Err(format!("n{host} knows incarnation {} of {id}, not {own:?}", member.incarnation));
            }
        }
    }
    Ok(())
}
