//! A replica as a text file, and its comparison with the others and with the trace.
//!
//! One line per entry in the order of the stream, with all that must be equal everywhere. Two
//! such files can also be compared with `diff`.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use gossip::LogEntry;

use super::ReplayError;
use super::cast::Cast;
use super::payload;
use crate::trace::Trace;

/// The line of an entry: its id (log and sequence), author, stamp and payload bytes.
#[must_use]
pub fn line(entry: &LogEntry) -> String {
    let mut payload = String::with_capacity(2 * entry.payload().len());
    for byte in entry.payload() {
        for digit in [byte >> 4, byte & 15] {
            payload.push(char::from_digit(digit.into(), 16).unwrap_or_default());
        }
    }
    format!("{} {} {:?} {payload}\n", entry.id(), entry.author(), entry.stamp())
}

/// What replicas have in common, once it is known that they are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Equal {
    /// Entries in each.
    pub entries: usize,
    /// Bytes of their payloads.
    pub payload_bytes: u64,
}

/// Compares the replicas of all people with each other and with what each of them should have
/// written, in order.
///
/// # Errors
/// [`ReplayError::Mismatch`] names the first difference.
pub fn compare(files: &[impl AsRef<Path>], cast: &Cast, trace: &Trace) -> Result<Equal, ReplayError> {
    let mut replicas = Vec::new();
    for file in files {
        let file = File::open(file).map_err(ReplayError::io("opening a replica"))?;
        replicas.push(BufReader::new(file).lines());
    }
    let mut source = Source::new(cast, trace);
    let mut equal = Equal { entries: 0, payload_bytes: 0 };
    while let Some(line) = same_line(&mut replicas, cast, equal.entries)? {
        let at = equal.entries + 1;
        let bytes = source.take(&line).map_err(|what| mismatch(at, what))?;
        equal.entries += 1;
        equal.payload_bytes += bytes as u64;
    }
    source.finish()?;
    Ok(equal)
}

type Lines = io::Lines<BufReader<File>>;

/// The next line, if all have the same; `None` at the common end.
fn same_line(replicas: &mut [Lines], cast: &Cast, at: usize) -> Result<Option<String>, ReplayError> {
    let mut first: Option<Option<String>> = None;
    for (person, replica) in replicas.iter_mut().enumerate() {
        let line = replica.next().transpose().map_err(ReplayError::io("reading a replica"))?;
        match &first {
            None => first = Some(line),
            Some(expected) if *expected == line => {}
            Some(expected) => {
                let show = |line: &Option<String>| line.clone().unwrap_or_else(|| "nothing more".into());
                let (one, other) = (cast.name(0), cast.name(person));
                let what = format!("{one} holds\n  {}\nand {other}\n  {}", show(expected), show(&line));
                return Err(mismatch(at + 1, what));
            }
        }
    }
    Ok(first.flatten())
}

fn mismatch(at: usize, what: String) -> ReplayError {
    ReplayError::Mismatch(format!("entry {at} of the stream: {what}"))
}

/// Walks the trace once per author.
struct Source<'a> {
    cast: &'a Cast,
    trace: &'a Trace,
    /// For each person, how many of their transactions were met.
    met: Vec<usize>,
}

impl<'a> Source<'a> {
    fn new(cast: &'a Cast, trace: &'a Trace) -> Self {
        Self { cast, trace, met: vec![0; cast.people()] }
    }

    /// Checks that this entry is the next transaction of its author; its payload's length.
    fn take(&mut self, line: &str) -> Result<usize, String> {
        let fields: Vec<&str> = line.split(' ').collect();
        let [_, author, _, hex] = fields[..] else { return Err(format!("not a line of a replica: {line}")) };
        let person = self.cast.person(author).ok_or_else(|| format!("{author} is not in the cast"))?;
        let script = self.cast.script(person);
        let Some(&index) = script.get(self.met[person]) else {
            return Err(format!("{author} has written more than their {} transactions", script.len()));
        };
        let bytes = from_hex(hex).ok_or("its payload is not in hexadecimal digits")?;
        let record = payload::decode(&bytes).map_err(|error| error.to_string())?;
        if !record.is(index, &self.trace.transactions[index]) {
            let wanted = &self.trace.transactions[index];
            return Err(format!("{author} wrote {record:?}, but transaction {index} is {wanted:?}"));
        }
        self.met[person] += 1;
        Ok(bytes.len())
    }

    fn finish(&self) -> Result<(), ReplayError> {
        for person in 0..self.cast.people() {
            let (met, all) = (self.met[person], self.cast.script(person).len());
            if met < all {
                let name = self.cast.name(person);
                let what = format!("{met} of {all} transactions of {name} are there, the rest is missing");
                return Err(ReplayError::Mismatch(what));
            }
        }
        Ok(())
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = |pair: &[u8]| match *pair {
        [high, low] => u8::try_from(digit(high)? << 4 | digit(low)?).ok(),
        _ => None,
    };
    text.as_bytes().chunks(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::trace::{Patch, Transaction};

    fn trace() -> Trace {
        let transaction = |(index, agent): (usize, usize)| Transaction {
            agent,
            parents: index.checked_sub(1).into_iter().collect(),
            patches: vec![Patch(index as u64, 0, "é".into())],
        };
        Trace { agents: 2, transactions: [0, 1, 0].into_iter().enumerate().map(transaction).collect() }
    }

    fn lines() -> Vec<String> {
        let line = |(index, transaction): (usize, &Transaction)| {
            let hex: String =
                payload::encode(index, transaction).iter().map(|byte| format!("{byte:02x}")).collect();
            format!("00:{index} {} {index}.0 {hex}", ["ann", "bob"][transaction.agent])
        };
        trace().transactions.iter().enumerate().map(line).collect()
    }

    fn compare_lines(replicas: &[Vec<String>]) -> Result<Equal, String> {
        let dir = tempfile::tempdir().unwrap();
        let files: Vec<PathBuf> = (0..replicas.len()).map(|n| dir.path().join(n.to_string())).collect();
        for (file, lines) in files.iter().zip(replicas) {
            std::fs::write(file, lines.join("\n")).unwrap();
        }
        compare(&files, &Cast::of(&trace()), &trace()).map_err(|error| error.to_string())
    }

    #[test]
    fn equal_replicas_of_the_trace_pass() {
        let equal = compare_lines(&[lines(), lines()]).unwrap();
        assert_eq!(equal.entries, 3);
        let digits: usize = lines().iter().map(|line| line.rsplit(' ').next().unwrap().len()).sum();
        assert_eq!(equal.payload_bytes, digits as u64 / 2);
    }

    #[test]
    fn every_difference_is_named() {
        let mut stamp = lines();
        stamp[1] = stamp[1].replace(" 1.0 ", " 2.0 ");
        let error = compare_lines(&[lines(), stamp]).unwrap_err();
        assert!(error.contains("entry 2 of the stream") && error.contains("and bob"), "{error}");
        let error = compare_lines(&[lines(), lines()[..2].into()]).unwrap_err();
        assert!(error.contains("entry 3") && error.contains("nothing more"), "{error}");
        let short: Vec<String> = lines()[..2].into();
        let error = compare_lines(&[short.clone(), short]).unwrap_err();
        assert!(error.contains("1 of 2 transactions of ann"), "{error}");
    }

    #[test]
    fn what_nobody_wrote_is_named() {
        let twice = [lines(), vec![lines()[2].clone()]].concat();
        assert!(compare_lines(&[twice.clone(), twice]).unwrap_err().contains("more than their 2"));
        let mut swapped = lines();
        swapped.swap(0, 2);
        assert!(compare_lines(&[swapped.clone(), swapped]).unwrap_err().contains("transaction 0 is"));
        let stranger = vec![lines()[0].replace("ann", "zoe")];
        assert!(compare_lines(&[stranger.clone(), stranger]).unwrap_err().contains("not in the cast"));
        let odd = vec![lines()[0].replace(" 0.0 ", " 0.0 x")];
        assert!(compare_lines(&[odd.clone(), odd]).unwrap_err().contains("hexadecimal"));
    }
}
