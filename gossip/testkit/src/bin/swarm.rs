//! Runs the scenarios S1 to S9 and prints what came out beside what is aimed at.
//!
//! ```text
//! swarm [--n 20,100,1000] [--only s1,s3] [--seeds N] [--from SEED] [--long] [--talk] [--jobs N] [--json FILE]
//!       [--beside NAME=FILE]
//! ```
//!
//! With `--beside` what another system reached, as JSON of such rows, stands beside what this one did.
//!
//! The same arguments give the same JSON; processor time is only in what is printed.
//!
//! The last line is `N passed, N failed`, of all targets. The exit code is 1 when one was missed, 2 when the
//! arguments make no sense or the file cannot be written.
#![allow(clippy::print_stdout)]

use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use gossip_testkit::swarm::{Case, Row, Samples, Selection, json, rows};

struct Arguments {
    selection: Selection,
    /// The first seed.
    from: u64,
    /// Say what was said by types of messages.
    talk: bool,
    jobs: usize,
    json: Option<String>,
    /// Names and rows of others.
    beside: Vec<(String, Vec<Row>)>,
}

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)).and_then(|arguments| swarm(&arguments)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(what) => {
            eprintln!("swarm: {what}");
            ExitCode::from(2)
        }
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut arguments = Arguments {
        selection: Selection::of(&[20, 100, 1_000]),
        from: 1,
        talk: false,
        jobs: std::thread::available_parallelism().map_or(1, usize::from),
        json: None,
        beside: Vec::new(),
    };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        if arguments.selection.take(&word, &mut value)? {
            continue;
        }
        match word.as_str() {
            "--from" => arguments.from = number(&value()?)? as u64,
            "--talk" => arguments.talk = true,
            "--jobs" => arguments.jobs = number(&value()?)?.max(1),
            "--json" => arguments.json = Some(value()?),
            "--beside" => arguments.beside.push(beside(&value()?)?),
            _ => {
                let (some, more) = (Selection::WORDS, "--from, --talk, --jobs, --json, --beside");
                return Err(format!("unknown argument {word}; known are {some}, {more}"));
            }
        }
    }
    Ok(arguments)
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("{text} is not a number"))
}

fn beside(text: &str) -> Result<(String, Vec<Row>), String> {
    let (name, file) =
        text.split_once('=').ok_or(format!("{text} is not a name and a file as in foca=foca.json"))?;
    let json = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let rows = rows(&json).map_err(|error| format!("{file}: {error}"))?;
    Ok((name.into(), rows))
}

/// Runs and prints everything; whether all targets are met.
fn swarm(arguments: &Arguments) -> Result<bool, String> {
    let (mut rows, mut met, mut missed) = (Vec::new(), 0, 0);
    for case in &arguments.selection.cases()? {
        let samples = run(case, arguments);
        let mut row = Row::of(case, &samples);
        arguments.beside.iter().for_each(|(name, theirs)| row.put_beside(name, theirs));
        let timed = row.clone().with_cpu(case, &samples);
        print!("{}", timed.text());
        for talk in row.talk.iter().filter(|_| arguments.talk) {
            println!(
                "        {:<12} {:>10.3} datagrams {:>12.2} B",
                talk.message, talk.datagrams, talk.bytes
            );
        }
        let verdict = timed.verdict();
        (met, missed) = (met + verdict.0, missed + verdict.1);
        rows.push(row);
    }
    if let Some(file) = &arguments.json {
        std::fs::write(file, json(&rows)).map_err(|error| format!("{file}: {error}"))?;
    }
    println!("{met} passed, {missed} failed");
    Ok(missed == 0)
}

/// All runs of a case, several at once; what came out does not depend on how many.
fn run(case: &Case, arguments: &Arguments) -> Samples {
    let next = AtomicUsize::new(0);
    let runs: Vec<Mutex<Option<Samples>>> = (0..case.seeds).map(|_| Mutex::default()).collect();
    std::thread::scope(|scope| {
        for _ in 0..arguments.jobs.min(runs.len()) {
            scope.spawn(|| {
                while let at = next.fetch_add(1, Ordering::Relaxed)
                    && let Some(place) = runs.get(at)
                {
                    let samples = case.run(arguments.from + at as u64);
                    *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(samples);
                }
            });
        }
    });
    let mut all = Samples::default();
    let done = runs.into_iter().filter_map(|run| run.into_inner().unwrap_or_else(PoisonError::into_inner));
    done.for_each(|samples| all.merge(samples));
    all
}
