//! Links, files and the flash job on the host side.
