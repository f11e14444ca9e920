//! What a node on a durable store does while its disk fails, and after.
//!
//! ```text
//! cargo test --profile sweep -p gossip --features crash --test faults
//! ```
//!
//! Each case runs on every store that is built in. A *subject*, this program in another role, appends and
//! reads through the public API as it is told; the case makes the disk fail under it, looks at the typed
//! errors, ends the failure, waits for service, and checks that nothing acknowledged is lost. Cases
//! that need what this machine refuses say `SKIPPED` and why. `GOSSIP_FAULT_CUTS` is how often the power goes
//! (default 60), `GOSSIP_FAULT_CASES` which cases run (`power-loss,full-disk`, default all). The last line is `N passed, N failed, N skipped`.
//!
//! | module | idea |
//! |---|---|
//! | `cases` | all cases, one after the other, each in a process of its own |
//! | `apart` | mounts nobody else sees |
//! | `survive` | how a failing disk is survived |
//! | `weather` | disks that fail and recover: full, too small a limit, failing system calls |
//! | `sealed` | a directory that cannot be written |
//! | `damage` | damaged copies of a store |
//! | `cut` | power loss as a node sees it: its newest entries are gone |
//! | `power`, `trace` | power loss as a store sees it: what was not synced is gone |
//! | `subject` | the node, and how it is spoken to |

mod apart;
mod cases;
mod cut;
mod damage;
#[allow(dead_code, reason = "shared with the crash test")]
#[path = "../crash/hammer/mod.rs"]
mod hammer;
#[allow(dead_code, reason = "shared with the crash test")]
#[path = "../crash/kinds.rs"]
mod kinds;
#[allow(dead_code, reason = "shared with the crash test")]
#[path = "../crash/line.rs"]
mod line;
#[allow(dead_code, reason = "shared with the crash test")]
#[path = "../crash/look.rs"]
mod look;
mod power;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "../crash/process.rs"]
mod process;
#[path = "../crash/program.rs"]
mod program;
#[path = "../crash/reader.rs"]
mod reader;
mod sealed;
mod subject;
mod survive;
mod trace;
mod weather;

use std::process::ExitCode;

use self::program::run;

/// Whatever went wrong, for a person.
type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The channel everything happens in.
const CHANNEL: &str = "faults";
/// Its stream.
const STREAM: &str = "one";
/// The node under test.
const VICTIM: &str = "victim";

/// Whether a store promises that nothing acknowledged is lost.
fn is_sync(kind: kinds::Kind) -> bool {
    kind.options == "{}"
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        ["child-subject", config] => run(subject::obey(config)),
        ["child-hammer", config, seed, marked] => run(hammer::child::hammer(config, seed, marked == "true")),
        ["child-read", config] => run(reader::read(config)),
        ["case", case, kind] => cases::by_hand(case, kind),
        ["child-case", case, kind, outside] => cases::one(case, kind, outside),
        // How test runners ask what is in here.
        _ if words.contains(&"--list") => program::print("faults: test"),
        _ => return cases::all(),
    };
    program::end(&words.join(" "), outcome)
}
