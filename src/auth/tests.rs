//! Real connections on loopback, and the table of rights.
