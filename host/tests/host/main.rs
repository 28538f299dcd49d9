//! The host library from outside: files, images, links and jobs.
mod common;
mod fake;
mod files;
mod image;
mod job;
