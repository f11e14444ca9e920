//! Who is there: the first bytes on every connection, sent by both sides at once.
//!
//! ```text
//! "gossip"  version u8  length u8  | instance u64  connection u64  max_frame u32  keepalive_ms u32  id
//! ```
//!
//! Numbers have their most significant byte first; `length` counts what follows it. The part up to
//! the version is the same in all versions, so any two can tell each other apart.

use bytes::{Buf, BufMut};
use gossip_core::proto::node::LinkLimits;
use gossip_core::proto::{MAX_ID_BYTES, NodeId};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::options::SHORTEST_KEEPALIVE_MS;

const MAGIC: &[u8; 6] = b"gossip";
pub(crate) const VERSION: u8 = 1;
const PREFIX: usize = MAGIC.len() + 2;
const NUMBERS: usize = 8 + 8 + 4 + 4;

/// What one side says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) id: NodeId,
    pub(crate) instance: u64,
    /// Numbers the connections a node dialled; the listening side's number means nothing.
    pub(crate) connection: u64,
    pub(crate) max_frame: u32,
    pub(crate) keepalive_ms: u32,
}

/// Why a hello was not accepted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum HelloError {
    NotGossip,
    Version(u8),
    Malformed(&'static str),
    Io(String),
}

impl std::fmt::Display for HelloError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotGossip => f.write_str("the other side does not speak gossip"),
            Self::Version(theirs) => {
                write!(
                    f,
                    "the other side speaks version {theirs} of the transport, this node version {VERSION}"
                )
            }
            Self::Malformed(what) => write!(f, "the hello is malformed: {what}"),
            Self::Io(detail) => write!(f, "the connection ended during the hello: {detail}"),
        }
    }
}

/// Says who we are and learns who they are. The caller bounds the time.
pub(crate) async fn exchange<S>(stream: &mut S, ours: &Hello) -> Result<Hello, HelloError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let broken = |error: std::io::Error| HelloError::Io(error.to_string());
    stream.write_all(&encode(ours)).await.map_err(broken)?;
    let mut prefix = [0; PREFIX];
    stream.read_exact(&mut prefix).await.map_err(broken)?;
    let mut body = [0; u8::MAX as usize];
    let body = &mut body[..body_len(&prefix)?];
    stream.read_exact(body).await.map_err(broken)?;
    decode(body)
}

fn encode(hello: &Hello) -> Vec<u8> {
    let id = hello.id.as_str().as_bytes();
    let mut bytes = Vec::with_capacity(PREFIX + NUMBERS + id.len());
    bytes.put_slice(MAGIC);
    bytes.put_u8(VERSION);
    // Ids have at most 128 bytes, so this fits.
    bytes.put_u8((NUMBERS + id.len()) as u8);
    bytes.put_u64(hello.instance);
    bytes.put_u64(hello.connection);
    bytes.put_u32(hello.max_frame);
    bytes.put_u32(hello.keepalive_ms);
    bytes.put_slice(id);
    bytes
}

fn body_len(prefix: &[u8; PREFIX]) -> Result<usize, HelloError> {
    let (version, len) = (prefix[MAGIC.len()], usize::from(prefix[MAGIC.len() + 1]));
    if &prefix[..MAGIC.len()] != MAGIC {
        return Err(HelloError::NotGossip);
    }
    if version != VERSION {
        return Err(HelloError::Version(version));
    }
    if len <= NUMBERS || len > NUMBERS + MAX_ID_BYTES {
        return Err(HelloError::Malformed("its length"));
    }
    Ok(len)
}

fn decode(mut body: &[u8]) -> Result<Hello, HelloError> {
    let (instance, connection) = (body.get_u64(), body.get_u64());
    let (max_frame, keepalive_ms) = (body.get_u32(), body.get_u32());
    let id = std::str::from_utf8(body).ok().and_then(|id| NodeId::new(id).ok());
    let id = id.ok_or(HelloError::Malformed("its node id"))?;
    if (max_frame as usize) < LinkLimits::MIN_FRAME {
        return Err(HelloError::Malformed("its largest frame is too small"));
    }
    if keepalive_ms < SHORTEST_KEEPALIVE_MS {
        return Err(HelloError::Malformed("its keepalive interval is too short"));
    }
    Ok(Hello { id, instance, connection, max_frame, keepalive_ms })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ann() -> Hello {
        Hello { id: "ann".parse().unwrap(), instance: 1, connection: 2, max_frame: 3000, keepalive_ms: 4000 }
    }

    #[tokio::test]
    async fn both_sides_learn_each_other() {
        let bob = Hello { id: "b".repeat(128).parse().unwrap(), instance: u64::MAX, ..ann() };
        let (mut one, mut other) = tokio::io::duplex(64);
        let ours = ann();
        let (heard_by_ann, heard_by_bob) =
            tokio::join!(exchange(&mut one, &ours), exchange(&mut other, &bob));
        assert_eq!(heard_by_ann, Ok(bob.clone()));
        assert_eq!(heard_by_bob, Ok(ann()));
    }

    #[test]
    fn the_bytes_are_frozen() {
        let expected = b"gossip\x01\x1b\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02\0\0\x0b\xb8\0\0\x0f\xa0ann";
        assert_eq!(encode(&ann()), expected);
    }

    #[test]
    fn what_is_no_hello_is_told_apart() {
        let prefix = |bytes: &[u8; PREFIX]| body_len(bytes);
        assert_eq!(prefix(b"GET / HT"), Err(HelloError::NotGossip));
        assert_eq!(prefix(b"gossip\x02\x1b"), Err(HelloError::Version(2)));
        assert_eq!(prefix(b"gossip\x01\x18"), Err(HelloError::Malformed("its length")));
        assert_eq!(prefix(b"gossip\x01\xff"), Err(HelloError::Malformed("its length")));
        let mut body = encode(&ann()).split_off(PREFIX);
        assert_eq!(decode(&body), Ok(ann()));
        body[NUMBERS] = b'\n';
        assert_eq!(decode(&body), Err(HelloError::Malformed("its node id")));
        body[NUMBERS] = 0xff;
        assert_eq!(decode(&body), Err(HelloError::Malformed("its node id")));
    }
}
