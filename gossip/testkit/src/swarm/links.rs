//! Links between nodes, as a transport over datagrams keeps them: up at once where they are dialled, up at the
//! other end with the first datagram that arrives there.

use std::time::Duration;

use gossip_proto::node::{LinkId, LinkLimits};

/// What every link carries.
pub(super) const LIMITS: LinkLimits =
    LinkLimits { max_frame: 1_200, ordered: false, reliable: false, notices_loss: false, cost: 1 };

/// Prefix of the addresses here; the number of a node follows.
const SCHEME: &str = "sim:";

/// Where a node can be dialled.
pub(super) fn address(node: usize) -> String {
    format!("{SCHEME}{node}")
}

/// Who is dialled there, if anybody can be.
pub(super) fn dialled(address: &str) -> Option<usize> {
    address.strip_prefix(SCHEME)?.parse().ok()
}

/// One end of a link: 0 is the one that dialled.
pub(super) type Side = usize;

/// What a host knows of its end of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Nothing yet: its first datagram is on its way.
    Awaited,
    /// It is up since this life of the host.
    Open(u32),
    Shut,
}

#[derive(Debug)]
struct Link {
    hosts: [u32; 2],
    ends: [End; 2],
    delay: Duration,
}

/// What happens when something arrives at an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Welcome {
    /// The link comes up with it.
    New,
    Known,
    /// Nobody listens there any more.
    Nobody,
}

/// All links there ever were; they are named by their number.
#[derive(Debug, Default)]
pub(super) struct Links {
    all: Vec<Link>,
}

impl Links {
    pub(super) fn dial(&mut self, from: (usize, u32), to: usize, delay: Duration) -> LinkId {
        let (host, life) = from;
        self.all.push(Link { hosts: [host as u32, to as u32], ends: [End::Open(life), End::Awaited], delay });
        LinkId(self.all.len() as u64 - 1)
    }

    pub(super) fn host(&self, link: LinkId, side: Side) -> usize {
        self.all[link.0 as usize].hosts[side] as usize
    }

    pub(super) fn delay(&self, link: LinkId) -> Duration {
        self.all[link.0 as usize].delay
    }

    /// Which end a host has, if it is up there in this life of the host.
    pub(super) fn side_of(&self, link: LinkId, host: usize, life: u32) -> Option<Side> {
        let link = self.all.get(link.0 as usize)?;
        let side = link.hosts.iter().position(|of| *of as usize == host)?;
        (link.ends[side] == End::Open(life)).then_some(side)
    }

    /// Something arrives at an end whose host is in this life.
    pub(super) fn welcome(&mut self, link: LinkId, side: Side, life: u32) -> Welcome {
        let end = &mut self.all[link.0 as usize].ends[side];
        match *end {
            End::Awaited => {
                *end = End::Open(life);
                Welcome::New
            }
            End::Open(since) if since == life => Welcome::Known,
            End::Open(_) | End::Shut => Welcome::Nobody,
        }
    }

    pub(super) fn shut(&mut self, link: LinkId, side: Side) {
        self.all[link.0 as usize].ends[side] = End::Shut;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_comes_up_once_and_belongs_to_one_life() {
        let mut links = Links::default();
        let link = links.dial((3, 1), 5, Duration::from_millis(20));
        assert_eq!((links.side_of(link, 3, 1), links.side_of(link, 5, 1)), (Some(0), None));
        assert_eq!((links.welcome(link, 1, 1), links.welcome(link, 1, 1)), (Welcome::New, Welcome::Known));
        assert_eq!((links.welcome(link, 1, 2), links.side_of(link, 5, 2)), (Welcome::Nobody, None));
        links.shut(link, 1);
        assert_eq!(links.welcome(link, 1, 1), Welcome::Nobody);
    }

    #[test]
    fn addresses_name_nodes() {
        assert_eq!(dialled(&address(17)), Some(17));
        assert_eq!(dialled("tcp://17"), None);
    }
}
