//! What can be wrong with a channel file.

use gossip_proto::ChannelId;

/// Why an export or import failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The writer or reader failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// It does not begin like an exported channel.
    #[error("not an exported channel")]
    NotAnExport,
    /// It was written by another version of this format.
    #[error("an export of format version {found:?}; up to version {ours:?} can be read")]
    Version {
        /// The character in the place of the version.
        found: char,
        /// The newest version that can be read.
        ours: char,
    },
    /// It ends in the middle.
    #[error("the export ends in the middle")]
    Truncated,
    /// The bytes from here on are not what was written.
    #[error("the export is damaged at byte {at}")]
    Damaged {
        /// Where the part begins that does not match its check.
        at: u64,
    },
    /// A part claims to be longer than any can be.
    #[error("a part of {bytes} bytes at byte {at} is longer than any can be")]
    TooLong {
        /// Where it begins.
        at: u64,
        /// What it claims.
        bytes: u64,
    },
    /// The parts are whole and make no sense.
    #[error("the export makes no sense at byte {at}: {why}")]
    Invalid {
        /// Where the part begins.
        at: u64,
        /// What is wrong.
        why: &'static str,
    },
    /// It holds another channel.
    #[error("the export holds channel {found}, not {wanted}")]
    OtherChannel {
        /// Whose export it is.
        found: ChannelId,
        /// Which was to be imported.
        wanted: ChannelId,
    },
}
