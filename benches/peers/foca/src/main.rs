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

use gossip_testkit::swarm::{Case, Length, Row, Samples, cases, json};

struct Arguments {
    sizes: Vec<usize>,
    only: Vec<String>,
    seeds: Option<u64>,
    length: Length,
}

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)) {
        Ok(arguments) => {
            println!("{}", json(&measure(&arguments)));
            ExitCode::SUCCESS
        }
        Err(what) => {
            eprintln!("{what}");
            ExitCode::from(2)
        }
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut arguments =
        Arguments { sizes: vec![20, 100], only: Vec::new(), seeds: None, length: Length::Bounded };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--n" => arguments.sizes = value()?.split(',').map(number).collect::<Result<_, _>>()?,
            "--only" => arguments.only = value()?.split(',').map(str::to_uppercase).collect(),
            "--seeds" => arguments.seeds = Some(number(&value()?)? as u64),
            "--long" => arguments.length = Length::Long,
            _ => return Err(format!("unknown argument {word}; known are --n, --only, --seeds, --long")),
        }
    }
    Ok(arguments)
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("{text} is not a number"))
}

/// All cases that are asked for and that foca can be in.
fn measure(arguments: &Arguments) -> Vec<Row> {
    let all = cases(arguments.length, &arguments.sizes).into_iter();
    let is_wanted = |id: &str| arguments.only.is_empty() || arguments.only.iter().any(|only| only == id);
    let wanted = all.filter(|case| is_wanted(case.scenario.id()) && scenario::is_known(case));
    wanted.map(|case| row(&Case { seeds: arguments.seeds.unwrap_or(case.seeds), ..case })).collect()
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
