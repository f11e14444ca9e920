//! The format by itself: what was written is read, and nothing else is.

use bytes::Bytes;
use gossip_proto::{CommitItem, MAX_PAYLOAD_BYTES, NodeId, Payload, Retention, Seal, Stamp};
use gossip_testkit::fixture::LogWriter;
use proptest::prelude::*;

use super::FileError;
use super::format::{GapLine, Header, Kind, LogLine, MAGIC, StreamLine, Sum, Totals, VERSION, frame, record};
use super::parse::{Parser, Step};

/// A file made by hand.
struct Made {
    bytes: Vec<u8>,
    sum: Sum,
    /// Of floors and gaps.
    seal: Option<Seal>,
}

impl Made {
    fn new(version: u8) -> Self {
        let mut bytes = MAGIC.to_vec();
        bytes.push(version);
        Self { bytes, sum: Sum::new(version), seal: None }
    }

    fn put(&mut self, kind: Kind, body: &[u8]) {
        self.bytes.extend(frame(&mut self.sum, kind, body).unwrap());
    }

    fn header(&mut self) {
        let (channel, exporter) = ("project".parse().unwrap(), NodeId::new("ann").unwrap());
        self.put(Kind::Header, &record(&Header { channel, payload_limit: 1000, exporter }).unwrap());
    }

    fn log(&mut self, writer: &LogWriter) {
        let stamp = if writer.height() == 0 { Stamp::ZERO } else { LogWriter::stamp_at(writer.height()) };
        let (name, floor, hash) = ((**writer.name()).clone(), writer.height(), writer.hash());
        self.put(Kind::Log, &record(&LogLine { name, floor, hash, stamp, seal: self.seal }).unwrap());
    }

    fn run(&mut self, item: &CommitItem) {
        let CommitItem::Run { run, .. } = item else { panic!("not a run") };
        self.put(Kind::Run, run.encoded());
    }

    fn gap(&mut self, writer: &LogWriter) {
        let (last, hash, stamp) = (writer.height(), writer.hash(), Stamp::ZERO);
        self.put(Kind::Gap, &record(&GapLine { last, hash, stamp, seal: self.seal }).unwrap());
    }

    fn end(&mut self, streams: u64, logs: u64, runs: u64, entries: u64) {
        self.put(Kind::End, &record(&Totals { streams, logs, runs, entries }).unwrap());
    }
}

/// A stream, a log with a floor and a gap, a log of large payloads, an empty log.
fn whole() -> Vec<u8> {
    let mut made = Made::new(VERSION);
    made.header();
    let line = StreamLine { id: "notes".parse().unwrap(), retention: Retention::CountBased(9) };
    made.put(Kind::Stream, &record(&line).unwrap());
    let mut ann = LogWriter::new("project", "notes", "ann");
    ann.run(2);
    made.log(&ann);
    made.run(&ann.run(3));
    ann.run(4);
    made.seal = Some(Seal([7; 64]));
    made.gap(&ann);
    made.seal = None;
    made.run(&ann.run(1));
    let mut bob = LogWriter::new("project", "notes", "bob");
    made.log(&bob);
    made.run(&bob.run_of(&[Bytes::from_static(b"one"), Bytes::new()]));
    made.log(&LogWriter::new("project", "notes", "cid"));
    made.end(1, 3, 3, 6);
    made.bytes
}

fn read(bytes: &[u8]) -> Result<Vec<Step>, FileError> {
    let (mut parser, mut steps) = (Parser::new(bytes), Vec::new());
    loop {
        let step = parser.next()?;
        let ends = matches!(step, Step::End);
        steps.push(step);
        if ends {
            return Ok(steps);
        }
    }
}

#[test]
fn what_was_written_is_read() {
    let steps = read(&whole()).unwrap();
    let parts: Vec<_> = steps
        .iter()
        .filter_map(|step| match step {
            Step::Part { part, begins } => {
                let ranges: Vec<_> =
                    part.runs.iter().map(|stored| (stored.run.first(), stored.run.last())).collect();
                Some((
                    part.log.author.as_str(),
                    part.floor.as_ref().map(|floor| floor.sequence),
                    ranges,
                    *begins,
                ))
            }
            _ => None,
        })
        .collect();
    let expected = [
        ("ann", Some(2), vec![(3, 5)], true),
        ("ann", Some(9), vec![(10, 10)], false),
        ("bob", None, vec![(1, 2)], true),
        ("cid", None, vec![], true),
    ];
    assert_eq!(parts, expected);
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

/// Whoever changes this has to raise the version and keep reading what was written before.
#[test]
fn the_format_is_what_it_was() {
    let bytes = whole();
    assert_eq!(&bytes[..16], b"gossip-channel-2");
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let golden = include_str!("golden-2.hex").split_whitespace().collect::<String>();
    assert_eq!(hex, golden);
}

/// Version 1 knew no seals of floors and gaps; all else was the same.
#[test]
fn what_version_1_wrote_is_read() {
    let old = unhex(include_str!("golden-1.hex"));
    assert_eq!(&old[..16], b"gossip-channel-1");
    let parts = |bytes: &[u8]| {
        let of = |step| if let Step::Part { part, .. } = step { Some(part) } else { None };
        read(bytes).unwrap().into_iter().filter_map(of).collect::<Vec<_>>()
    };
    let (old, mut new) = (parts(&old), parts(&whole()));
    assert_eq!(new[1].floor.as_mut().unwrap().seal.take(), Some(Seal([7; 64])));
    assert_eq!(old, new);
}

#[test]
fn every_cut_is_told() {
    let bytes = whole();
    for cut in 0..bytes.len() {
        let expected_none = cut < 16;
        match read(&bytes[..cut]) {
            Err(FileError::NotAnExport) if expected_none => {}
            Err(FileError::Truncated) if !expected_none => {}
            other => panic!("cut at {cut}: {other:?}"),
        }
    }
}

#[test]
fn every_flipped_bit_is_told() {
    let bytes = whole();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(read(&flipped).is_err(), "bit {bit}");
    }
}

#[test]
fn bytes_after_the_end_are_told() {
    let mut bytes = whole();
    bytes.push(0);
    assert!(matches!(read(&bytes), Err(FileError::Invalid { why: "bytes after the end", .. })));
}

#[test]
fn other_versions_and_other_files_are_told() {
    assert!(matches!(read(&Made::new(b'3').bytes), Err(FileError::Version { found: '3', ours: '2' })));
    assert!(matches!(read(b"PK\x03\x04 something else altogether"), Err(FileError::NotAnExport)));
}

#[test]
fn lengths_that_lie_take_no_memory() {
    let mut made = Made::new(VERSION);
    made.header();
    let mut bytes = made.bytes.clone();
    bytes.extend((MAX_PAYLOAD_BYTES as u32).to_le_bytes());
    bytes.push(Kind::Run as u8);
    assert!(matches!(read(&bytes), Err(FileError::Truncated)));
    for (length, kind) in [(u32::MAX, Kind::Run), (2 << 20, Kind::Log)] {
        let mut bytes = made.bytes.clone();
        bytes.extend(length.to_le_bytes());
        bytes.push(kind as u8);
        bytes.resize(bytes.len() + 64, 0);
        assert!(matches!(read(&bytes), Err(FileError::TooLong { bytes, .. }) if bytes == u64::from(length)));
    }
}

/// Puts a part into a file.
type Write<'a> = &'a dyn Fn(&mut Made);

/// With sound checks, so that only what the parts say is wrong.
#[test]
fn parts_that_make_no_sense_are_told() {
    let (ann, mut bob) =
        (LogWriter::new("project", "notes", "ann"), LogWriter::new("project", "notes", "bob"));
    let (first, second) = (bob.run(2), bob.run(2));
    let other = LogWriter::new("elsewhere", "notes", "ann");
    let mut rootless =
        LogLine { name: (**ann.name()).clone(), floor: 0, hash: bob.hash(), stamp: Stamp::ZERO, seal: None };
    let strange = Payload::Present(Bytes::from_static(b"x")).hash();
    let cases: [(&str, Write<'_>); 11] = [
        ("two headers", &|made| made.header()),
        ("a run without a log", &|made| made.run(&first)),
        ("a gap without a log", &|made| made.gap(&bob)),
        ("a run of another log", &|made| (made.log(&ann), made.run(&first)).1),
        ("a run too far", &|made| {
            (made.log(&LogWriter::new("project", "notes", "bob")), made.run(&second)).1
        }),
        ("a log of another channel", &|made| made.log(&other)),
        ("a stream behind a log", &|made| {
            made.log(&ann);
            let line = StreamLine { id: "late".parse().unwrap(), retention: Retention::KeepAll };
            made.put(Kind::Stream, &record(&line).unwrap());
        }),
        ("no run", &|made| (made.log(&ann), made.put(Kind::Run, b"noise")).1),
        ("no record", &|made| made.put(Kind::Log, &strange.0)),
        ("a log with another root", &|made| made.put(Kind::Log, &record(&rootless).unwrap())),
        ("wrong totals", &|made| made.end(0, 0, 0, 1)),
    ];
    for (what, write) in cases {
        let mut made = Made::new(VERSION);
        made.header();
        write(&mut made);
        made.end(0, 0, 0, 0);
        assert!(matches!(read(&made.bytes), Err(FileError::Invalid { .. })), "{what}");
    }
    // As far as numbers reach: no arithmetic fails.
    rootless.stamp = Stamp::ZERO;
    for floor in [u64::MAX, i64::MAX as u64 + 1] {
        rootless.floor = floor;
        let mut made = Made::new(VERSION);
        made.header();
        made.put(Kind::Log, &record(&rootless).unwrap());
        made.end(0, 1, 0, 0);
        assert!(matches!(read(&made.bytes), Err(FileError::Invalid { .. })), "{floor}");
    }
}

proptest! {
    /// Whatever comes, with or without a sound check, is refused or read, and never a panic.
    #[test]
    fn noise_is_refused(kinds in prop::collection::vec((1_u8..=6, prop::collection::vec(any::<u8>(), 0..80)), 0..6)) {
        let mut made = Made::new(VERSION);
        made.header();
        for (kind, body) in &kinds {
            made.put(Kind::of(*kind).unwrap(), body);
        }
        prop_assert!(read(&made.bytes).is_err());
    }
}
