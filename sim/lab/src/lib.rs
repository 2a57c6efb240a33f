//! The lab: what a person (or a script) does with worlds.
//!
//! One file per command ([`run`], [`explore`], [`compare`], [`plot`], [`check`], [`show`], [`list`], [`explain`] with [`promises`],
//! [`fingerprints`]) on top of [`experiment`]: one run of one scenario under one seed, judged. [`report`] writes it down.
//!
//! # What is left out
//!
//! - `diff` and `shrink`: they come with the milestones that need them, as commands beside these.

pub mod check;
pub mod cli;
pub mod compare;
pub mod concepts;
pub mod error;
pub mod experiment;
pub mod explain;
pub mod explore;
pub mod fingerprints;
pub mod history;
mod hosting;
mod judging;
pub mod library;
pub mod list;
pub mod measure;
mod own_mistake;
mod parallel;
pub mod picture;
pub mod plot;
pub mod promises;
pub mod published;
pub mod report;
pub mod run;
pub mod show;
pub mod vocabulary;

use clap::Parser;
use std::process::ExitCode;

/// The command `klab`.
pub fn main() -> ExitCode {
    own_mistake::end_at_the_first();
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are asked for; anything else is bad input.
            let _ = error.print();
            return match error.use_stderr() {
                true => error::Exit::BadInput.into(),
                false => ExitCode::SUCCESS,
            };
        }
    };
    cli.execute().map_or_else(
        |mistake| {
            anstream::eprintln!("{mistake}");
            error::Exit::BadInput.into()
        },
        ExitCode::from,
    )
}
