//! Endpoint 0: standard requests and descriptors, without hardware.
