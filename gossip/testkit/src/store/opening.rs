//! The laws of opening a store in a directory: what may lie in the way, and by name.
//!
//! ```text
//! struct Mine;
//! impl DirectoryStore for Mine { … }
//! gossip_testkit::store_opening!(Mine);
//! ```

use std::fs;
use std::path::Path;
use std::sync::Arc;

use gossip_core::registry::{Options, PluginError, build_store};
use gossip_core::{NodeRepository, Store, StoreError, StoreResult};
use gossip_proto::{Durability, Fault};
use tempfile::TempDir;

use crate::wait::{PATIENCE, eventually_blocking};

/// A durable store that lives in a directory of its own.
pub trait DirectoryStore {
    /// Its name in configurations.
    const KIND: &'static str;

    /// Name of the file or directory that is there in its directory once it is made.
    const CONTENTS: &'static str;

    /// Opens the store, made when it is not there; blocks.
    ///
    /// # Errors
    /// As the store says.
    fn open(directory: &Path) -> StoreResult<Arc<dyn Store>>;
}

/// Tests how a store in a directory is opened: one named test for each law. Takes a type that implements
/// [`DirectoryStore`](crate::store::opening::DirectoryStore).
#[macro_export]
macro_rules! store_opening {
    ($store:ty) => {
        $crate::store_opening! { $store:
            makes_the_directory_and_those_above, a_second_handle_is_refused_until_the_first_is_gone,
            a_file_in_the_place_of_the_directory_is_refused, a_path_that_cannot_be_is_refused,
            a_directory_we_may_not_write_to_is_refused, is_built_by_name,
            a_closed_store_can_be_opened_by_others_and_used_again_after_them,
            a_disk_that_went_away_does_not_come_back_empty,
            the_durability_can_be_configured_and_what_works_is_told,
        }
    };
    ($store:ty: $($law:ident),* $(,)?) => {
        $(#[test]
        fn $law() {
            $crate::store::opening::run($crate::store::opening::$law::<$store>());
        })*
    };
}

/// Runs one law on a runtime of its own.
#[doc(hidden)]
pub fn run(law: impl Future<Output = ()>) {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().expect("a runtime").block_on(law);
}

/// Opens a store that was dropped; waits while a sync in the background still holds it. Blocks.
///
/// # Panics
/// When it is not let go, or fails in another way.
pub fn opened<T>(mut open: impl FnMut() -> StoreResult<T>) -> T {
    let opened = eventually_blocking(PATIENCE, || match open() {
        Err(error) if error.fault == Fault::Rejected => Ok(None),
        opened => opened.map(Some),
    });
    let opened = opened.unwrap_or_else(|error| panic!("the store opens: {error}"));
    opened.expect("nobody holds the store any more")
}

fn place() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

fn refused<D: DirectoryStore>(path: &Path) -> StoreError {
    let error = D::open(path).err().expect("it must not open");
    assert_eq!(error.fault, Fault::Rejected, "{error}");
    error
}

/// Neither the directory nor those above it must be there.
pub async fn makes_the_directory_and_those_above<D: DirectoryStore>() {
    let place = place();
    let deep = place.path().join("a/b/c");
    D::open(&deep).unwrap();
    assert!(deep.join(D::CONTENTS).exists());
}

/// Two handles on the same files would destroy them.
pub async fn a_second_handle_is_refused_until_the_first_is_gone<D: DirectoryStore>() {
    let place = place();
    let first = D::open(place.path()).unwrap();
    let error = refused::<D>(place.path());
    assert!(error.to_string().contains("open already"), "{error}");
    drop(first);
    D::open(place.path()).unwrap();
}

/// Neither a file nor a path through one is a directory.
pub async fn a_file_in_the_place_of_the_directory_is_refused<D: DirectoryStore>() {
    let place = place();
    let file = place.path().join("file");
    fs::write(&file, "notes").unwrap();
    for path in [file.clone(), file.join("below")] {
        let error = refused::<D>(&path);
        assert!(error.to_string().contains("file"), "{error}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "notes", "and left alone");
}

/// No path has a zero byte in it.
pub async fn a_path_that_cannot_be_is_refused<D: DirectoryStore>() {
    refused::<D>(Path::new("a\0b"));
}

/// Where nothing can be made, none is.
pub async fn a_directory_we_may_not_write_to_is_refused<D: DirectoryStore>() {
    let place = place();
    let mut closed = fs::metadata(place.path()).unwrap().permissions();
    closed.set_readonly(true);
    fs::set_permissions(place.path(), closed).unwrap();
    // The superuser may write anywhere: then there is nothing to refuse.
    let allowed = fs::write(place.path().join("probe"), "").is_ok();
    match D::open(place.path()) {
        Ok(_) => assert!(allowed),
        Err(error) => assert!(!allowed && error.fault == Fault::Rejected, "{error}"),
    }
}

fn text(text: &str) -> Options {
    Options::Text(text.to_owned())
}

fn build<D: DirectoryStore>(
    path: &Path,
    more: Option<(&str, Options)>,
) -> Result<Arc<dyn Store>, PluginError> {
    let path = (text("path"), text(path.to_str().expect("UTF-8")));
    let more = more.map(|(name, value)| (text(name), value));
    build_store(D::KIND, &Options::Map([path].into_iter().chain(more).collect()))
}

/// As a configuration names it; what is wrong with one is told with what would work.
pub async fn is_built_by_name<D: DirectoryStore>() {
    let place = place();
    let store = build::<D>(place.path(), None).unwrap();
    assert_eq!(store.name(), D::KIND);
    assert!(!NodeRepository::mark_open(&*store).await.unwrap());
    let error = build::<D>(place.path(), Some(("pth", text("x")))).err().expect("no such option").to_string();
    assert!(error.contains("pth") && error.contains("path"), "{error}");
    let error = build::<D>(place.path(), None).err().expect("open already").to_string();
    assert!(error.contains("open already"), "{error}");
}

/// `mark_closed` lets go of the files; the handle opens them again for a start, when they are free, and for
/// nothing else.
pub async fn a_closed_store_can_be_opened_by_others_and_used_again_after_them<D: DirectoryStore>() {
    let place = place();
    let first = D::open(place.path()).unwrap();
    assert!(!first.mark_open().await.unwrap());
    refused::<D>(place.path());
    first.mark_closed().await.unwrap();
    let late = async || first.last_arrival().await.unwrap_err().fault;
    assert_eq!(late().await, Fault::Closed);
    let second = D::open(place.path()).expect("who came late did not take the files");
    assert!(!second.mark_open().await.unwrap());
    assert_eq!(first.load_node().await.unwrap_err().fault, Fault::Rejected, "two would use the same files");
    let incarnation = second.incarnation().await.unwrap();
    second.mark_closed().await.unwrap();
    assert_eq!(late().await, Fault::Closed);
    first.load_node().await.unwrap();
    assert_eq!(first.incarnation().await.unwrap(), incarnation);
}

/// An empty mount point is no new store.
pub async fn a_disk_that_went_away_does_not_come_back_empty<D: DirectoryStore>() {
    let place = place();
    let (disk, elsewhere) = (place.path().join("disk"), place.path().join("elsewhere"));
    let store = D::open(&disk).unwrap();
    let incarnation = store.incarnation().await.unwrap();
    // Closed, as after a failed operation: a start opens it again.
    store.mark_closed().await.unwrap();
    fs::rename(&disk, &elsewhere).unwrap();
    fs::create_dir(&disk).unwrap();
    assert_eq!(store.load_node().await.unwrap_err().fault, Fault::Transient);
    fs::remove_dir_all(&disk).unwrap();
    fs::rename(&elsewhere, &disk).unwrap();
    store.load_node().await.unwrap();
    assert_eq!(store.incarnation().await.unwrap(), incarnation);
}

/// `durability` is an option of each.
pub async fn the_durability_can_be_configured_and_what_works_is_told<D: DirectoryStore>() {
    let with = |durability| {
        let place = place();
        let built = build::<D>(place.path(), Some(("durability", durability)));
        built.map(|store| store.durability()).map_err(|error| error.to_string())
    };
    let group = |delay| Options::Map(vec![(text("group"), text(delay))]);
    assert_eq!(with(text("sync")), Ok(Durability::Sync));
    assert_eq!(with(text("buffered")), Ok(Durability::Buffered));
    assert_eq!(with(group("50ms")), Ok(Durability::Group(std::time::Duration::from_millis(50))));
    for wrong in [text("safe"), text("volatile"), group("soon"), Options::Map(vec![])] {
        let error = with(wrong).unwrap_err();
        assert!(error.contains("50ms"), "{error}");
    }
}
