//! What listeners hear of the hub.
