//! Shows how far a replay is: bars on a terminal, plain lines elsewhere.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::ledger::Ledger;

const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// The display, on standard error.
#[derive(Debug)]
pub struct Progress {
    bars: Option<Bars>,
    spoken: Instant,
}

#[derive(Debug)]
struct Bars {
    all: MultiProgress,
    written: Vec<ProgressBar>,
    held: Vec<ProgressBar>,
}

impl Progress {
    /// Bars for everybody if standard error is a terminal.
    #[must_use]
    pub fn new(ledger: &Ledger) -> Self {
        let bars = stderr().is_terminal().then(|| Bars::new(ledger));
        Self { bars, spoken: Instant::now() }
    }

    /// Says what begins now.
    pub fn phase(&mut self, text: &str) {
        match &self.bars {
            // A terminal that is gone is no reason to stop.
            Some(bars) => bars.all.println(text).unwrap_or_default(),
            None => writeln!(stderr(), "{text}").unwrap_or_default(),
        }
        self.spoken = Instant::now();
    }

    /// Shows the state.
    pub fn update(&mut self, ledger: &Ledger) {
        match &self.bars {
            Some(bars) => bars.update(ledger),
            None if self.spoken.elapsed() >= PLAIN_EVERY => self.phase(&format!("  {}", ledger.state())),
            None => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bars) = &self.bars {
            bars.all.clear().unwrap_or_default();
        }
    }
}

impl Bars {
    fn new(ledger: &Ledger) -> Self {
        let all = MultiProgress::new();
        let style = ProgressStyle::with_template("{prefix:>12} {bar:40.cyan/blue} {pos:>7}/{len}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = |length: usize, prefix: String| {
            all.add(ProgressBar::new(length as u64).with_style(style.clone()).with_prefix(prefix))
        };
        let cast = ledger.cast();
        let people = 0..cast.people();
        let total: usize = people.clone().map(|person| cast.script(person).len()).sum();
        let (mut written, mut held) = (Vec::new(), Vec::new());
        for person in people {
            written.push(bar(cast.script(person).len(), format!("{} wrote", cast.name(person))));
            held.push(bar(total, format!("{} holds", cast.name(person))));
        }
        Self { all, written, held }
    }

    fn update(&self, ledger: &Ledger) {
        for (person, (written, held)) in self.written.iter().zip(&self.held).enumerate() {
            written.set_position(ledger.durable(person) as u64);
            held.set_position(ledger.held(person) as u64);
        }
    }
}
