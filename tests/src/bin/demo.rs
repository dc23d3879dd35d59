//! The demonstration: a real host, six real calls, people who listen, an auditor who checks. `cargo xtask demo`.

use std::process::ExitCode;

use caveat_tests::demo;

#[tokio::main]
async fn main() -> ExitCode {
    let once = std::env::args().any(|a| a == "--once");
    match demo::run(once).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("\nthe demonstration could not go on: {error:#}");
            ExitCode::FAILURE
        }
    }
}
