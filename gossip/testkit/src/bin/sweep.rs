//! Runs many seeds of the simulator and says which fail, and what was reached.
//!
//! ```text
//! sweep [--seeds A..B] [--harsh] [--sealed none|mixed|all] [--jobs N] [--first] [--no-coverage]
//! sweep --trace SEED [--harsh] [--sealed none|mixed|all]
//! ```
//!
//! The last line is `N passed, N failed`. The exit code is 1 when a seed failed, something that
//! has to be covered was not, or too few seeds had harsh weather; 2 when the arguments make no
//! sense.
#![allow(clippy::print_stdout)]

use std::ops::Range;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use gossip_testkit::sim::{Coverage, Options, Outcome, Sealed, Severity, run};

/// Failing seeds whose trace is shown.
const SHOWN: usize = 3;
/// Lines of a trace shown.
const TAIL: usize = 60;

struct Arguments {
    seeds: Range<u64>,
    trace: Option<u64>,
    /// As wanted for all seeds.
    options: Options,
    jobs: usize,
    /// Stop at the first failing seed.
    first: bool,
    /// Assert what was reached.
    coverage: bool,
}

fn main() -> ExitCode {
    let arguments = match parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(what) => {
            eprintln!("sweep: {what}");
            return ExitCode::from(2);
        }
    };
    match arguments.trace {
        Some(seed) => trace(seed, arguments.options),
        None => sweep(&arguments),
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let mut arguments = Arguments {
        seeds: 0..2000,
        trace: None,
        options: Options::default(),
        jobs,
        first: false,
        coverage: true,
    };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--seeds" => arguments.seeds = seeds(&value()?)?,
            "--trace" => arguments.trace = Some(number(&value()?)?),
            "--jobs" => arguments.jobs = number(&value()?)?.max(1) as usize,
            "--harsh" => arguments.options.harsh = true,
            "--sealed" => arguments.options.sealed = Some(sealed(&value()?)?),
            "--first" => arguments.first = true,
            "--no-coverage" => arguments.coverage = false,
            _ => {
                let known = "--seeds, --trace, --jobs, --harsh, --sealed, --first, --no-coverage";
                return Err(format!("unknown argument {word}; known are {known}"));
            }
        }
    }
    Ok(arguments)
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text} is not a number"))
}

fn sealed(text: &str) -> Result<Sealed, String> {
    match text {
        "none" => Ok(Sealed::None),
        "mixed" => Ok(Sealed::Mixed),
        "all" => Ok(Sealed::All),
        _ => Err(format!("{text} is none of none, mixed and all")),
    }
}

fn seeds(text: &str) -> Result<Range<u64>, String> {
    let (from, to) = text.split_once("..").ok_or(format!("{text} is not a range as in 0..2000"))?;
    Ok(number(from)?..number(to)?)
}

/// Shows one seed at length.
fn trace(seed: u64, options: Options) -> ExitCode {
    let outcome = run(seed, Options { record: true, ..options });
    for line in &outcome.trace {
        println!("{line}");
    }
    show(seed, &outcome);
    if outcome.violation.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn show(seed: u64, outcome: &Outcome) {
    println!("seed {seed}: {}", outcome.setting);
    println!(
        "  {} virtual seconds, {} frames, trace {:016x}",
        outcome.seconds, outcome.frames, outcome.trace_hash
    );
    match &outcome.violation {
        Some(violation) => println!("  FAILED {}: {}", violation.invariant, violation.what),
        None => println!("  passed"),
    }
}

/// What all seeds together came to.
#[derive(Default)]
struct Tally {
    passed: u64,
    harsh: u64,
    seconds: u64,
    frames: u64,
    coverage: Coverage,
    failed: Vec<u64>,
}

fn sweep(arguments: &Arguments) -> ExitCode {
    let next = AtomicU64::new(arguments.seeds.start);
    let tally = Mutex::new(Tally::default());
    std::thread::scope(|scope| {
        for _ in 0..arguments.jobs {
            scope.spawn(|| work(arguments, &next, &tally));
        }
    });
    let mut tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    tally.failed.sort_unstable();
    for seed in tally.failed.iter().take(SHOWN) {
        show_tail(*seed, arguments.options);
    }
    let covered = report(&tally, arguments);
    println!("{} passed, {} failed", tally.passed, tally.failed.len());
    if tally.failed.is_empty() && covered { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn work(arguments: &Arguments, next: &AtomicU64, tally: &Mutex<Tally>) {
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= arguments.seeds.end {
            return;
        }
        let outcome = run(seed, arguments.options);
        if outcome.violation.is_some() {
            show(seed, &outcome);
            if arguments.first {
                next.store(arguments.seeds.end, Ordering::Relaxed);
            }
        }
        let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.harsh += u64::from(outcome.severity == Severity::Harsh);
        tally.seconds += outcome.seconds;
        tally.frames += outcome.frames;
        tally.coverage.merge(&outcome.coverage);
        match outcome.violation {
            Some(_) => tally.failed.push(seed),
            None => tally.passed += 1,
        }
    }
}

fn show_tail(seed: u64, options: Options) {
    let outcome = run(seed, Options { record: true, ..options });
    println!("the last of seed {seed} (all of it: --trace {seed}):");
    let skip = outcome.trace.len().saturating_sub(TAIL);
    for line in &outcome.trace[skip..] {
        println!("  {line}");
    }
    show(seed, &outcome);
}

/// Prints what was reached; whether that is enough.
fn report(tally: &Tally, arguments: &Arguments) -> bool {
    println!("reached, in {} virtual seconds and {} frames:", tally.seconds, tally.frames);
    for name in Coverage::REQUIRED {
        println!("  {:>9} {name}", tally.coverage.count(name));
    }
    let all = tally.passed + tally.failed.len() as u64;
    let share = tally.harsh * 100 / all.max(1);
    println!("harsh weather in {share} % of seeds");
    let missing = tally.coverage.missing();
    if !arguments.coverage || missing.is_empty() && share >= 30 {
        return true;
    }
    println!("NOT COVERED: {missing:?}, harsh {share} % (at least 30 % wanted)");
    false
}
