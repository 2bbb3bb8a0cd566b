#!/usr/bin/env bash
# cubecl-environment 0.11.3 (crates.io), which Burn 0.22.1 keeps compiled kernels and tuning results with (`persistence`):
# where they are kept depends on the folder that the program is started in.
#
# The wrong bet: a cache of what is known of a graphics card is one for each user, as those of NVIDIA's and Mesa's drivers
# are, so that a program that has tuned its kernels once finds them again. By default the place is `target/environment`
# beside the outermost `Cargo.toml` above the present folder, and the user's folder of caches only where there is none. The
# same program tunes again, for a minute or more, when it is started in another checkout or outside of all.
# What to do: choose the folder before the first device, by `CubeClRuntimeConfig::try_set` with
# `environment.path = CacheConfig::Directory(..)`.
#
# Output seen:
#   below a Cargo.toml: <that folder>/target/environment
#   elsewhere: <caches of the user>/cubecl
set -euo pipefail
folder=$(cd "$(mktemp -d)" && pwd -P)
trap 'rm -rf "$folder"' EXIT

mkdir -p "$folder/program/src" "$folder/project/inner" "$folder/elsewhere"
cat >"$folder/program/Cargo.toml" <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2024"

[dependencies]
cubecl-environment = "=0.11.3"
TOML
cat >"$folder/program/src/main.rs" <<'RS'
fn main() {
    println!("{}", cubecl_environment::environment::root().display());
}
RS
cargo build --quiet --manifest-path "$folder/program/Cargo.toml" --target-dir "$folder/build"
touch "$folder/project/Cargo.toml"

# Where one program, started in a folder, keeps what it finds out.
kept() {
  (cd "$1" && HOME="$folder/home" XDG_CACHE_HOME="$folder/caches" "$folder/build/debug/finding")
}

below=$(kept "$folder/project/inner")
elsewhere=$(kept "$folder/elsewhere")
echo "below a Cargo.toml: ${below/"$folder/project"/<that folder>}"
echo "elsewhere: ${elsewhere/"$folder/caches"/<caches of the user>}"
[ "$below" = "$folder/project/target/environment" ] && [ "$elsewhere" = "$folder/caches/cubecl" ]
