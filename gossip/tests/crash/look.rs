//! What a new process finds in a store.

use crate::Outcome;
use crate::line::{Held, read_held};
use crate::process::Process;

/// Everything a store holds, checked by the process that reads it.
pub(crate) fn read(config: &str) -> Outcome<Held> {
    let mut reader = Process::start(&["child-read", config])?;
    let (mut contents, mut end) = (Held::new(), None);
    while let Some(line) = reader.line()? {
        match read_held(&line) {
            Some((id, held)) if contents.insert(id, held).is_none() => {}
            Some((id, _)) => return Err(format!("{id} is stored twice").into()),
            None => end = line.strip_prefix("end ").and_then(|count| count.parse().ok()),
        }
    }
    reader.finish()?;
    if end == Some(contents.len()) { Ok(contents) } else { Err("the reader lost count".into()) }
}
