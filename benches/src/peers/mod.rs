//! What shm-core is compared with, behind interfaces that the rows share.

#[cfg(boost)]
pub(crate) mod boost;
pub(crate) mod hand;
#[cfg(feature = "peers")]
pub(crate) mod iceoryx;
#[cfg(feature = "peers")]
pub(crate) mod mmap;
pub(crate) mod posix;
pub(crate) mod raw;
#[cfg(feature = "peers")]
pub(crate) mod raw_sync;

/// The contenders that are packages.
pub(crate) fn packages() -> &'static [&'static str] {
    if cfg!(feature = "peers") {
        &[
            "rtrb",
            "crossbeam-channel",
            "iceoryx2",
            "ipc-channel",
            "mmap-sync",
            "parking_lot",
            "raw_sync",
            "shared_memory",
        ]
    } else {
        &["rtrb", "crossbeam-channel"]
    }
}

/// The version of Boost.
pub(crate) fn boost_version() -> Option<String> {
    #[cfg(boost)]
    return Some(format!("Boost {}", boost::version()));
    #[cfg(not(boost))]
    None
}

/// Removes what contenders in killed processes have left.
pub(crate) fn clean_up() {
    #[cfg(feature = "peers")]
    iceoryx::clean_up();
}

/// Which contenders this build lacks, and how to add them.
pub(crate) fn left_out() -> Vec<String> {
    let mut lines = Vec::new();
    if cfg!(not(feature = "peers")) {
        lines.push(
            "left out: shared_memory, raw_sync, iceoryx2, mmap-sync, ipc-channel, parking_lot and Boost.Interprocess. \
             `--features peers` adds them; iceoryx2 needs libclang"
                .to_owned(),
        );
    } else if boost_version().is_none() {
        lines.push(
            "left out: Boost.Interprocess. It needs a C++ compiler and the headers of Boost when this program is built"
                .to_owned(),
        );
    }
    lines
}
