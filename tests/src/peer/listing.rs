//! Commands that list segments, and remove orphaned ones.

use shm_core::SegmentInfo;

use super::{Answer, other};

/// `list NAME`: the entry of one name as words; empty if there is none.
pub(super) fn list(name: &str) -> Answer {
    for info in shm_core::list()? {
        let info = info?;
        if info.name == name {
            return Ok(words(&info));
        }
    }
    Ok(String::new())
}

/// `participants NAME`: the pids in a segment.
pub(super) fn participants(name: &str) -> Answer {
    for info in shm_core::list()? {
        let info = info?;
        if info.name == name {
            let pids = info.participants()?.pids;
            let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
            return Ok(pids.join(" "));
        }
    }
    Err(other("nothing has the name"))
}

/// `list-all`: every name and its state, in order.
pub(super) fn list_all() -> Answer {
    let mut entries = Vec::new();
    for info in shm_core::list()? {
        let info = info?;
        entries.push(format!("{} {:?}", info.name, info.state));
    }
    entries.sort();
    Ok(entries.join(","))
}

/// `sweep`: the names removed, in order.
pub(super) fn sweep() -> Answer {
    let mut removed = shm_core::sweep()?;
    removed.sort();
    if removed.iter().any(|name| name.contains(' ')) {
        return Err(other("a name has a space"));
    }
    Ok(removed.join(" "))
}

fn words(info: &SegmentInfo) -> String {
    let mut words = format!("{:?} owner={}", info.state, info.owner);
    if let Some(contents) = &info.contents {
        words += &format!(
            " attached={} owned={} pid={} type={}",
            contents.attached,
            contents.owned,
            contents.creator_pid,
            contents.type_name.as_deref().unwrap_or("?")
        );
    }
    if let Some(reason) = &info.reason {
        words += &format!(" because {reason}");
    }
    words
}
