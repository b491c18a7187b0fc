//! The last run of a stored DAG that is over, for whoever depends on it.

use super::engine::{Failed, Handle};
use super::model::{DagName, DagRunId, RunRow};
use super::records;
use crate::store::{ReadError, Reader};

impl Handle {
    /// Whether there is a stored DAG of this name.
    ///
    /// # Errors
    /// The daemon is ending.
    pub async fn has_dag(&self, name: &DagName) -> Result<bool, Failed> {
        let name = name.clone();
        self.look(move |room| room.calendar().get(name.as_str()).is_some()).await
    }

    /// The newest run of a stored DAG that is over. Goes back through the rows of all runs to it: whoever asks often
    /// remembers it, and asks with [`Handle::run_row`] for what has ended since.
    ///
    /// # Errors
    /// The daemon is ending, or the store cannot be read.
    pub async fn last_over(&self, name: &DagName) -> Result<Option<RunRow>, Failed> {
        self.settled().await; // what is over by now is so in the store after this
        let (reader, name) = (self.tools.store.reader(), name.clone());
        let read = tokio::task::spawn_blocking(move || last_over(&reader, &name));
        Ok(read.await.map_err(|_| Failed::Gone)?.map_err(records::LoadError::from)?)
    }

    /// The row of a run, as it is now.
    ///
    /// # Errors
    /// The daemon is ending, or the store cannot be read.
    pub async fn run_row(&self, run: DagRunId) -> Result<Option<RunRow>, Failed> {
        if let Some(held) = self.look(move |room| room.row(run)).await? {
            return Ok(Some(held));
        }
        self.settled().await; // what the room has let go by now is in the store after this
        let reader = self.tools.store.reader();
        let read = tokio::task::spawn_blocking(move || records::row(&reader, run));
        Ok(read.await.map_err(|_| Failed::Gone)?.map_err(records::LoadError::from)?)
    }
}

fn last_over(reader: &Reader, name: &DagName) -> Result<Option<RunRow>, ReadError> {
    let is_it = |row: &RunRow| row.state().is_over() && row.origin.dag() == Some(name);
    records::rows(reader, 0..u64::MAX, false, true).find(|row| row.as_ref().map_or(true, is_it)).transpose()
}
