//! What foca does in the scenarios S1, S2, S3, S5 and S6 of the swarm simulator, as the same JSON.
//!
//! ```text
//! cargo run --release --manifest-path benches/peers/foca/Cargo.toml > foca.json
//! cargo run --release --manifest-path benches/peers/foca/Cargo.toml -- --n 20 --only s2,s5 --seeds 3 --long > foca.json
//! cargo run --profile sweep -p gossip-testkit --features sweep --bin swarm -- --beside foca=foca.json
//! ```
//!
//! **The same network.** Latencies, starts, victims, senders and times come from the plan of the simulator, which knows
//! nothing of who is simulated; datagrams are lost independently. Bytes are those handed to the socket.
//!
//! **As foca means it to be used.** `Config::new_lan` of the size of the group, its postcard codec, identities of eight bytes
//! that are renewed after a false verdict. Nodes know each other from the start, and are left alone for half a minute.
//! Messages are its custom broadcasts. foca tells its application of no suspicion, so there is no such figure; and it is
//! waited for longer than for ours after a split, so that there is one.
//!
//! | module | idea |
//! |---|---|
//! | `node` | one node of foca: its identity, and messages that are new to it |
//! | `world` | nodes and the network between them, in virtual time |
//! | `scenario` | what happens, and what is measured |

mod node;
mod scenario;
mod world;

use std::process::ExitCode;

use gossip_testkit::swarm::{Case, Row, Samples, Selection, json};

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)).and_then(|selection| measure(&selection)) {
        Ok(rows) => {
            println!("{}", json(&rows));
            ExitCode::SUCCESS
        }
        Err(what) => {
            eprintln!("{what}");
            ExitCode::from(2)
        }
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Selection, String> {
    let mut selection = Selection::of(&[20, 100]);
    while let Some(word) = words.next() {
        let value = || words.next().ok_or(format!("{word} needs a value"));
        if !selection.take(&word, value)? {
            return Err(format!("unknown argument {word}; known are {}", Selection::WORDS));
        }
    }
    Ok(selection)
}

/// All cases that are asked for and that foca can be in.
fn measure(selection: &Selection) -> Result<Vec<Row>, String> {
    let wanted = selection.cases()?.into_iter().filter(scenario::is_known);
    Ok(wanted.map(|case| row(&case)).collect())
}

fn row(case: &Case) -> Row {
    let mut all = Samples::default();
    for seed in 1..=case.seeds {
        all.merge(scenario::run(case, seed));
    }
    let mut row = Row::of(case, &all);
    row.figures.retain(|figure| !figure.name.starts_with("first suspects"));
    eprint!("{}", row.text());
    row
}
