# shellcheck shell=sh
# Read by the other scripts, in the project's folder.

# Finds cargo, and checks that it is not older than Cargo.toml says; ends the script otherwise.
needs_rust() {
    minimum=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    if ! command -v cargo >/dev/null 2>&1; then PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin; fi
    if ! command -v cargo >/dev/null 2>&1; then
        say "Rust $minimum or newer is needed, and there is no \`cargo\`. Get it from https://rustup.rs:"
        say "    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y"
        exit 1
    fi
    found=$(cargo --version | cut -d ' ' -f 2)
    if [ "$(printf '%s\n' "$minimum" "$found" | sort -V | head -n 1)" != "$minimum" ]; then
        say "Rust $minimum or newer is needed, and \`cargo\` is $found. With rustup: \`rustup update stable\`;"
        say "your system's own package may be too old: https://rustup.rs"
        exit 1
    fi
}
