//! Bulk transfers compared with `memcpy`, and with a loop over the cells.

use std::hint::black_box;

use shm_benches::{compare, heading, row};
use shm_core::{ShmLayout, ShmSlice};

const LARGEST: usize = 1 << 20;
const SIZES: [usize; 9] = [16, 64, 256, 1024, 4096, 16_384, 65_536, 262_144, LARGEST];

fn main() {
    let shm = <[u8; LARGEST]>::create_anonymous().expect("1 MiB fits");
    let words = <[u64; LARGEST / 8]>::create_anonymous().expect("1 MiB fits");
    let mut out = vec![0_u8; LARGEST];
    let mut copy = vec![0_u8; LARGEST];
    let mut out_words = vec![0_u64; LARGEST / 8];
    let source = vec![1_u8; LARGEST];
    shm.fill(1);
    words.fill(1);

    heading("read_into of u8, bytes", "read_into", "memcpy");
    for size in SIZES {
        let cells: &ShmSlice<u8> = &shm[..size];
        let read = || cells.read_into(black_box(&mut out[..size]));
        let memcpy = || black_box(&mut copy[..size]).copy_from_slice(black_box(&source[..size]));
        row(&size.to_string(), &compare(read, memcpy));
    }

    heading("write_from of u8, bytes", "write_from", "memcpy");
    for size in SIZES {
        let cells: &ShmSlice<u8> = &shm[..size];
        let write = || cells.write_from(black_box(&source[..size]));
        let memcpy = || black_box(&mut copy[..size]).copy_from_slice(black_box(&source[..size]));
        row(&size.to_string(), &compare(write, memcpy));
    }

    heading("fill of u8, bytes", "fill", "memset");
    for size in SIZES {
        let cells: &ShmSlice<u8> = &shm[..size];
        let fill = || cells.fill(black_box(7));
        let memset = || black_box(&mut copy[..size]).fill(black_box(7));
        row(&size.to_string(), &compare(fill, memset));
    }

    heading("read_into of u64, bytes", "read_into", "loop of get");
    for size in SIZES {
        let cells: &ShmSlice<u64> = &words[..size / 8];
        let mut out_loop = vec![0_u64; size / 8];
        let read = || cells.read_into(black_box(&mut out_words[..size / 8]));
        let one_by_one = || {
            for (out, cell) in black_box(&mut out_loop).iter_mut().zip(cells) {
                *out = cell.get();
            }
        };
        row(&size.to_string(), &compare(read, one_by_one));
    }
}
