//! Images on the host.
