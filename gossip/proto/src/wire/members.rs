//! News of members: rows of a few bytes, in which a member goes by its key wherever its id is known.

use bytes::Bytes;

use super::WireError;
use super::cbor::{self, Encoded, Out, Reader};
use crate::member::{MAX_ADDRESS_BYTES, MAX_ADDRESSES};
use crate::{MemberKey, MemberRow, NodeId};

/// Rows of one message, at most,
pub const MAX_ROWS: usize = 64;
/// and its bytes: one row of the largest size fits, whatever its id.
pub const MAX_NEWS_BYTES: usize = 4096;
/// The age of what nobody has heard.
pub const UNHEARD: u32 = u32::MAX;
/// Elements of a row that tells all of a member.
const LIVE: u64 = 6;

/// One thing said of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// Here it is: all there is to know.
    Live {
        /// As it tells of itself.
        row: MemberRow,
        /// It dozes for so many seconds more.
        doze: u32,
    },
    /// It was heard.
    Vouch {
        /// The member,
        key: MemberKey,
        /// as it was heard.
        incarnation: u64,
        /// Milliseconds since somebody heard it himself; [`UNHEARD`]: nobody is known to have.
        age: u32,
    },
    /// It does not answer.
    Suspect {
        /// The member,
        key: MemberKey,
        /// as it was asked.
        incarnation: u64,
        /// Milliseconds until it counts as down, if nobody objects.
        left: u32,
        /// Milliseconds since it was asked first.
        age: u32,
        /// Who asked.
        accusers: Accusers,
    },
    /// It counts as down.
    Down {
        /// The member,
        key: MemberKey,
        /// as it was last heard.
        incarnation: u64,
        /// For so many seconds.
        age: u32,
    },
    /// It left.
    Left {
        /// The member,
        key: MemberKey,
        /// and its last incarnation.
        incarnation: u64,
    },
    /// It says nothing for a while, and means to.
    Doze {
        /// The member.
        key: MemberKey,
        /// Its incarnation.
        incarnation: u64,
        /// For so many seconds; 0: not any more.
        seconds: u32,
    },
    /// Who hears it? The speaker has no way to ask.
    Seek {
        /// The member,
        key: MemberKey,
        /// as it is known.
        incarnation: u64,
        /// Who wants to know.
        by: MemberKey,
    },
}

impl Row {
    /// Of whom it speaks, and of which incarnation.
    #[must_use]
    pub fn about(&self) -> (MemberKey, u64) {
        match self {
            Self::Live { row, .. } => (MemberKey::of(&row.id), row.incarnation),
            Self::Vouch { key, incarnation, .. }
            | Self::Suspect { key, incarnation, .. }
            | Self::Down { key, incarnation, .. }
            | Self::Left { key, incarnation }
            | Self::Doze { key, incarnation, .. }
            | Self::Seek { key, incarnation, .. } => (*key, *incarnation),
        }
    }
}

/// Those who asked a member in vain: one to four.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accusers {
    keys: [MemberKey; Self::MOST],
    len: u8,
}

impl Accusers {
    /// More are not named.
    pub const MOST: usize = 4;

    /// One.
    #[must_use]
    pub fn one(key: MemberKey) -> Self {
        Self { keys: [key, MemberKey(0), MemberKey(0), MemberKey(0)], len: 1 }
    }

    /// Takes in one more; says whether it was not named yet, and there was room.
    pub fn add(&mut self, key: MemberKey) -> bool {
        let is_new = self.len() < Self::MOST && !self.as_slice().contains(&key);
        if is_new {
            self.keys[self.len()] = key;
            self.len += 1;
        }
        is_new
    }

    /// All of them.
    #[must_use]
    pub fn as_slice(&self) -> &[MemberKey] {
        &self.keys[..self.len()]
    }

    fn len(&self) -> usize {
        usize::from(self.len)
    }
}

pub(super) fn write(rows: &[Row], head: &mut Vec<u8>) {
    cbor::write(head, |out| {
        out.array(rows.len() as u64)?;
        rows.iter().try_for_each(|row| row.write(out))
    });
}

/// Rows of a kind nobody knows yet are passed over.
pub(super) fn read(fields: &Bytes) -> Result<Vec<Row>, WireError> {
    if fields.len() > MAX_NEWS_BYTES {
        return Err(WireError::malformed("news", format!("more than {MAX_NEWS_BYTES} bytes")));
    }
    let rows = Reader::whole("news", fields, |input| input.list(MAX_ROWS, Reader::row))?;
    Ok(rows.into_iter().flatten().collect())
}

impl Row {
    fn write(&self, out: &mut Out<'_>) -> Encoded {
        let (kind, elements) = match self {
            Self::Live { row, doze } => return write_live(row, *doze, out),
            Self::Vouch { .. } => (1, 4),
            Self::Suspect { .. } => (2, 6),
            Self::Down { .. } => (3, 4),
            Self::Left { .. } => (4, 3),
            Self::Doze { .. } => (5, 4),
            Self::Seek { .. } => (6, 4),
        };
        let (key, incarnation) = self.about();
        out.array(elements)?.u8(kind)?.bytes(&key.to_bytes())?.u64(incarnation)?;
        match self {
            Self::Live { .. } | Self::Left { .. } => out,
            Self::Seek { by, .. } => out.bytes(&by.to_bytes())?,
            Self::Vouch { age: time, .. }
            | Self::Down { age: time, .. }
            | Self::Doze { seconds: time, .. } => out.u32(*time)?,
            Self::Suspect { left, age, accusers, .. } => {
                out.u32(*left)?.u32(*age)?.bytes(&join(accusers.as_slice()))?
            }
        };
        Ok(())
    }
}

/// All that is known of a member; what a later version adds comes behind it.
fn write_live(row: &MemberRow, doze: u32, out: &mut Out<'_>) -> Encoded {
    out.array(LIVE)?.u8(0)?.str(row.id.as_str())?.u64(row.incarnation)?.u32(row.instance)?;
    out.array(row.addresses.len() as u64)?;
    row.addresses.iter().try_for_each(|address| out.str(address).map(drop))?;
    out.u32(doze)?;
    Ok(())
}

/// Keys, one behind the other.
pub(super) fn join(keys: &[MemberKey]) -> Vec<u8> {
    keys.iter().flat_map(|key| key.to_bytes()).collect()
}

impl Reader<'_> {
    fn row(&mut self) -> Result<Option<Row>, String> {
        let len = self.len()?;
        let kind = if len > 0 { self.number()? } else { return Err("an empty row".into()) };
        match (kind, len) {
            (0, LIVE..) => {
                let row = self.live()?;
                (LIVE..len).try_for_each(|_| self.skip())?;
                Ok(Some(row))
            }
            (1, 4) | (2, 6) | (3, 4) | (4, 3) | (5, 4) | (6, 4) => self.short_row(kind).map(Some),
            (7.., _) => (1..len).try_for_each(|_| self.skip()).map(|()| None),
            _ => Err("a row of another length".into()),
        }
    }

    fn live(&mut self) -> Result<Row, String> {
        let id = NodeId::new(self.text()?).map_err(cbor::text)?;
        let (incarnation, instance) = (self.number()?, self.short()?);
        let addresses = self.list(MAX_ADDRESSES, |input| match input.text()? {
            address if address.len() <= MAX_ADDRESS_BYTES => Ok(address.to_owned()),
            _ => Err("an address too long".into()),
        })?;
        Ok(Row::Live { row: MemberRow { id, incarnation, instance, addresses }, doze: self.short()? })
    }

    fn short_row(&mut self, kind: u64) -> Result<Row, String> {
        let (key, incarnation) = (self.key()?, self.number()?);
        Ok(match kind {
            1 => Row::Vouch { key, incarnation, age: self.short()? },
            2 => {
                let (left, age, accusers) = (self.short()?, self.short()?, self.accusers()?);
                Row::Suspect { key, incarnation, left, age, accusers }
            }
            3 => Row::Down { key, incarnation, age: self.short()? },
            4 => Row::Left { key, incarnation },
            5 => Row::Doze { key, incarnation, seconds: self.short()? },
            _ => Row::Seek { key, incarnation, by: self.key()? },
        })
    }

    fn accusers(&mut self) -> Result<Accusers, String> {
        let keys = self.keys(Accusers::MOST)?;
        let mut accusers = Accusers::one(*keys.first().ok_or("nobody accuses")?);
        match keys[1..].iter().all(|key| accusers.add(*key)) {
            true => Ok(accusers),
            false => Err("one accuses twice".into()),
        }
    }

    /// Keys, one behind the other.
    pub(super) fn keys(&mut self, most: usize) -> Result<Vec<MemberKey>, String> {
        let (keys, rest) = self.bytes()?.as_chunks::<8>();
        if keys.len() > most || !rest.is_empty() {
            return Err("keys of another length".into());
        }
        Ok(keys.iter().map(|key| MemberKey::from_bytes(*key)).collect())
    }
}
