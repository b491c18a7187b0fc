//! Stored DAGs.

use super::*;
