//! What can be dialled.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use gossip_core::{PeerAddr, PortError};

pub(crate) const SCHEME: &str = "tcp";

/// The `host:port` of an address of this transport.
pub(crate) fn target(address: &PeerAddr) -> Result<String, PortError> {
    let wrong = || PortError::Address { address: address.to_string() };
    let rest = address.rest();
    let (host, port) = rest.rsplit_once(':').ok_or_else(wrong)?;
    let port_fits = port.parse::<u16>().is_ok_and(|port| port != 0);
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host_fits = match bare {
        Some(inner) => inner.split('%').next().is_some_and(|ip| ip.parse::<Ipv6Addr>().is_ok()),
        None => is_name(host),
    };
    if address.scheme() == SCHEME && port_fits && host_fits { Ok(rest.to_owned()) } else { Err(wrong()) }
}

/// A host name or an IPv4 address: nothing that a resolver would read in another way.
fn is_name(host: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    let numeric = host.chars().all(|c| c.is_ascii_digit() || c == '.');
    !host.is_empty()
        && host.len() <= 253
        && host.chars().all(plain)
        && (!numeric || host.parse::<Ipv4Addr>().is_ok())
}

/// The address under which a listener can be dialled; one that listens everywhere is named by its
/// loopback address, the only one known to work.
pub(crate) fn of_listener(bound: SocketAddr) -> Option<PeerAddr> {
    let mut shown = bound;
    if bound.ip().is_unspecified() {
        shown.set_ip(if bound.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    format!("{SCHEME}://{shown}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_with_host_and_port_are_understood() {
        for good in
            ["tcp://127.0.0.1:7400", "tcp:example.org:1", "tcp://[::1]:65535", "tcp://[fe80::1%2]:7400"]
        {
            assert!(target(&good.parse().unwrap()).is_ok(), "{good}");
        }
    }

    #[test]
    fn others_are_refused() {
        let bad = [
            "tcp://",
            "tcp://host",
            "tcp://host:",
            "tcp://:7400",
            "tcp://host:0",
            "tcp://host:65536",
            "tcp://host:http",
            "tcp://::1:7400",
            "tcp://[::1:7400",
            "tcp://1.2.3:7400",
            "tcp://a b:7400",
            "tcp://user@host:7400",
            "udp://host:7400",
            "memory:ann",
            "/ip4/127.0.0.1/tcp/7400",
        ];
        for bad in bad {
            assert!(target(&bad.parse().unwrap()).is_err(), "{bad}");
        }
    }
}
