//! probe
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use shm_core::sync::{Broadcast, SeqLock};
use shm_core::{Shm, ShmLayout};
use shm_tests::Names;


#[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
#[repr(C, align(4096))]
struct Page { a: [u64; 512] }

#[test]
fn zst() {
    let names = Names::new("rev-zst");
    let name = names.name("t");
    let shm = Broadcast::<[u64; 0], 3>::create(&name).unwrap();
    let ro = Broadcast::<[u64; 0], 3>::attach_read_only(&name).unwrap();
    let mut r = ro.receiver();
    let mut s = shm.sender().unwrap();
    for _ in 0..4 { s.send([]).unwrap(); }
    assert!(r.try_recv().is_err());
    for _ in 0..3 { r.try_recv().unwrap(); }
}

#[test]
fn odd() {
    let shm = SeqLock::<[u8; 37], 3>::create_anonymous().unwrap();
    shm.update(|v| v[36] = 7).unwrap();
    assert_eq!(shm.read()[36], 7);
    let shm = Broadcast::<[u8; 3], 7>::create_anonymous().unwrap();
    let mut r = shm.receiver();
    let mut s = shm.sender().unwrap();
    for i in 0..7 { s.send([i; 3]).unwrap(); }
    for i in 0..7 { assert_eq!(r.try_recv().unwrap(), [i; 3]); }
}

#[test]
fn page() {
    let names = Names::new("rev-page");
    let name = names.name("t");
    let shm = SeqLock::<Page, 3>::create(&name).unwrap();
    shm.update(|v| v.a[511] = 7).unwrap();
    let ro = SeqLock::<Page, 3>::attach_read_only(&name).unwrap();
    assert_eq!(ro.read_boxed().a[511], 7);
    assert_eq!(ro.read_with(|c| c.as_ptr().addr() % 4096), 0);
}

#[test]
fn nested_panic() {
    let shm = SeqLock::<[u64; 2]>::create_anonymous().unwrap();
    struct Late<'a>(&'a Shm<SeqLock<[u64; 2]>>);
    impl Drop for Late<'_> {
        fn drop(&mut self) {
            let _ = catch_unwind(AssertUnwindSafe(|| {
                let _ = self.0.update(|v| { v[0] = 1; resume_unwind(Box::new("half")); });
            }));
        }
    }
    let p = catch_unwind(AssertUnwindSafe(|| { let _l = Late(&shm); resume_unwind(Box::new("x")); }));
    assert!(p.is_err());
    assert_eq!(shm.version(), 0);
}
