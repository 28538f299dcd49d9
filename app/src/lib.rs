//! For applications: request an update, read the status, jump to ST's ROM bootloader.
