//! Which cases are run, as the words of a command line say.

use super::cases::{Case, Length, cases};

/// Fewer nodes are no swarm.
const FEWEST: usize = 8;

/// Which cases are run, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    sizes: Vec<usize>,
    /// Of these scenarios only.
    only: Vec<String>,
    /// Instead of what a case says.
    seeds: Option<u64>,
    length: Length,
}

impl Selection {
    /// The words it knows.
    pub const WORDS: &str = "--n, --only, --seeds, --long";

    /// Everything that fits into minutes, with groups of these sizes.
    #[must_use]
    pub fn of(sizes: &[usize]) -> Self {
        Self { sizes: sizes.into(), only: Vec::new(), seeds: None, length: Length::Bounded }
    }

    /// Takes a word, and its value if it has one; says whether it is one of [`Self::WORDS`].
    ///
    /// # Errors
    /// When the value is missing or makes no sense.
    pub fn take(
        &mut self,
        word: &str,
        value: impl FnOnce() -> Result<String, String>,
    ) -> Result<bool, String> {
        match word {
            "--n" => self.sizes = value()?.split(',').map(size).collect::<Result<_, _>>()?,
            "--only" => self.only = value()?.split(',').map(str::to_uppercase).collect(),
            "--seeds" => self.seeds = Some(number(&value()?)?),
            "--long" => self.length = Length::Long,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Those cases.
    ///
    /// # Errors
    /// When a scenario is asked for that there is not: nothing would be run, and nothing be missed.
    pub fn cases(&self) -> Result<Vec<Case>, String> {
        let all = cases(self.length, &self.sizes);
        let is_of = |case: &Case, id: &String| case.scenario.id() == id;
        if let Some(id) = self.only.iter().find(|id| !all.iter().any(|case| is_of(case, id))) {
            return Err(format!("there is no scenario {id}"));
        }
        let is_wanted = |case: &Case| self.only.is_empty() || self.only.iter().any(|id| is_of(case, id));
        let wanted = all.into_iter().filter(is_wanted);
        Ok(wanted.map(|case| Case { seeds: self.seeds.unwrap_or(case.seeds), ..case }).collect())
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or(format!("{text} is not a number"))
}

fn size(text: &str) -> Result<usize, String> {
    let nodes = usize::try_from(number(text)?).ok().filter(|nodes| *nodes >= FEWEST);
    nodes.ok_or(format!("a swarm has at least {FEWEST} nodes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes words and their values.
    fn select(words: &[(&str, &str)]) -> Result<Selection, String> {
        let mut selection = Selection::of(&[20]);
        for (word, value) in words {
            assert!(selection.take(word, || Ok((*value).into()))?, "{word}");
        }
        Ok(selection)
    }

    #[test]
    fn words_select_sizes_scenarios_and_seeds() {
        let all = select(&[]).unwrap().cases().unwrap();
        assert!(all.iter().all(|case| [20, 128].contains(&case.nodes)));
        let some = select(&[("--n", "8,30"), ("--only", "s3,S5"), ("--seeds", "7")]).unwrap();
        let some = some.cases().unwrap();
        assert!(some.iter().all(|case| [8, 30].contains(&case.nodes) && case.seeds == 7));
        for id in ["S3", "S5"] {
            assert!(some.iter().any(|case| case.scenario.id() == id), "{id}");
        }
        let long = select(&[("--long", "")]).unwrap().cases().unwrap();
        assert!(long.len() > all.len());
        assert_eq!(select(&[]).unwrap().take("--json", || Err("not asked".into())), Ok(false));
    }

    #[test]
    fn what_makes_no_sense_is_an_error() {
        for (word, value) in [("--n", "7"), ("--n", "20,"), ("--seeds", "0"), ("--seeds", "few")] {
            assert!(select(&[(word, value)]).is_err(), "{word} {value}");
        }
        assert!(Selection::of(&[20]).take("--n", || Err("it is missing".into())).is_err());
        assert!(select(&[("--only", "s1,s99")]).unwrap().cases().is_err(), "nothing would be missed");
    }
}
