//! The documents against what they describe: links, commands, numbers on the wire, error codes, JSON objects.
//!
//! Everything that a reader may type, click or look up is tried here, so a page that lags behind the program
//! turns a test red. What the sentences between them say is for people to check.

mod builds;
mod commands;
mod errors;
mod glossary;
mod json;
mod links;
mod pages;
mod words;
