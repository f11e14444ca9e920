//! Five nodes on a real network: who is told what when processes and cables go, and what arrives afterwards.
//!
//! ```text
//! .ci/netns.sh                      # lays the network and runs this
//! GOSSIP_NETNS_ONLY=bridge .ci/netns.sh
//! ```
//!
//! Each node is a process in a network namespace of its own, with the default configuration on redb and TCP; all
//! namespaces hang on one bridge. All nodes know only of the first. They are killed, stopped, told to leave and
//! cut off, once on the bare bridge and once with a relay between them that delays and loses. Every node
//! prints a line of JSON for whatever it is told.
//!
//! *Facts* are who was told what, how often, and what arrived: they always count. *Times* are bounded as
//! `docs/testing.md` says; they count unless the machine has more to do than it has cores. The last line is
//! `N passed, N failed`.
//!
//! | module | idea |
//! |---|---|
//! | `bridge`, `weather` | the two courses: what happens, and what must come of it |
//! | `group`, `host` | five processes, what they told, and waiting for it |
//! | `told` | what a node prints |
//! | `network` | cables and routes |
//! | `report` | facts and times |
//! | `node`, `relay`, `orders` | the processes |

mod bridge;
mod group;
mod host;
mod network;
mod node;
mod orders;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "../crash/process.rs"]
mod process;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "../crash/program.rs"]
mod program;
mod relay;
mod report;
mod told;
mod weather;

use std::process::ExitCode;

use self::program::{print, run};
use self::report::Report;

/// Whatever went wrong, for a person.
type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// What happens, one thing after the other.
type Course = fn(&mut Report) -> Outcome;

/// The channel everything happens in.
const CHANNEL: &str = "netns";
/// Its stream.
const STREAM: &str = "one";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        ["child-node", config] => run(node::node(config)),
        ["child-relay"] => run(relay::relay()),
        // How test runners ask what is in here.
        _ if words.contains(&"--list") => print("netns: test"),
        _ if !network::is_laid() => print("SKIPPED: no network of namespaces here; .ci/netns.sh lays one"),
        _ => return program::end_of_all("netns", courses()),
    };
    program::end(&words.join(" "), outcome)
}

fn courses() -> Outcome<u64> {
    let only = std::env::var("GOSSIP_NETNS_ONLY").unwrap_or_default();
    let mut report = Report::default();
    let courses: [(&str, Course); 2] = [("bridge", bridge::course), ("weather", weather::course)];
    for (name, course) in courses {
        if only.is_empty() || only == name {
            print(&format!("== {name}"))?;
            let ended = course(&mut report);
            report.course(name, ended)?;
        }
    }
    report.end()
}
