//! Names of nodes, channels and streams: validated once, cheap to clone.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::seal;

/// Longest id, in bytes of UTF-8.
pub const MAX_ID_BYTES: usize = 128;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// Nothing, or only white space.
    #[error("an id must not be blank")]
    Blank,
    /// More than [`MAX_ID_BYTES`] bytes.
    #[error("an id has at most {MAX_ID_BYTES} bytes, this one has {0}")]
    TooLong(usize),
    /// A control character (line feed, tab, NUL, …) at this byte.
    #[error("an id must not contain control characters (byte {0})")]
    Control(usize),
    /// The bytes are not UTF-8.
    #[error("an id must be UTF-8")]
    NotUtf8,
    /// The prefix `ed:` is reserved for node ids that are public keys, and this is none.
    #[error("the prefix `ed:` is reserved for node ids that are public keys, which this is not")]
    Reserved,
}

impl From<std::convert::Infallible> for IdError {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

fn check(text: &str) -> Result<(), IdError> {
    if text.trim().is_empty() {
        return Err(IdError::Blank);
    }
    if text.len() > MAX_ID_BYTES {
        return Err(IdError::TooLong(text.len()));
    }
    match text.char_indices().find(|(_, c)| c.is_control()) {
        Some((at, _)) => Err(IdError::Control(at)),
        None => Ok(()),
    }
}

/// Of the ids with the prefix of keys only those are valid that are the text of a key.
fn check_node(text: &str) -> Result<(), IdError> {
    check(text)?;
    match text.strip_prefix(seal::PREFIX) {
        Some(key) if seal::parse(key).is_none() => Err(IdError::Reserved),
        _ => Ok(()),
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Parses an id: 1 to 128 bytes of UTF-8, not blank, no control characters.
            ///
            /// # Errors
            /// [`IdError`] says which rule the text breaks.
            pub fn new(text: impl AsRef<str>) -> Result<Self, IdError> {
                let text = text.as_ref();
                $check(text)?;
                Ok(Self(text.into()))
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = IdError;
            fn try_from(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl TryFrom<&String> for $name {
            type Error = IdError;
            fn try_from(text: &String) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl TryFrom<&$name> for $name {
            type Error = IdError;
            fn try_from(id: &$name) -> Result<Self, IdError> {
                Ok(id.clone())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::new(text).map_err(serde::de::Error::custom)
            }
        }
    };
}

id! {
    /// A node: the public key of its identity (the default), or a plain name chosen by the app.
    ///
    /// The prefix `ed:` is reserved for keys, and what follows it must be the text of one; see
    /// [`PublicKey::node_id`](crate::PublicKey::node_id).
    NodeId, check_node
}
id! {
    /// A channel: the group that streams and members belong to.
    ChannelId, check
}
id! {
    /// A stream inside a channel.
    StreamId, check
}

impl NodeId {
    /// Whether this id is a public key (prefix `ed:`): what its node writes is sealed.
    #[must_use]
    pub fn is_key(&self) -> bool {
        self.0.starts_with(seal::PREFIX)
    }

    /// From the text of a key.
    pub(crate) fn of_key(text: String) -> Self {
        debug_assert!(check_node(&text).is_ok());
        Self(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_what_the_rules_forbid() {
        assert_eq!(NodeId::new(""), Err(IdError::Blank));
        assert_eq!(ChannelId::new(" \u{2003} "), Err(IdError::Blank));
        assert_eq!(StreamId::new("a\nb"), Err(IdError::Control(1)));
        assert_eq!(StreamId::new("a\u{85}b"), Err(IdError::Control(1)));
        assert_eq!(NodeId::new("x".repeat(129)), Err(IdError::TooLong(129)));
        assert!(NodeId::new("x".repeat(128)).is_ok());
        assert!(ChannelId::new("Besprechung – 会议").is_ok());
    }

    #[test]
    fn decoding_validates_too() {
        let mut bytes = Vec::new();
        ciborium::into_writer("a\tb", &mut bytes).unwrap();
        assert!(ciborium::from_reader::<NodeId, _>(&bytes[..]).is_err());
    }
}
