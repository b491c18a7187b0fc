//! Tags, as clients publish and see them.
