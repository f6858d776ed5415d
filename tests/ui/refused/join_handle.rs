use std::sync::mpsc::Sender;
use std::thread::JoinHandle;

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Worker {
    id: u64,
    thread: JoinHandle<()>,
    jobs: Sender<u64>,
}

fn main() {}
