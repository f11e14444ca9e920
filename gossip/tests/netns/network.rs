//! Cables and routes of the network that `.ci/netns.sh` lays.
//!
//! Host `n` has the address `10.77.0.n` on `eth0` in the namespace `host<n>`; the other end of that cable is `port<n>`
//! in the namespace of this process, on the bridge `switch`. Another bridge, `aside`, is empty.

use std::process::Command;

use crate::Outcome;

/// Where the relay runs.
pub(crate) const RELAY: usize = 9;

/// Where the script leaves its namespaces.
const NAMESPACES: &str = "/var/run/netns";

/// The script says so, as nothing else may be touched.
pub(crate) fn is_laid() -> bool {
    std::env::var_os("GOSSIP_NETNS_LAID").is_some()
}

pub(crate) fn address(host: usize) -> String {
    format!("10.77.0.{host}")
}

/// A command that runs the rest of its line on a host.
pub(crate) fn on(host: usize) -> Command {
    let mut command = Command::new("nsenter");
    command.arg(format!("--net={NAMESPACES}/host{host}"));
    command
}

/// Pulls a host's cable: whatever it sends or should get is lost, and nobody is told.
pub(crate) fn pull(host: usize) -> Outcome {
    ip(&["link", "set", &format!("port{host}"), "nomaster"])
}

/// Pulls the cables of several hosts, and joins these to each other alone.
pub(crate) fn part(hosts: &[usize]) -> Outcome {
    hosts.iter().try_for_each(|host| ip(&["link", "set", &format!("port{host}"), "master", "aside"]))
}

/// Puts it back.
pub(crate) fn plug(host: usize) -> Outcome {
    ip(&["link", "set", &format!("port{host}"), "master", "switch"])
}

/// What one host sends to another goes nowhere any more; the other direction stays.
pub(crate) fn blackhole(from: usize, to: usize) -> Outcome {
    ip(&["-n", &format!("host{from}"), "route", "add", "blackhole", &address(to)])
}

/// Ends that.
pub(crate) fn unblackhole(from: usize, to: usize) -> Outcome {
    ip(&["-n", &format!("host{from}"), "route", "del", "blackhole", &address(to)])
}

fn ip(words: &[&str]) -> Outcome {
    let output = Command::new("ip").args(words).output()?;
    match output.status.success() {
        true => Ok(()),
        false => {
            Err(format!("ip {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim()).into())
        }
    }
}
