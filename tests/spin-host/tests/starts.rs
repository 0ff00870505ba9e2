//! The program by itself. That it exists makes cargo build it for the tests that run the gateway in it.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::process::Command;

fn run(arguments: &[&str]) -> String {
    let mut command = Command::new(std::env::var_os("CARGO_BIN_EXE_souk-spin-host").unwrap());
    let output = command.args(arguments).output().unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn says_what_it_lacks() {
    assert!(run(&[]).contains("usage: souk-spin-host SPECIFICATION"));
    assert!(run(&["/nowhere"]).contains("cannot read /nowhere"));
}
