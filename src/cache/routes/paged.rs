//! Pages of lists: read from a query, and told in the answer's headers.

use crate::cache::wire::page::Page;
use crate::http::{ErrorStatus, Failure, Query, Reply};
use hyper::header::{HeaderName, HeaderValue, LINK};

/// How many there are on all pages together.
const TOTAL: HeaderName = HeaderName::from_static("x-total-count");

/// The page that a query asks for.
///
/// # Errors
/// 422 that names what is no number, or out of range.
pub(super) fn page_of(query: &Query) -> Result<Page, Failure> {
    let page = Page::read(query.get("page"), query.get("per_page"));
    page.map_err(|why| Failure::public(ErrorStatus::UNPROCESSABLE, "bad_query", why))
}

/// `reply`, one page of a list at `path` with `total` entries, with the headers that say so.
///
/// # Errors
/// 500: the path is no header text.
pub(super) fn paged(reply: Reply, page: Page, path: &str, query: &Query, total: u64) -> Result<Reply, Failure> {
    let link = HeaderValue::from_str(&page.link(path, query.raw(), total)).map_err(Failure::internal)?;
    Ok(reply.header(LINK, link).header(TOTAL, HeaderValue::from(total)))
}
