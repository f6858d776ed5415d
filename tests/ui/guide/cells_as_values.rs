//! The guide's table has these errors. Those of borrowing are in `cells_as_places.rs`.

use std::sync::atomic::{AtomicU64, Ordering};

use shm_core::sync::Mutex;
use shm_core::{ReadOnly, Shm, ShmLayout, ShmStr};

#[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
#[repr(u8)]
enum Mode {
    Off,
    On,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Data {
    total: Mutex<u64>,
    hits: AtomicU64,
    x: u64,
    buf: [u8; 64],
    values: [f64; 4],
    name: ShmStr<30>,
    on: bool,
    mode: Mode,
}

fn number(_: u64) {}

fn numbers(shm: &Shm<Data>) {
    shm.x = 3;
    shm.x += 1;
    let _ = shm.x + 1;
    let _ = shm.x == 3;
    let _: u64 = shm.x;
    number(shm.x);
    println!("{}", shm.x);
    shm.x.fetch_add(1, Ordering::Relaxed);
}

fn conditions(shm: &Shm<Data>) {
    if shm.on {}
    if !shm.on {}
    match shm.mode {
        Mode::Off | Mode::On => {}
    }
    shm.mode.get();
}

fn arrays(shm: &Shm<Data>) {
    let _: &[u8] = &shm.buf[..];
    let _: &[u8] = &shm.buf;
    let _: &mut [u8] = &mut shm.buf[..];
    shm.buf[0] = 3;
    shm.buf.copy_from_slice(&[0; 64]);
    shm.buf.iter_mut();
    for _ in shm.buf {}
    shm.buf.set([0; 64]);
    let _ = shm.values.iter().sum::<f64>();
}

fn text(shm: &Shm<Data>) {
    let _: &str = &shm.name;
    shm.name = "a";
}

fn guards(shm: &Shm<Data>) {
    let guard = shm.total.lock().unwrap();
    *guard += 1;
}

fn read_only(shm: &Shm<Data, ReadOnly>) {
    shm.x.set(1);
    shm.hits.fetch_add(1, Ordering::Relaxed);
    shm.hits.store(1, Ordering::Relaxed);
}

fn handles(shm: Box<Shm<Data>>) {
    (*shm).load();
    (*shm).clone();
}

fn main() {}
