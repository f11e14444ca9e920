//! Who plays whom: which process writes which transactions.

use std::ops::Range;

use crate::trace::Trace;

/// Most processes started; a trace with more authors has several of them in one process.
pub const MAX_PEOPLE: usize = 8;

const NAMES: [&str; MAX_PEOPLE] = ["ann", "bob", "cleo", "dan", "eve", "finn", "gus", "hana"];

/// The people of a replay and what each of them writes.
#[derive(Debug, Clone)]
pub struct Cast {
    scripts: Vec<Vec<usize>>,
}

impl Cast {
    /// One person per author, but at least two (the second may only listen) and at most
    /// [`MAX_PEOPLE`].
    #[must_use]
    pub fn of(trace: &Trace) -> Self {
        let people = trace.agents.clamp(2, MAX_PEOPLE);
        let mut scripts = vec![Vec::new(); people];
        for (index, transaction) in trace.transactions.iter().enumerate() {
            scripts[transaction.agent % people].push(index);
        }
        Self { scripts }
    }

    /// How many people there are.
    #[must_use]
    pub fn people(&self) -> usize {
        self.scripts.len()
    }

    /// What a person is called; also the id of their node.
    #[must_use]
    pub fn name(&self, person: usize) -> &'static str {
        NAMES[person]
    }

    /// Who has this name.
    #[must_use]
    pub fn person(&self, name: &str) -> Option<usize> {
        NAMES[..self.people()].iter().position(|other| *other == name)
    }

    /// The transactions a person writes, in the order of the trace.
    #[must_use]
    pub fn script(&self, person: usize) -> &[usize] {
        &self.scripts[person]
    }

    /// How many transactions of a range a person writes.
    #[must_use]
    pub fn lines(&self, person: usize, range: &Range<usize>) -> usize {
        let script = self.script(person);
        let before = |end| script.partition_point(|index| *index < end);
        before(range.end) - before(range.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Transaction;

    fn trace(agents: usize, writers: &[usize]) -> Trace {
        let transaction = |agent: &usize| Transaction { agent: *agent, parents: vec![], patches: vec![] };
        Trace { agents, transactions: writers.iter().map(transaction).collect() }
    }

    #[test]
    fn each_author_has_a_process_until_there_are_too_many() {
        let two = Cast::of(&trace(2, &[0, 1, 1, 0]));
        assert_eq!((two.script(0), two.script(1)), (&[0, 3][..], &[1, 2][..]));
        assert_eq!(two.lines(1, &(2..4)), 1);
        assert_eq!(Cast::of(&trace(1, &[0])).people(), 2);
        let crowd = Cast::of(&trace(300, &[299, 3]));
        assert_eq!(crowd.people(), MAX_PEOPLE);
        assert_eq!(crowd.script(3), [0, 1]);
        assert_eq!(two.person("bob"), Some(1));
        assert_eq!(two.person("cleo"), None);
    }
}
