//! Beyond the interface.

use super::*;
