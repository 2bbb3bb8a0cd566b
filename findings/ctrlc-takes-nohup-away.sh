#!/usr/bin/env bash
# ctrlc 3.5.2 (crates.io), feature `termination`: a program under nohup no longer outlives its terminal.
#
# The wrong bet: whoever starts a program with `nohup` has SIGHUP ignored, and a library that listens for signals leaves
# an ignored one alone, as the manual of the GNU C library advises. With `termination`, which is needed for SIGTERM, the crate
# installs its handler for SIGHUP as well, whatever was set before: the handler is called when the terminal closes, and
# a program that ends in it ends.
# What to do: ask whether SIGHUP is ignored before `set_handler`, and ignore it again after.
#
# Output seen:
#   ctrlc 3.5.2: under nohup, SIGHUP called the handler
#   without ctrlc: under nohup, SIGHUP did nothing
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

mkdir "$folder/src"
cat >"$folder/Cargo.toml" <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2024"

[dependencies]
ctrlc = { version = "=3.5.2", features = ["termination"] }
TOML
cat >"$folder/src/main.rs" <<'RS'
fn main() {
    if std::env::args().nth(1).as_deref() == Some("listen") {
        let handler = || {
            println!("called the handler");
            std::process::exit(0);
        };
        ctrlc::set_handler(handler).expect("the first handler");
    }
    println!("ready");
    std::thread::sleep(std::time::Duration::from_secs(3));
    println!("did nothing");
}
RS
cargo build --quiet --manifest-path "$folder/Cargo.toml" --target-dir "$folder/target"

# What a program says that gets SIGHUP once it is ready.
under_nohup() {
  nohup "$folder/target/debug/finding" "$1" >"$folder/said" 2>&1 </dev/null &
  local program=$!
  for _ in $(seq 100); do
    grep -q ready "$folder/said" && break
    sleep 0.05
  done
  kill -HUP "$program"
  wait "$program"
  tail -n 1 "$folder/said"
}

listening=$(under_nohup listen)
plain=$(under_nohup no)
echo "ctrlc 3.5.2: under nohup, SIGHUP $listening"
echo "without ctrlc: under nohup, SIGHUP $plain"
[ "$listening" = "called the handler" ] && [ "$plain" = "did nothing" ]
