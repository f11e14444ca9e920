//! What can be dialled.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

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

/// The addresses under which a listener can be dialled. One that listens everywhere is named by the ends of its
/// links here, where others are reached and can reach it; while it has none but to this machine by its loopback
/// address, the only one known to work.
pub(crate) fn of_listener(bound: SocketAddr, ends: impl IntoIterator<Item = IpAddr>) -> Vec<PeerAddr> {
    let mut shown: BTreeSet<IpAddr> = BTreeSet::from([bound.ip()]);
    if bound.ip().is_unspecified() {
        let ends = ends.into_iter().map(|ip| ip.to_canonical());
        shown = ends.filter(|ip| is_known_elsewhere(*ip) && (ip.is_ipv4() || bound.is_ipv6())).collect();
        if shown.is_empty() {
            let is_old = bound.is_ipv4();
            shown.insert(if is_old { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
        }
    }
    let named = |ip| format!("{SCHEME}://{}", SocketAddr::new(ip, bound.port())).parse().ok();
    shown.into_iter().filter_map(named).collect()
}

/// Whether another machine may make something of an address; those of one link also need its name there.
fn is_known_elsewhere(ip: IpAddr) -> bool {
    let is_of_link = matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
    !ip.is_loopback() && !ip.is_unspecified() && !is_of_link
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
    fn who_listens_everywhere_is_where_its_links_end() {
        let listening = |at: &str, ends: &[&str]| {
            let ends: Vec<IpAddr> = ends.iter().map(|ip| ip.parse().unwrap()).collect();
            let all = of_listener(at.parse().unwrap(), ends);
            all.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(listening("10.0.0.7:7400", &["192.168.0.1"]), ["tcp://10.0.0.7:7400"]);
        assert_eq!(listening("0.0.0.0:7400", &[]), ["tcp://127.0.0.1:7400"]);
        assert_eq!(listening("0.0.0.0:7400", &["127.0.0.1", "::1", "fd00::7"]), ["tcp://127.0.0.1:7400"]);
        assert_eq!(
            listening("0.0.0.0:7400", &["192.168.0.1", "127.0.0.1", "10.0.0.7", "192.168.0.1"]),
            ["tcp://10.0.0.7:7400", "tcp://192.168.0.1:7400"]
        );
        assert_eq!(
            listening("[::]:7400", &["fe80::1", "fd00::7", "::ffff:10.0.0.7"]),
            ["tcp://10.0.0.7:7400", "tcp://[fd00::7]:7400"]
        );
        assert_eq!(listening("[::]:7400", &[]), ["tcp://[::1]:7400"]);
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
