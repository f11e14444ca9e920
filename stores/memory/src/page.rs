//! Part of a listing.

use gossip_core::proto::Page;

/// At most `limit` items (at least one), and where to go on if there are more.
pub(crate) fn page<T, K>(items: impl Iterator<Item = (K, T)>, limit: usize) -> Page<T, K> {
    let mut page = Page { items: Vec::new(), next: None };
    let mut last = None;
    for (key, item) in items {
        if page.items.len() >= limit.max(1) {
            page.next = last;
            break;
        }
        page.items.push(item);
        last = Some(key);
    }
    page
}
