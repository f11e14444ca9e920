//! What holds of the messages of every version.

use std::ops::RangeInclusive;

use bytes::Bytes;
use proptest::sample::Index;

use super::*;

/// A message, by name.
pub(super) type Named = (&'static str, Message);
/// The same, and the size of its frame.
pub(super) type Sample = (&'static str, usize, Message);

/// Bytes that are changed, and into what.
pub(super) type Changes = Vec<(Index, u8)>;

pub(super) fn by_name(samples: Vec<Sample>) -> Vec<Named> {
    samples.into_iter().map(|(name, _, message)| (name, message)).collect()
}

pub(super) fn frame(message: &Message, version: u8) -> Bytes {
    write(message, version).into_bytes()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[track_caller]
pub(super) fn survives(message: Message, version: u8) {
    let found = read(&frame(&message, version));
    assert_eq!(found, Ok(Content::Whole(message)));
}

#[track_caller]
pub(super) fn survive_at_their_sizes(samples: Vec<Sample>, version: u8) {
    for (name, size, message) in samples {
        assert_eq!(frame(&message, version).len(), size, "{name}");
        survives(message, version);
    }
}

/// A line for each.
pub(super) fn golden(samples: &[Named], version: u8) -> String {
    samples.iter().map(|(name, message)| format!("{name} {}\n", hex(&frame(message, version)))).collect()
}

pub(super) fn golden_piece(version: u8) -> String {
    let piece = Piece { id: [1; 8], total: 1000, offset: 200, bytes: Bytes::from_static(b"part") };
    format!("piece {}\n", hex(&write_piece(&piece, version).into_bytes()))
}

/// Versions before know none of them.
#[track_caller]
pub(super) fn are_unknown_to(older: RangeInclusive<u8>, samples: &[Named], version: u8) {
    for (name, message) in samples {
        for old in older.clone() {
            let mut bytes = frame(message, version).to_vec();
            bytes[0] = old << 4;
            let kind = bytes[1];
            assert_eq!(read(&bytes.into()), Err(WireError::Type(kind)), "{name}");
        }
    }
}

/// What is cut short or left over is an error.
#[track_caller]
pub(super) fn are_read_as_a_whole(samples: &[Named], version: u8) {
    for (name, message) in samples {
        let bytes = frame(message, version);
        for end in 0..bytes.len() {
            assert!(read(&bytes.slice(..end)).is_err(), "{name} cut at {end}");
        }
        let longer: Vec<u8> = bytes.iter().copied().chain([0]).collect();
        assert!(read(&longer.into()).is_err(), "{name} with a byte more");
    }
}

pub(super) fn is_malformed(bytes: impl Into<Bytes>) -> bool {
    matches!(read(&bytes.into()), Err(WireError::Malformed { .. }))
}

/// The first is read, the second is over a limit.
#[track_caller]
pub(super) fn are_limited(pairs: Vec<(Message, Message)>, version: u8) {
    for (good, bad) in pairs {
        let name = good.name();
        survives(good, version);
        assert!(is_malformed(frame(&bad, version)), "{name}");
    }
}

/// What is claimed to follow and does not is refused before anything is reserved for it.
#[track_caller]
pub(super) fn do_not_believe_claims(kinds: RangeInclusive<u8>, version: u8) {
    for kind in kinds {
        for head in [0x9b, 0x5b, 0xbb] {
            let bytes: Vec<u8> = [version << 4, kind, head].into_iter().chain([255; 8]).collect();
            assert!(is_malformed(bytes), "{kind} {head:x}");
        }
    }
}

/// Whatever is changed: no panic, and what is read all the same is written as bytes that read alike.
#[track_caller]
pub(super) fn means_something_when_changed(message: &Message, changes: Changes, version: u8) {
    let mut bytes = frame(message, version).to_vec();
    for (at, byte) in changes {
        let at = at.index(bytes.len());
        bytes[at] = byte;
    }
    if let Ok(Content::Whole(message)) = read(&bytes.into()) {
        survives(message, version);
    }
}
