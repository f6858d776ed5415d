//! The cost of creating and attaching, for 1 GiB and 4 KiB: it does not depend on the size.

use shm_benches::{compare, heading, row};
use shm_core::ShmLayout;

const GIB: usize = 1 << 30;

type Small = [u64; 400];
type Large = [u8; GIB];

fn main() {
    let pid = std::process::id();
    let (small, large) = (format!("/bench-small-{pid}"), format!("/bench-large-{pid}"));
    let _small = Small::create(&small).expect("4 KiB fit");
    let _large = Large::options()
        .sparse(true)
        .create(&large)
        .expect("a sparse segment needs no memory");

    heading("attach, read one element, detach", "1 GiB", "4 KiB");
    let attach_large = || {
        let shm = Large::attach(&large).expect("the segment exists");
        assert_eq!(shm[0].get(), 0);
    };
    let attach_small = || {
        let shm = Small::attach(&small).expect("the segment exists");
        assert_eq!(shm[0].get(), 0);
    };
    row("read and write", &compare(attach_large, attach_small));
    let attach_large = || {
        let shm = Large::attach_read_only(&large).expect("the segment exists");
        assert_eq!(shm[0].get(), 0);
    };
    let attach_small = || {
        let shm = Small::attach_read_only(&small).expect("the segment exists");
        assert_eq!(shm[0].get(), 0);
    };
    row("read only", &compare(attach_large, attach_small));

    let name = format!("/bench-create-{pid}");
    heading("create, write one element, drop", "1 GiB", "4 KiB");
    let create_large = || {
        let shm = Large::options()
            .sparse(true)
            .create(&name)
            .expect("the name is free");
        shm[0].set(1);
    };
    let create_small = || {
        let shm = Small::options()
            .sparse(true)
            .create(&name)
            .expect("the name is free");
        shm[0].set(1);
    };
    row("sparse", &compare(create_large, create_small));
}
