//! The host library from outside: files, images, links and jobs.
mod common;
mod external;
mod fake;
mod files;
mod image;
mod job;
mod keys;
mod slots;
