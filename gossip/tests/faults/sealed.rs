//! A directory that cannot be written: permissions do not bind root, so it is mounted read-only.

use crate::Outcome;
use crate::apart::Apart;
use crate::cases::{Verdict, check, place};
use crate::kinds::Kind;
use crate::process::Process;
use crate::subject::{Acks, Subject};

/// A store in it cannot be opened, which is an error and no panic, harms nothing, and passes.
pub(crate) fn sealed(kind: Kind, apart: &Apart) -> Outcome<Verdict> {
    let (place, store) = place()?;
    let config = kind.config(&store.display().to_string(), None)?;
    let (mut subject, mut acks) = (Subject::start(&config, &[])?, Acks::new());
    for size in [10, 10_000, 0] {
        subject.append(size, &mut acks)??;
    }
    subject.end()?;
    let path = place.path().display().to_string();
    let bound = apart.mount(&["--bind", &path], place.path());
    let bound = match bound.and_then(|bound| bound.change("remount,bind,ro").map(|()| bound)) {
        Ok(bound) => bound,
        Err(why) => return Ok(Verdict::Skipped(why)),
    };
    let missing = kind.config(&place.path().join("new").display().to_string(), None)?;
    for config in [&config, &missing] {
        let status = Process::start(&["child-subject", config])?.status()?;
        if status.code() != Some(1) {
            return Err(format!("a read-only directory ends it with {status}, not with an error").into());
        }
    }
    bound.change("remount,bind,rw")?;
    let mut subject = Subject::start(&config, &[])?;
    subject.append(10, &mut acks)??;
    subject.end()?;
    check(&config, &acks)?;
    Ok(Verdict::Passed(format!("{} kept, an error while it lasts", acks.len())))
}
