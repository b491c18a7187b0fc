//! Facts of this host, found out with the rights of whoever says that they count.
