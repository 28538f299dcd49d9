//! The host library from outside: files, images, links and jobs.
mod common;
mod files;
mod image;
