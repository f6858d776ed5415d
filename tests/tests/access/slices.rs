//! Long slices: bulk copies and comparisons.
#![forbid(unsafe_code)]

use shm_core::ShmLayout;

#[test]
fn long_slices_are_read_as_they_were_written() {
    #[derive(ShmLayout)]
    #[repr(C)]
    struct Long {
        words: [u64; 1000],
        bytes: [u8; 3001],
        bools: [bool; 999],
        shorts: [u16; 4],
    }
    let shm = Long::create_anonymous().unwrap();
    let words: Vec<u64> = (0..1000_u64)
        .map(|n| n.wrapping_mul(0x0101_0101_0101_0101))
        .collect();
    let bytes: Vec<u8> = (0..3001_u32).map(|n| n as u8).collect();
    let bools: Vec<bool> = (0..999).map(|n| n % 3 == 0).collect();
    shm.words.write_from(&words);
    shm.bytes.write_from(&bytes);
    shm.bools.write_from(&bools);
    assert_eq!(shm.words.to_vec(), words);
    assert_eq!(shm.bytes.to_vec(), bytes);
    assert_eq!(shm.bools.to_vec(), bools);
    for (from, to) in [(0, 0), (1, 2), (7, 300), (5, 2999), (3000, 3001)] {
        assert_eq!(shm.bytes[from..to].to_vec(), bytes[from..to]);
    }
    shm.bytes[3..2000].fill(9);
    assert_eq!(shm.bytes[2].get(), 2);
    assert_eq!(shm.bytes[2000].get(), 208);
    assert!(shm.bytes[3..2000].iter().all(|byte| byte.get() == 9));
    shm.words.fill(u64::MAX);
    assert!(shm.words.iter().all(|word| word.get() == u64::MAX));
    assert_eq!(shm.shorts.load(), [0; 4]);
}

#[test]
fn slices_compare_with_values_on_either_side() {
    #[derive(ShmLayout)]
    #[repr(C)]
    struct Compared {
        words: [u32; 70],
        rows: [[u64; 100]; 2],
        empty: [u64; 0],
    }
    let shm = Compared::create_anonymous().unwrap();
    let mut words: Vec<u32> = (0..70).collect();
    shm.words.write_from(&words);
    assert!(shm.words[..] == words);
    assert!(words == shm.words[..]);
    assert!(shm.words == words);
    assert!(words == shm.words);
    assert!(shm.words[..] == words[..]);
    assert!(words[..] == shm.words[..]);
    assert!(shm.words[..] == words.as_slice());
    assert!(words.as_slice() == shm.words[..]);
    assert_eq!(shm.words[2..5], [2, 3, 4]);
    assert_eq!([2, 3, 4], shm.words[2..5]);
    assert_eq!(shm.words.read_only()[68..], [68, 69]);
    // A difference at any place, and in the length.
    for at in 0..70 {
        words[at] += 1;
        assert!(shm.words[..] != words, "{at}");
        assert!(words != shm.words[..], "{at}");
        words[at] -= 1;
    }
    assert_ne!(shm.words[..], words[..69]);
    assert_ne!(shm.words[..69], words);
    assert_ne!(shm.words, [0; 69]);

    let mut rows = [[7; 100]; 2];
    shm.rows.store(rows);
    assert!(shm.rows == rows);
    assert!(rows == shm.rows);
    rows[1][99] = 8;
    assert!(shm.rows != rows);
    assert!(rows != shm.rows);
    assert_eq!(shm.empty, []);
}
