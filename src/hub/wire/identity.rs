//! Who one is, where one can be reached, what one's log says: as clients see it.
