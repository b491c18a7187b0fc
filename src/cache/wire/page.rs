//! Lists by the page: what a request asks for, and the `Link` header that leads to the other pages.
//!
//! The header has four entries, always and in this order, with relative addresses, sorted queries, no quotes and no space
//! behind the semicolon: clients of the original cut it up by hand.
//!
//! ```text
//! Link: </oapi/v1/jobs?page=1&per_page=2>;rel=prev,<…page=2…>;rel=next,<…page=1…>;rel=first,<…page=3…>;rel=last
//! ```

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::fmt::Write as _;
use std::ops::Range;

/// How many a page holds when the request does not say.
pub const PER_PAGE: u64 = 10;
/// The most it may say: the original's limit.
pub const MOST_PER_PAGE: u64 = 10_000_000;

/// What stays as it is in a query.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The part of a list that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Which, from 1.
    pub page: u64,
    /// How many entries each has, from 1.
    pub per_page: u64,
}

impl Default for Page {
    /// The first.
    fn default() -> Page {
        Page { page: 1, per_page: PER_PAGE }
    }
}

impl Page {
    /// Reads the values of `page` and `per_page`. Absent, empty and 0 mean the default.
    ///
    /// # Errors
    /// One of them is no number, negative, or too large: a sentence that names it.
    pub fn read(page: Option<&str>, per_page: Option<&str>) -> Result<Page, String> {
        let page = number("page", page, i64::MAX.unsigned_abs())?;
        let per_page = number("per_page", per_page, MOST_PER_PAGE)?;
        Ok(Page { page: page.unwrap_or(1), per_page: per_page.unwrap_or(PER_PAGE) })
    }

    /// Which entries of a list of `total` are on this page. Empty beyond the end.
    pub fn range(self, total: usize) -> Range<usize> {
        let size = usize::try_from(self.per_page).unwrap_or(usize::MAX);
        let before = usize::try_from(self.page.saturating_sub(1)).unwrap_or(usize::MAX);
        let from = before.saturating_mul(size).min(total);
        from..from.saturating_add(size).min(total)
    }

    /// The last page of a list of `total` entries; 1 when there are none.
    pub fn last(self, total: u64) -> u64 {
        total.div_ceil(self.per_page.max(1)).max(1)
    }

    /// The value of the `Link` header of a list at `path` with `total` entries; `query` is what followed the `?`, whose
    /// other parts are kept. It is plain ASCII if `path` is.
    pub fn link(self, path: &str, query: &str, total: u64) -> String {
        let last = self.last(total);
        let prev = self.page.saturating_sub(1).clamp(1, last);
        let next = if self.page < last { self.page + 1 } else { last };
        let others = others(query);
        let mut link = String::new();
        for (page, rel) in [(prev, "prev"), (next, "next"), (1, "first"), (last, "last")] {
            let comma = if link.is_empty() { "" } else { "," };
            // Writing to a String cannot fail.
            let _ = write!(link, "{comma}<{path}?{}>;rel={rel}", self.query(page, &others));
        }
        link
    }

    /// The query of another page.
    fn query(self, page: u64, others: &[(String, String)]) -> String {
        let own = [("page".to_owned(), page.to_string()), ("per_page".to_owned(), self.per_page.to_string())];
        let mut pairs: Vec<&(String, String)> = own.iter().chain(others).collect();
        pairs.sort_by(|one, other| one.0.cmp(&other.0)); // stable: values of one name keep their order
        let encoded = |text| utf8_percent_encode(text, PLAIN);
        let pairs = pairs.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
        pairs.collect::<Vec<_>>().join("&")
    }
}

/// Absent, empty and 0 are none.
fn number(name: &str, given: Option<&str>, most: u64) -> Result<Option<u64>, String> {
    let Some(text) = given.filter(|text| !text.is_empty()) else { return Ok(None) };
    // Reading alone would take a sign.
    let digits = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let number = digits.and_then(|text| text.parse::<u64>().ok()).filter(|number| *number <= most);
    let number = number.ok_or_else(|| format!("{name}: expected a number from 1 to {most}"))?;
    Ok((number > 0).then_some(number))
}

/// Everything in a query that does not say which page, decoded.
fn others(query: &str) -> Vec<(String, String)> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let pairs = query.split('&').filter(|part| !part.is_empty()).map(|part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (decoded(name), decoded(value))
    });
    pairs.filter(|(name, _)| name != "page" && name != "per_page").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_the_default() {
        let default = Page { page: 1, per_page: 10 };
        assert_eq!(Page::read(None, None), Ok(default));
        assert_eq!(Page::read(Some("0"), Some("0")), Ok(default));
        assert_eq!(Page::read(Some(""), Some("")), Ok(default));
        assert_eq!(Page::read(Some("3"), Some("10000000")), Ok(Page { page: 3, per_page: 10_000_000 }));
    }

    #[test]
    fn what_is_no_page_is_named() {
        for wrong in ["-1", "+1", "x", "1.5", " 1", "99999999999999999999"] {
            assert!(Page::read(Some(wrong), None).unwrap_err().starts_with("page: expected"), "{wrong}");
            assert!(Page::read(None, Some(wrong)).unwrap_err().starts_with("per_page: expected"), "{wrong}");
        }
        assert!(Page::read(None, Some("10000001")).unwrap_err().contains("10000000"));
    }

    #[test]
    fn the_header_is_the_originals_to_the_letter() {
        let page = Page { page: 1, per_page: 2 };
        let expected = "</oapi/v1/jobs?page=1&per_page=2&type=preheat>;rel=prev,\
                        </oapi/v1/jobs?page=2&per_page=2&type=preheat>;rel=next,\
                        </oapi/v1/jobs?page=1&per_page=2&type=preheat>;rel=first,\
                        </oapi/v1/jobs?page=3&per_page=2&type=preheat>;rel=last";
        assert_eq!(page.link("/oapi/v1/jobs", "type=preheat&per_page=2", 5), expected);
    }

    #[test]
    fn ends_lead_to_themselves_and_an_empty_list_has_one_page() {
        let pages = |page: u64, total: u64| {
            let link = Page { page, per_page: 2 }.link("/x", "", total);
            link.split(',').map(|part| part.split(['=', '&']).nth(1).unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(pages(3, 5), ["2", "3", "1", "3"]);
        assert_eq!(pages(2, 5), ["1", "3", "1", "3"]);
        assert_eq!(pages(1, 0), ["1", "1", "1", "1"]);
        assert_eq!(pages(9, 5), ["3", "3", "1", "3"]);
        assert_eq!(pages(u64::MAX, 5), ["3", "3", "1", "3"]);
    }

    #[test]
    fn other_parts_of_the_query_are_kept_and_sorted() {
        let link = Page::default().link("/x", "z=%26&page=4&a=1&q&a=0&%C3%A4=%20", 0);
        let first = link.split(',').next().unwrap();
        assert_eq!(first, "</x?a=1&a=0&page=1&per_page=10&q=&z=%26&%C3%A4=%20>;rel=prev");
        assert!(Page::default().link("/x", "a=%0d%0aSet-Cookie:%20x", 0).is_ascii());
        assert!(!Page::default().link("/x", "a=%0d%0a>,<", 0).contains(['\r', '\n']));
    }

    #[test]
    fn a_page_is_a_part_of_the_list() {
        let range = |page, per_page, total| Page { page, per_page }.range(total);
        assert_eq!(range(1, 2, 5), 0..2);
        assert_eq!(range(3, 2, 5), 4..5);
        assert_eq!(range(4, 2, 5), 5..5);
        assert_eq!(range(u64::MAX, MOST_PER_PAGE, 5), 5..5);
        assert_eq!(range(1, 10, 0), 0..0);
    }
}
