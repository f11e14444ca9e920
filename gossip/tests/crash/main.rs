//! Kills a writing process hard, again and again, and looks at what is left.
//!
//! ```text
//! cargo test --profile sweep -p gossip --features crash --test crash
//! GOSSIP_CRASH_ROUNDS=500 GOSSIP_CRASH_SEED=7 cargo test …
//! ```
//!
//! This program starts itself: a *writer* appends to a redb store and prints what was acknowledged,
//! a *reader* opens the store after the kill and prints what it holds, a *server* lets it sync with
//! the *replica*, a node on TCP that lives as long as the test. The last line is
//! `N passed, N failed`.
//!
//! | module | idea |
//! |---|---|
//! | `rounds` | one round after the other: write, kill, look, sync |
//! | `ledger` | what must hold after a kill |
//! | `replica` | the other node |
//! | `process` | starting, listening to and killing a child |
//! | `line` | what children print |
//! | `writer`, `reader`, `server` | the children |

mod ledger;
mod line;
mod process;
mod reader;
mod replica;
mod rounds;
mod server;
mod writer;

use std::process::ExitCode;

/// Whatever went wrong, for a person.
type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The channel everything happens in.
const CHANNEL: &str = "crash";
/// Its streams.
const STREAMS: [&str; 3] = ["one", "two", "three"];
/// The node that is killed.
const VICTIM: &str = "victim";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        ["child-write", store, seed, peer] => run(writer::write(store, seed, peer)),
        ["child-read", store] => run(reader::read(store)),
        ["child-serve", store, peer] => run(server::serve(store, peer)),
        // How test runners ask what is in here.
        _ if words.contains(&"--list") => line::print("crash: test"),
        _ => return rounds::all(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", words.join(" "));
            ExitCode::FAILURE
        }
    }
}

fn run(child: impl Future<Output = Outcome>) -> Outcome {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(child)
}
