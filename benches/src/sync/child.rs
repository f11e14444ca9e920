//! A party as its parent holds it: a process of its own.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::order::{Answer, Order, Report, Setup};
use crate::Outcome;

/// A process that does what it is told.
pub(super) struct Party {
    process: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Party {
    pub(super) fn spawn() -> Outcome<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut process = command.arg("party").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let orders = process.stdin.take().ok_or("no way to tell")?;
        let answers = BufReader::new(process.stdout.take().ok_or("no way to hear")?);
        Ok(Self { process, orders, answers })
    }

    /// A party with a node, and where it listens.
    pub(super) fn open(setup: Setup) -> Outcome<(Self, String)> {
        let mut party = Self::spawn()?;
        match party.ask(Order::Open(setup))? {
            Answer::Address(address) => Ok((party, address)),
            other => Err(unexpected(&other)),
        }
    }

    /// Gives an order; [`Party::hear`] has to follow.
    pub(super) fn tell(&mut self, order: &Order) -> Outcome {
        writeln!(self.orders, "{}", serde_json::to_string(order)?)?;
        Ok(self.orders.flush()?)
    }

    /// Waits for the answer to the oldest order not yet answered.
    pub(super) fn hear(&mut self) -> Outcome<Answer> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        match serde_json::from_str(&line).map_err(|_| format!("a party ended: {line}"))? {
            Answer::Failed(why) => Err(why.into()),
            answer => Ok(answer),
        }
    }

    pub(super) fn ask(&mut self, order: Order) -> Outcome<Answer> {
        self.tell(&order)?;
        self.hear()
    }

    /// For orders that are answered by [`Answer::Done`].
    pub(super) fn run(&mut self, order: Order) -> Outcome {
        match self.ask(order)? {
            Answer::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    pub(super) fn report(&mut self) -> Outcome<Report> {
        match self.ask(Order::Report)? {
            Answer::Report(report) => Ok(report),
            other => Err(unexpected(&other)),
        }
    }

    /// Entries held and the bytes of their runs.
    pub(super) fn held(&mut self) -> Outcome<(u64, u64)> {
        match self.ask(Order::Held)? {
            Answer::Held { entries, bytes } => Ok((entries, bytes)),
            other => Err(unexpected(&other)),
        }
    }

    pub(super) fn quit(mut self) -> Outcome {
        self.tell(&Order::Quit)?;
        self.process.wait()?;
        Ok(())
    }
}

impl Drop for Party {
    /// Nothing is left running when a measurement fails.
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(super) fn unexpected(answer: &Answer) -> Box<dyn std::error::Error + Send + Sync> {
    format!("unexpected answer {answer:?}").into()
}
