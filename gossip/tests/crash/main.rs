//! Kills a process that writes to a durable store, again and again, and looks at what is left.
//!
//! ```text
//! cargo test --profile sweep -p gossip --features crash --test crash
//! GOSSIP_CRASH_ROUNDS=500 GOSSIP_CRASH_SEED=7 GOSSIP_CRASH_STORES=redb cargo test …
//! ```
//!
//! This program starts itself, with a store by name and options as an application configures it. On
//! the bare store a *hammer* does everything a store can do, from many tasks. Above it a node is
//! killed: a *writer* appends and prints what was acknowledged, a *reader* opens the store after the
//! kill and prints what it holds, a *server* lets it sync with the *replica*, a node on TCP that lives
//! as long as the test. The last line is `N passed, N failed`.
//!
//! | module | idea |
//! |---|---|
//! | `campaign` | so many rounds on every kind of store |
//! | `kinds` | the stores, by name and options |
//! | `hammer` | kills of a process on the bare store |
//! | `rounds` | kills of a node: write, kill, look, sync |
//! | `ledger` | what must hold after a kill |
//! | `replica` | the other node |
//! | `process`, `program` | starting, listening to and killing a child; being one |
//! | `line`, `look` | what children print, and reading it |
//! | `writer`, `reader`, `server` | the children |

mod campaign;
mod hammer;
mod kinds;
mod ledger;
mod line;
mod look;
#[allow(dead_code, reason = "shared with other tests")]
mod process;
mod program;
mod reader;
mod replica;
mod rounds;
mod server;
mod writer;

use std::process::ExitCode;

use self::program::run;

/// Whatever went wrong, for a person.
type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The channel everything happens in.
const CHANNEL: &str = "crash";
/// Its streams.
const STREAMS: [&str; 3] = ["one", "two", "three"];
/// The one of them that is pruned, and how many entries of each author it keeps.
const PRUNED: (&str, u64) = ("two", 100);
/// The node that is killed.
const VICTIM: &str = "victim";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        ["child-hammer", config, seed, marked] => run(hammer::child::hammer(config, seed, marked == "true")),
        ["child-write", config, seed] => run(writer::write(config, seed)),
        ["child-read", config] => run(reader::read(config)),
        ["child-serve", config] => run(server::serve(config)),
        // How test runners ask what is in here.
        _ if words.contains(&"--list") => program::print("crash: test"),
        _ => return campaign::all(),
    };
    program::end(&words.join(" "), outcome)
}
