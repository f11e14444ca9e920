//! Recorded editing histories, in the format of the public collection *editing-traces*.
//!
//! A trace is JSON, usually compressed with gzip. Each transaction has an author (`agent`), the
//! transactions its author had seen (`parents`) and what it did to the text (`patches`).

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use serde::Deserialize;

/// Largest trace read, unpacked: a guard against archives that unpack without end.
pub const MAX_BYTES: u64 = 1 << 30;

const BUILT_IN: &[u8] = include_bytes!("../data/friendsforever.json.gz");

/// One editing history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// How many people wrote, at least 1.
    pub agents: usize,
    /// What they did, parents before children, at least one.
    pub transactions: Vec<Transaction>,
}

/// One edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// Who made it, below [`Trace::agents`].
    pub agent: usize,
    /// Indices of the newest transactions its author had seen; all are smaller than its own.
    pub parents: Vec<usize>,
    /// What it did, in order.
    pub patches: Vec<Patch>,
}

/// One change of the text; positions and lengths count Unicode characters.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Patch(
    /// Where.
    pub u64,
    /// How many characters went.
    pub u64,
    /// What came in their place.
    pub String,
);

/// A file is not a trace.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", .file.display())]
pub struct TraceError {
    file: PathBuf,
    problem: Problem,
}

/// What is wrong with a trace.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The file cannot be opened, read or unpacked.
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    /// More than [`MAX_BYTES`].
    #[error("unpacks to more than {MAX_BYTES} bytes")]
    TooLarge,
    /// Not the JSON of a trace.
    #[error("is not a trace: {0}")]
    Json(#[from] serde_json::Error),
    /// A kind of trace that is not known.
    #[error("is a trace of kind {0:?}; known are \"concurrent\" and \"sequential\"")]
    Kind(String),
    /// Nothing in it.
    #[error("holds no transactions")]
    Empty,
    /// `numAgents` is 0.
    #[error("says that nobody wrote it (numAgents is 0)")]
    NoAgents,
    /// An author beyond `numAgents`.
    #[error("transaction {index} is by agent {agent}, but there are only {agents}")]
    Agent {
        /// Which transaction.
        index: usize,
        /// Who made it.
        agent: usize,
        /// How many there are.
        agents: usize,
    },
    /// A parent that is not an earlier transaction.
    #[error("transaction {index} has the parent {parent}, which is not before it")]
    Parent {
        /// Which transaction.
        index: usize,
        /// Its parent.
        parent: usize,
    },
}

impl Trace {
    /// Reads a trace from a file, compressed or not.
    ///
    /// # Errors
    /// [`TraceError`] names the file and what is wrong with it.
    pub fn load(file: &Path) -> Result<Self, TraceError> {
        let read = || Self::parse(File::open(file)?);
        read().map_err(|problem| TraceError { file: file.to_owned(), problem })
    }

    /// The trace that comes with the examples: two friends writing about a television episode.
    ///
    /// # Errors
    /// None, unless the file in `data/` was damaged before this was built.
    pub fn built_in() -> Result<Self, TraceError> {
        Self::parse(BUILT_IN).map_err(|problem| TraceError { file: "friendsforever.json.gz".into(), problem })
    }

    /// Reads a trace from bytes, compressed or not.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(source: impl Read) -> Result<Self, Problem> {
        let raw: RawTrace = serde_json::from_slice(&unpack(source)?)?;
        let trace = raw.into_trace()?;
        trace.check()?;
        Ok(trace)
    }

    fn check(&self) -> Result<(), Problem> {
        if self.agents == 0 {
            return Err(Problem::NoAgents);
        }
        if self.transactions.is_empty() {
            return Err(Problem::Empty);
        }
        for (index, transaction) in self.transactions.iter().enumerate() {
            let Transaction { agent, parents, .. } = transaction;
            if *agent >= self.agents {
                return Err(Problem::Agent { index, agent: *agent, agents: self.agents });
            }
            if let Some(&parent) = parents.iter().find(|parent| **parent >= index) {
                return Err(Problem::Parent { index, parent });
            }
        }
        Ok(())
    }
}

/// The JSON as it is in the file; what is not needed is passed over.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawTrace {
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    num_agents: Option<usize>,
    txns: Vec<RawTransaction>,
}

#[derive(Deserialize)]
struct RawTransaction {
    #[serde(default)]
    agent: usize,
    #[serde(default)]
    parents: Option<Vec<usize>>,
    patches: Vec<Patch>,
}

impl RawTrace {
    fn into_trace(self) -> Result<Trace, Problem> {
        // A sequential trace has one author, and every transaction follows the one before.
        let agents = match (self.kind.as_deref(), self.num_agents) {
            (Some("sequential") | None, agents) => agents.unwrap_or(1),
            (Some("concurrent"), Some(agents)) => agents,
            (Some("concurrent"), None) => {
                return Err(Problem::Json(serde::de::Error::missing_field("numAgents")));
            }
            (Some(kind), _) => return Err(Problem::Kind(kind.chars().take(100).collect())),
        };
        let transaction = |(index, raw): (usize, RawTransaction)| Transaction {
            agent: raw.agent,
            parents: raw.parents.unwrap_or_else(|| index.checked_sub(1).into_iter().collect()),
            patches: raw.patches,
        };
        Ok(Trace { agents, transactions: self.txns.into_iter().enumerate().map(transaction).collect() })
    }
}

fn unpack(mut source: impl Read) -> Result<Vec<u8>, Problem> {
    let mut start = Vec::new();
    source.by_ref().take(2).read_to_end(&mut start)?;
    let packed = start == [0x1f, 0x8b];
    let whole = Cursor::new(start).chain(source);
    let mut text = Vec::new();
    match packed {
        true => MultiGzDecoder::new(whole).take(MAX_BYTES + 1).read_to_end(&mut text)?,
        false => whole.take(MAX_BYTES + 1).read_to_end(&mut text)?,
    };
    if text.len() as u64 > MAX_BYTES { Err(Problem::TooLarge) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(json: &str) -> String {
        Trace::parse(json.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn the_trace_that_comes_along_is_whole() {
        let trace = Trace::built_in().unwrap();
        assert_eq!((trace.agents, trace.transactions.len()), (2, 26_078));
        let by_first = trace.transactions.iter().filter(|one| one.agent == 0).count();
        assert_eq!(by_first, 12_124);
        assert_eq!(trace.transactions[1].patches, [Patch(1, 0, " ".into())]);
    }

    #[test]
    fn a_sequential_trace_has_one_author() {
        let json = r#"{"startContent":"","txns":[{"patches":[]},{"patches":[[0,1,"x"]]}]}"#;
        let trace = Trace::parse(json.as_bytes()).unwrap();
        assert_eq!(trace.agents, 1);
        assert_eq!(trace.transactions[1].parents, [0]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let one = |fields: &str| {
            problem(&format!(r#"{{"kind":"concurrent","numAgents":2,"txns":[{{{fields}}}]}}"#))
        };
        assert!(one(r#""agent":2,"parents":[],"patches":[]"#).contains("by agent 2"));
        assert!(one(r#""agent":1,"parents":[0],"patches":[]"#).contains("the parent 0"));
        assert!(one(r#""agent":1,"parents":[],"patches":[[1,2]]"#).contains("not a trace"));
        assert!(one(r#""agent":-1,"parents":[],"patches":[]"#).contains("not a trace"));
        assert!(problem(r#"{"kind":"concurrent","numAgents":2,"txns":[]}"#).contains("no transactions"));
        assert!(problem(r#"{"kind":"concurrent","numAgents":0,"txns":[]}"#).contains("nobody"));
        assert!(problem(r#"{"kind":"concurrent","txns":[]}"#).contains("numAgents"));
        assert!(problem(r#"{"kind":"odd","txns":[]}"#).contains("\"odd\""));
        assert!(problem("").contains("not a trace"));
        assert!(Trace::parse(&[0x1f, 0x8b, 0][..]).unwrap_err().to_string().contains("cannot be read"));
        let missing = Trace::load(Path::new("no/such/file")).unwrap_err().to_string();
        assert!(missing.starts_with("no/such/file: cannot be read"), "{missing}");
    }
}
