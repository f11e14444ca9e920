//! `chat`: a chat in the terminal, without a server.
//!
//! ```text
//! chat --name ann --listen 127.0.0.1:7400
//! chat --name bob --connect tcp://127.0.0.1:7400      (in another terminal)
//! ```
//!
//! Everything said while the two are apart arrives when they meet again. See
//! [`gossip_examples::chat`], which is all there is to it.

use std::io::{Write, stderr};
use std::process::ExitCode;

use clap::Parser;
use gossip_examples::chat::{self, Options};
use gossip_examples::program;

/// A chat in the terminal, without a server.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    options: Options,
}

fn main() -> ExitCode {
    let Arguments { options } = Arguments::parse();
    program::log_warnings();
    program::run(async {
        let result = chat::run(&options).await;
        if let Err(failure) = &result {
            writeln!(stderr(), "chat: {failure}").unwrap_or_default();
        }
        result.is_ok()
    })
}
