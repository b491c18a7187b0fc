//! Reading records back.
//!
//! Reads block on the disk when a page is not cached: they belong on the blocking pool. They may be ahead of the disk
//! by the group that is being committed, and see a decision of more than 256 operations while it is being applied.

use super::record::{DecodeError, Record, decode, full_key, full_range, own_key};
use std::iter::Peekable;
use std::marker::PhantomData;
use std::ops::RangeBounds;
use std::sync::Arc;

/// A key of the tree with its value.
pub(super) type Pair = (Vec<u8>, Vec<u8>);

/// Raw pairs in key order, forwards or backwards.
pub(super) type Pairs = Box<dyn Iterator<Item = Result<Pair, ReadError>> + Send>;

/// Something that can be read: the tree with its objects, or memory.
pub(super) trait View: Send + Sync {
    /// The value of a key, objects followed.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError>;

    /// The pairs with keys in `from..to`, objects followed; the greatest key first when `back`.
    fn scan(&self, from: Vec<u8>, to: Vec<u8>, back: bool) -> Pairs;
}

/// Why a record could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The disk or the database failed.
    #[error("the store cannot be read: {0}")]
    Storage(String),
    /// A value kept as a file is missing or damaged.
    #[error("object {id}: {why}")]
    Object {
        /// The number that is the file's name.
        id: u64,
        /// What is wrong with it.
        why: String,
    },
    /// The bytes are not such a record.
    #[error(transparent)]
    Record(#[from] DecodeError),
}

/// Reads records. Cheap to clone; blocking.
#[derive(Clone)]
pub struct Reader {
    pub(super) view: Arc<dyn View>,
}

impl Reader {
    /// The record with this key.
    ///
    /// # Errors
    /// The disk's, and a value that is not such a record.
    pub fn get<R: Record>(&self, key: &R::Key) -> Result<Option<R>, ReadError> {
        match self.view.get(&full_key::<R>(key))? {
            Some(value) => Ok(Some(decode(&value)?)),
            None => Ok(None),
        }
    }

    /// The records with keys in the range, in order.
    pub fn scan<R: Record>(&self, range: impl RangeBounds<R::Key>) -> Scan<R> {
        self.start(range, false)
    }

    /// The records with keys in the range, the greatest key first.
    pub fn scan_back<R: Record>(&self, range: impl RangeBounds<R::Key>) -> Scan<R> {
        self.start(range, true)
    }

    fn start<R: Record>(&self, range: impl RangeBounds<R::Key>, back: bool) -> Scan<R> {
        let (from, to) = full_range::<R>(range);
        let pairs: Pairs = if from < to { self.view.scan(from, to, back) } else { Box::new(std::iter::empty()) };
        Scan { pairs, records: PhantomData }
    }
}

/// Records as they are read. It is no snapshot: each record is as it was at some moment since the scan began.
pub struct Scan<R> {
    pairs: Pairs,
    records: PhantomData<fn() -> R>,
}

impl<R: Record> Iterator for Scan<R> {
    type Item = Result<(R::Key, R), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let pair = self.pairs.next()?;
        Some(pair.and_then(|(key, value)| Ok((own_key::<R>(&key)?, decode(&value)?))))
    }
}

/// The record with this key from a scan that is looked into with ascending keys. What lies before it belongs to nothing.
///
/// # Errors
/// The scan's.
pub fn beside<R: Record<Key: Ord>>(scan: &mut Peekable<Scan<R>>, wanted: &R::Key) -> Result<Option<R>, ReadError> {
    loop {
        match scan.peek() {
            None => return Ok(None),
            Some(Ok((key, _))) if key > wanted => return Ok(None),
            Some(_) => {}
        }
        match scan.next() {
            Some(Ok((key, record))) if key == *wanted => return Ok(Some(record)),
            Some(Err(why)) => return Err(why),
            Some(Ok(_)) | None => {}
        }
    }
}
