//! Every dependency has a licence we accept.

use crate::metadata::Metadata;

/// Licences that ask for nothing but attribution.
const ACCEPTED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "BlueOak-1.0.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Findings about licences.
pub(crate) fn check(metadata: &Metadata) -> Vec<String> {
    let judged = metadata.packages.iter().filter_map(|package| {
        let refused = match package.license.as_deref() {
            None => "no licence expression".to_owned(),
            Some(text) => match satisfied(text) {
                Some(true) => return None,
                Some(false) => format!("{text:?} is not accepted"),
                None => format!("{text:?} is not an SPDX expression"),
            },
        };
        Some(format!("{} {}: {refused}", package.name, package.version))
    });
    judged.collect()
}

/// Whether an SPDX expression can be met with accepted licences; `None` when it is not one.
fn satisfied(expression: &str) -> Option<bool> {
    // A slash is how old manifests say OR.
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut parser = Parser { words: spaced.split_whitespace().collect(), at: 0 };
    let met = parser.any()?;
    (parser.at == parser.words.len()).then_some(met)
}

struct Parser<'a> {
    words: Vec<&'a str>,
    at: usize,
}

impl<'a> Parser<'a> {
    /// `all OR all OR …`
    fn any(&mut self) -> Option<bool> {
        let mut met = self.all()?;
        while self.take("OR") {
            met |= self.all()?;
        }
        Some(met)
    }

    /// `one AND one AND …`
    fn all(&mut self) -> Option<bool> {
        let mut met = self.one()?;
        while self.take("AND") {
            met &= self.one()?;
        }
        Some(met)
    }

    /// `name`, `name WITH exception` or `( any )`
    fn one(&mut self) -> Option<bool> {
        if self.take("(") {
            let met = self.any()?;
            return self.take(")").then_some(met);
        }
        let name = self.name()?.to_owned();
        if !self.take("WITH") {
            return Some(ACCEPTED.contains(&&name[..]));
        }
        let whole = format!("{name} WITH {}", self.name()?);
        Some(ACCEPTED.contains(&&whole[..]))
    }

    fn name(&mut self) -> Option<&'a str> {
        let word = *self.words.get(self.at)?;
        self.at += 1;
        (!["AND", "OR", "WITH", "(", ")"].contains(&word)).then_some(word)
    }

    fn take(&mut self, word: &str) -> bool {
        let here = self.words.get(self.at) == Some(&word);
        self.at += usize::from(here);
        here
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_judged() {
        assert_eq!(satisfied("MIT/Apache-2.0"), Some(true));
        assert_eq!(satisfied("GPL-3.0-only OR MIT"), Some(true));
        assert_eq!(satisfied("GPL-3.0-only AND MIT"), Some(false));
        assert_eq!(satisfied("(MIT OR GPL-3.0-only) AND Unicode-3.0"), Some(true));
        assert_eq!(satisfied("Apache-2.0 WITH LLVM-exception"), Some(true));
        assert_eq!(satisfied("MIT WITH strings-attached"), Some(false));
        assert_eq!(satisfied("MIT OR"), None);
        assert_eq!(satisfied("MIT MIT"), None);
    }
}
