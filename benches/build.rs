//! Names the compiler, and builds the shim for Boost.Interprocess if its headers are there.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(boost)");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/peers/boost.cpp");
    let compiler = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(compiler).arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    println!("cargo::rustc-env=SHM_RUSTC={}", version.unwrap_or_default());
    #[cfg(feature = "peers")]
    boost();
}

#[cfg(feature = "peers")]
fn boost() {
    let built = cc::Build::new()
        .cpp(true)
        .std("c++17")
        .opt_level(3)
        .warnings(false)
        .cargo_warnings(false)
        .file("src/peers/boost.cpp")
        .try_compile("shm_benches_boost");
    // Without a C++ compiler or the headers, the program says that these contenders are missing.
    if built.is_ok() {
        println!("cargo::rustc-cfg=boost");
        println!("cargo::rustc-link-lib=rt");
    }
}
