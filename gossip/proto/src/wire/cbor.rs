//! CBOR (RFC 8949) by hand: what is large stays a slice of the frame, and a length is only a claim,
//! for which nothing is reserved.

use bytes::Bytes;
use minicbor::data::Type;
use minicbor::{Decoder, Encoder};

use super::WireError;
use crate::{MemberKey, Run};

/// Writes into a frame's head.
pub(super) type Out<'a> = Encoder<&'a mut Vec<u8>>;
pub(super) type Encoded = Result<(), minicbor::encode::Error<std::convert::Infallible>>;

pub(super) fn write(head: &mut Vec<u8>, fields: impl FnOnce(&mut Out<'_>) -> Encoded) {
    let done = fields(&mut Encoder::new(head));
    debug_assert!(done.is_ok(), "writing CBOR to a Vec cannot fail");
}

/// Appends a run behind what `before` writes; the run itself is not copied.
pub(super) fn write_run(
    head: &mut Vec<u8>,
    parts: &mut Vec<Bytes>,
    run: &Run,
    before: impl FnOnce(&mut Out<'_>) -> Encoded,
) {
    let mut own = Vec::new();
    let first = parts.is_empty();
    write(if first { head } else { &mut own }, |out| {
        before(out)?;
        out.bytes_len(run.encoded().len() as u64)?;
        Ok(())
    });
    if !first {
        parts.push(own.into());
    }
    parts.push(run.encoded().clone());
}

/// Appends runs, of which none is copied.
pub(super) fn write_runs(head: &mut Vec<u8>, runs: &[Run]) -> Vec<Bytes> {
    let mut parts = Vec::with_capacity(runs.len() * 2);
    runs.iter().for_each(|run| write_run(head, &mut parts, run, |_| Ok(())));
    parts
}

/// Reads the fields of one message.
pub(super) struct Reader<'a> {
    input: Decoder<'a>,
    body: &'a Bytes,
}

impl<'a> Reader<'a> {
    /// Reads all of `body`; anything left over is an error.
    pub(super) fn whole<T>(
        what: &'static str,
        body: &'a Bytes,
        fields: impl FnOnce(&mut Self) -> Result<T, String>,
    ) -> Result<T, WireError> {
        let mut reader = Self { input: Decoder::new(body), body };
        let found = fields(&mut reader).map_err(|detail| WireError::malformed(what, detail))?;
        if reader.input.position() == body.len() {
            Ok(found)
        } else {
            Err(WireError::malformed(what, "bytes after the end"))
        }
    }

    /// The head of an array of this length.
    pub(super) fn array(&mut self, len: u64) -> Result<(), String> {
        if self.len()? == len { Ok(()) } else { Err("an array of another length".into()) }
    }

    /// An array of at most so many items.
    pub(super) fn list<T>(
        &mut self,
        most: usize,
        item: impl FnMut(&mut Self) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        let len = self.len()?;
        if len > most as u64 {
            return Err(format!("more than {most} items"));
        }
        self.items(len, item)
    }

    /// The length of an array. Every item takes at least a byte: a longer claim is a lie.
    pub(super) fn len(&mut self) -> Result<u64, String> {
        let len = self.input.array().map_err(text)?.ok_or("an array without length")?;
        if len > (self.body.len() - self.input.position()) as u64 {
            return Err("an array longer than the message".into());
        }
        Ok(len)
    }

    pub(super) fn items<T>(
        &mut self,
        len: u64,
        mut item: impl FnMut(&mut Self) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        (0..len).map(|_| item(self)).collect()
    }

    pub(super) fn fixed<const N: usize>(&mut self) -> Result<[u8; N], String> {
        self.bytes()?.try_into().map_err(|_| "bytes of another length".into())
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], String> {
        self.input.bytes().map_err(text)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, String> {
        self.input.str().map_err(text)
    }

    pub(super) fn number(&mut self) -> Result<u64, String> {
        self.input.u64().map_err(text)
    }

    pub(super) fn short(&mut self) -> Result<u32, String> {
        self.input.u32().map_err(text)
    }

    /// A number that fits a smaller type.
    pub(super) fn small<T: TryFrom<u32>>(&mut self) -> Result<T, String> {
        self.short()?.try_into().map_err(|_| "a number too large".into())
    }

    pub(super) fn key(&mut self) -> Result<MemberKey, String> {
        self.fixed().map(MemberKey::from_bytes)
    }

    pub(super) fn bool(&mut self) -> Result<bool, String> {
        self.input.bool().map_err(text)
    }

    /// A run, as a slice of the frame.
    pub(super) fn run(&mut self) -> Result<Run, String> {
        Run::decode(self.slice()?).map_err(text)
    }

    /// Bytes that stay where they are.
    pub(super) fn slice(&mut self) -> Result<Bytes, String> {
        Ok(self.body.slice_ref(self.bytes()?))
    }

    /// What `item` reads, unless there is a null.
    pub(super) fn nullable<T>(
        &mut self,
        item: impl FnOnce(&mut Self) -> Result<T, String>,
    ) -> Result<Option<T>, String> {
        if self.kind()? != Type::Null {
            return item(self).map(Some);
        }
        self.input.null().map_err(text)?;
        Ok(None)
    }

    /// Passes over an item that means nothing here: a number, a text, bytes, or an array of those.
    pub(super) fn skip(&mut self) -> Result<(), String> {
        if self.kind()? != Type::Array {
            return self.skip_plain();
        }
        (0..self.len()?).try_for_each(|_| self.skip_plain())
    }

    fn skip_plain(&mut self) -> Result<(), String> {
        match self.kind()? {
            Type::Bool => self.bool().map(drop),
            Type::Null => self.input.null().map_err(text),
            Type::Bytes => self.bytes().map(drop),
            Type::String => self.text().map(drop),
            Type::U8 | Type::U16 | Type::U32 | Type::U64 => self.number().map(drop),
            other => Err(format!("an item of type {other}")),
        }
    }

    /// Of which type the next item is.
    pub(super) fn kind(&self) -> Result<Type, String> {
        self.input.datatype().map_err(text)
    }
}

pub(super) fn text(error: impl ToString) -> String {
    error.to_string()
}
