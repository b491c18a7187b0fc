//! Lists by the page.
//!
//! ```text
//! page   below 1 counts as 1                    size   below 1 counts as 1, above 100 as 100; -1: all
//! ```

use super::Fault;
use std::num::IntErrorKind;
use std::ops::Range;

/// Entries of a page where it is not said how many.
const SIZE: usize = 10;
/// The most that a page has, unless it has all.
const LARGEST: i64 = 100;

/// Which part of a list is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// All of it.
    All,
    /// A part.
    Part {
        /// From 1.
        page: usize,
        /// How many entries a page has; at least 1.
        size: usize,
    },
}

impl Page {
    /// For the health of tags: where neither is given, all is asked for, because clients take what is not there to be well.
    ///
    /// # Errors
    /// One of them is no whole number.
    pub fn of_health(page: Option<&str>, size: Option<&str>) -> Result<Page, Fault> {
        if page.is_none() && size.is_none() { Ok(Page::All) } else { Page::of_list(page, size) }
    }

    /// For lists: ten entries where nothing else is said.
    ///
    /// # Errors
    /// One of them is no whole number.
    pub fn of_list(page: Option<&str>, size: Option<&str>) -> Result<Page, Fault> {
        let page = number("page", page)?.map_or(1, |page| usize::try_from(page.max(1)).unwrap_or(usize::MAX));
        let size = match number("size", size)? {
            Some(-1) => return Ok(Page::All),
            Some(size) => usize::try_from(size.clamp(1, LARGEST)).unwrap_or(SIZE),
            None => SIZE,
        };
        Ok(Page::Part { page, size })
    }

    /// Which entries of `total` are on the page; a page past the end has none.
    pub fn range(self, total: usize) -> Range<usize> {
        match self {
            Page::All => 0..total,
            Page::Part { page, size } => {
                let start = (page - 1).saturating_mul(size).min(total);
                start..start.saturating_add(size).min(total)
            }
        }
    }

    /// The same for lists: in place of a page past the end the last full one is shown.
    pub fn window(self, total: usize) -> Range<usize> {
        match self {
            Page::Part { page, size } if (page - 1).saturating_mul(size) >= total => total.saturating_sub(size)..total,
            page => page.range(total),
        }
    }
}

/// A whole number of the query, however large.
fn number(name: &str, text: Option<&str>) -> Result<Option<i64>, Fault> {
    let Some(text) = text else { return Ok(None) };
    match text.parse::<i64>() {
        Ok(number) => Ok(Some(number)),
        Err(why) => match why.kind() {
            IntErrorKind::PosOverflow => Ok(Some(i64::MAX)),
            IntErrorKind::NegOverflow => Ok(Some(i64::MIN)),
            _ => Err(Fault::Wrong(format!("{name}: expected a whole number, not \"{}\"", text.escape_debug()))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn part(page: usize, size: usize) -> Page {
        Page::Part { page, size }
    }

    #[test]
    fn health_is_told_whole_unless_a_page_is_asked_for() {
        assert_eq!(Page::of_health(None, None), Ok(Page::All));
        assert_eq!(Page::of_health(Some("2"), None), Ok(part(2, 10)));
        assert_eq!(Page::of_health(None, Some("3")), Ok(part(1, 3)));
        assert_eq!(Page::of_list(None, None), Ok(part(1, 10)));
    }

    #[test]
    fn what_is_out_of_bounds_counts_as_the_bound() {
        for (page, size, expected) in [
            ("0", "2", part(1, 2)),
            ("-4", "2", part(1, 2)),
            ("1", "0", part(1, 1)),
            ("1", "-2", part(1, 1)),
            ("7", "500", part(7, 100)),
            ("7", "-1", Page::All),
            ("99999999999999999999", "99999999999999999999", part(i64::MAX as usize, 100)),
            ("-99999999999999999999", "1", part(1, 1)),
        ] {
            assert_eq!(Page::of_list(Some(page), Some(size)), Ok(expected), "{page} {size}");
            assert_eq!(Page::of_health(Some(page), Some(size)), Ok(expected), "{page} {size}");
        }
    }

    #[test]
    fn what_is_no_number_is_named() {
        for wrong in ["", "a", "1.5", " 1", "-", "0x1"] {
            let Err(Fault::Wrong(why)) = Page::of_health(Some(wrong), None) else { panic!("{wrong:?}") };
            assert!(why.starts_with("page: expected a whole number"), "{why}");
            let Err(Fault::Wrong(why)) = Page::of_list(None, Some(wrong)) else { panic!("{wrong:?}") };
            assert!(why.starts_with("size: expected a whole number"), "{why}");
        }
    }

    #[test]
    fn a_page_past_the_end_is_empty_or_the_last() {
        assert_eq!((part(1, 2).range(3), part(2, 2).range(3), part(3, 2).range(3)), (0..2, 2..3, 3..3));
        assert_eq!((part(2, 2).window(3), part(3, 2).window(3), part(9, 5).window(3)), (2..3, 1..3, 0..3));
        assert_eq!((Page::All.range(3), Page::All.window(3), part(1, 2).window(0)), (0..3, 0..3, 0..0));
    }

    proptest! {
        #[test]
        fn a_page_is_a_part_of_the_list(page in ".{0,6}", size in "-?[0-9]{0,22}", total in 0_usize..1000) {
            if let Ok(asked) = Page::of_list(Some(&page), Some(&size)) {
                for range in [asked.range(total), asked.window(total)] {
                    prop_assert!(range.start <= range.end && range.end <= total);
                    prop_assert!(asked == Page::All || range.len() <= 100);
                }
            }
        }
    }
}
