//! What a process did to its files, from the output of `strace`, and what power loss leaves of it.

use std::collections::{BTreeMap, HashMap};
use std::io::BufRead;
use std::path::{Path, PathBuf};

use gossip::proto::Rng;

use crate::Outcome;

/// The calls that matter.
pub(crate) const CALLS: &str = "openat,write,pwrite64,lseek,ftruncate,fsync,fdatasync,rename,unlink";

/// One thing that happened, in the order it began (a sync: ended).
#[derive(Debug)]
pub(crate) enum Event {
    Made(PathBuf, bool),
    Wrote(PathBuf, u64, Vec<u8>),
    Resized(PathBuf, u64),
    /// What began before that event and concerns the file is on stable storage.
    Synced(PathBuf, usize),
    Renamed(PathBuf, PathBuf),
    Removed(PathBuf),
    /// Said on standard output, and when.
    Said(String, f64),
}

/// Reads a trace as it was written by `strace -f -ttt -y -xx`.
pub(crate) fn read(trace: impl BufRead, directory: &Path) -> Outcome<Vec<Event>> {
    let mut reader = Reader { directory, events: Vec::new(), begun: HashMap::new(), at: HashMap::new() };
    for line in trace.lines() {
        reader.line(&line?)?;
    }
    Ok(reader.events.into_iter().flatten().collect())
}

struct Reader<'d> {
    directory: &'d Path,
    /// `None`: begun, or of no interest.
    events: Vec<Option<Event>>,
    /// By thread: a call that has not ended, and the place it takes.
    begun: HashMap<String, (usize, String)>,
    /// By descriptor: where the next plain write goes.
    at: HashMap<String, u64>,
}

impl Reader<'_> {
    fn line(&mut self, line: &str) -> Outcome {
        // Numbers of threads are padded.
        let Some((thread, rest)) = line.split_once(' ') else { return Ok(()) };
        let Some((time, call)) = rest.trim_start().split_once(' ') else { return Ok(()) };
        if let Some(begin) = call.strip_suffix(" <unfinished ...>") {
            self.begun.insert(thread.to_owned(), (self.events.len(), begin.to_owned()));
            self.events.push(None);
            return Ok(());
        }
        let (place, call) = match call.strip_prefix("<... ").and_then(|rest| rest.split_once("resumed>")) {
            Some((_, end)) => {
                let (place, begin) = self.begun.remove(thread).ok_or("a call ends that never began")?;
                (place, begin + end)
            }
            None => {
                self.events.push(None);
                (self.events.len() - 1, call.to_owned())
            }
        };
        let Some((call, result)) = call.rsplit_once(" = ") else { return Ok(()) };
        let Some((name, arguments)) = call.trim_end().trim_end_matches(')').split_once('(') else {
            return Ok(());
        };
        // Failed, or cut off by the kill.
        if !result.starts_with(|first: char| first.is_ascii_digit()) {
            return Ok(());
        }
        match self.event(name, arguments, result, time.parse()?, place)? {
            Some(synced @ Event::Synced(..)) => self.events.push(Some(synced)),
            event => self.events[place] = event,
        }
        Ok(())
    }

    fn event(
        &mut self,
        name: &str,
        arguments: &str,
        result: &str,
        time: f64,
        place: usize,
    ) -> Outcome<Option<Event>> {
        let arguments: Vec<&str> = arguments.split(", ").collect();
        if name == "openat" {
            return self.open(&arguments, result);
        }
        if matches!(name, "rename" | "unlink") {
            let from = unhex(arguments[0]).map(text).filter(|path| path.starts_with(self.directory));
            let to = arguments.get(1).and_then(|to| unhex(to)).map(text);
            return Ok(from.map(|from| match to {
                Some(to) => Event::Renamed(from, to),
                None => Event::Removed(from),
            }));
        }
        let (number, file) = arguments[0].split_once('<').ok_or("a call without a file")?;
        let file = unhex(file.trim_end_matches('>')).map(text).unwrap_or_default();
        if number == "1" && name == "write" {
            let said = unhex(arguments[1]).ok_or("nothing said")?;
            return Ok(Some(Event::Said(String::from_utf8(said)?, time)));
        }
        if !file.starts_with(self.directory) {
            return Ok(None);
        }
        let count: u64 = result.parse()?;
        Ok(Some(match name {
            "lseek" => {
                self.at.insert(number.to_owned(), count);
                return Ok(None);
            }
            "fsync" | "fdatasync" => Event::Synced(file, place),
            "ftruncate" => Event::Resized(file, arguments[1].parse()?),
            _ => {
                let mut bytes = unhex(arguments[1]).ok_or("a write without bytes")?;
                bytes.truncate(count as usize);
                let at = match arguments.get(3) {
                    Some(at) => at.parse()?,
                    None => *self.at.entry(number.to_owned()).or_default(),
                };
                if arguments.len() < 4 {
                    self.at.insert(number.to_owned(), at + count);
                }
                Event::Wrote(file, at, bytes)
            }
        }))
    }

    fn open(&mut self, arguments: &[&str], result: &str) -> Outcome<Option<Event>> {
        let (number, file) = result.split_once('<').ok_or("an open without a file")?;
        let file = unhex(file.trim_end_matches('>')).map(text).unwrap_or_default();
        let flags = arguments.get(2).copied().unwrap_or_default();
        self.at.insert(number.to_owned(), 0);
        let made = flags.contains("O_CREAT") && file.starts_with(self.directory);
        if made && flags.contains("O_APPEND") {
            return Err("a file that is appended to is not understood".into());
        }
        Ok(made.then(|| Event::Made(file, flags.contains("O_TRUNC"))))
    }
}

/// Bytes of `\x61\x62`, in quotes or not.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_matches('"');
    text.split("\\x").skip(1).map(|pair| u8::from_str_radix(pair.get(..2)?, 16).ok()).collect()
}

fn text(bytes: Vec<u8>) -> PathBuf {
    String::from_utf8_lossy(&bytes).into_owned().into()
}

/// A file: what is on stable storage, and what may be.
#[derive(Debug, Default)]
struct Content {
    synced: Vec<u8>,
    /// With the number of the event.
    pending: Vec<(usize, Change)>,
}

#[derive(Debug)]
enum Change {
    Write(u64, Vec<u8>),
    Resize(u64),
}

/// How the power went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Only what was synced is left.
    Everything,
    /// Of each file a first part of what was not synced is left.
    Tail,
    /// Of what was not synced any part is left, in any order, torn at sectors.
    Anything,
}

/// The files after power loss before the event `cut`. Names are taken as durable at once.
pub(crate) fn left_over(
    events: &[Event],
    cut: usize,
    loss: Loss,
    rng: &mut Rng,
) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files: BTreeMap<PathBuf, Content> = BTreeMap::new();
    for (number, event) in events[..cut].iter().enumerate() {
        match event {
            Event::Made(path, true) => drop(files.insert(path.clone(), Content::default())),
            Event::Made(path, false) => drop(files.entry(path.clone()).or_default()),
            Event::Wrote(path, at, bytes) => {
                let change = Change::Write(*at, bytes.clone());
                files.entry(path.clone()).or_default().pending.push((number, change));
            }
            Event::Resized(path, len) => {
                files.entry(path.clone()).or_default().pending.push((number, Change::Resize(*len)));
            }
            Event::Synced(path, began) => {
                if let Some(file) = files.get_mut(path) {
                    file.sync(*began);
                }
            }
            Event::Renamed(from, to) => {
                if let Some(file) = files.remove(from) {
                    files.insert(to.clone(), file);
                }
            }
            Event::Removed(path) => drop(files.remove(path)),
            Event::Said(..) => {}
        }
    }
    files.into_iter().map(|(path, content)| (path, content.lose(loss, rng))).collect()
}

impl Content {
    fn sync(&mut self, began: usize) {
        let pending = std::mem::take(&mut self.pending);
        for (number, change) in pending {
            match number < began {
                true => change.apply(&mut self.synced),
                false => self.pending.push((number, change)),
            }
        }
    }

    fn lose(mut self, loss: Loss, rng: &mut Rng) -> Vec<u8> {
        let keep = match loss {
            Loss::Everything => 0,
            Loss::Tail => rng.below(self.pending.len() as u64 + 1) as usize,
            Loss::Anything => self.pending.len(),
        };
        for (_, mut change) in self.pending.into_iter().take(keep) {
            if loss == Loss::Anything {
                if rng.chance(400) {
                    continue;
                }
                change.tear(rng);
            }
            change.apply(&mut self.synced);
        }
        self.synced
    }
}

impl Change {
    fn apply(&self, file: &mut Vec<u8>) {
        match self {
            Self::Resize(len) => file.resize(*len as usize, 0),
            Self::Write(at, bytes) => {
                let (at, end) = (*at as usize, *at as usize + bytes.len());
                file.resize(file.len().max(end), 0);
                file[at..end].copy_from_slice(bytes);
            }
        }
    }

    /// Now and then only whole sectors of a write are there.
    fn tear(&mut self, rng: &mut Rng) {
        if let Self::Write(at, bytes) = self
            && rng.chance(200)
        {
            let first = 512 - (*at % 512);
            let whole = first + 512 * rng.below(bytes.len() as u64 / 512 + 1);
            bytes.truncate(whole as usize);
        }
    }
}
