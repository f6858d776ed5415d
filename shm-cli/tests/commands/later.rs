//! A field whose type a later version of the library has added.

use std::fs;

use shm_core::ShmLayout;
use shm_tests::Names;

use crate::common::shm;

#[derive(ShmLayout)]
#[repr(C)]
struct Rover {
    frame: u64,
    /// Becomes a type of a later format.
    lidar: [u64; 2],
}

#[test]
fn fields_of_a_later_format_are_listed_but_not_shown() {
    let names = Names::new("later");
    let name = names.name("rover");
    let _shm = Rover::create(&name).unwrap();
    let mut file = fs::read(Names::path(&name)).unwrap();
    // The node of an array: tag 2, a body of 20 bytes, and 2 elements. The new one has the same length, size and alignment.
    let node = [2_u32, 20].map(u32::to_ne_bytes).concat();
    let node = [node, 2_u64.to_ne_bytes().to_vec()].concat();
    let at = file.windows(node.len()).position(|bytes| bytes == node);
    let at = at.unwrap();
    file[at] = 200;
    file[at + 8..at + 16].copy_from_slice(&16_u64.to_ne_bytes());
    file[at + 16..at + 20].copy_from_slice(&8_u32.to_ne_bytes());
    fs::write(Names::path(&name), file).unwrap();

    assert!(shm(["ls", &name]).code(0).out.contains("Rover"));
    let table = shm(["layout", &name]).code(0).out;
    for part in ["frame", "lidar", "a type of a later format (tag 200)"] {
        assert!(table.contains(part), "{table}");
    }
    for refused in [
        vec!["layout", &name, "lidar"],
        vec!["layout", &name, "--json"],
        vec!["show", &name],
        vec!["get", &name, "frame"],
        vec!["set", &name, "frame=1", "--yes"],
    ] {
        let text = shm(refused).code(4).err;
        assert!(
            text.contains("`lidar` is a type of a later format"),
            "{text}"
        );
        assert!(text.contains("use the same version"), "{text}");
    }
}
