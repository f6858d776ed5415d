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

#[test]
fn long_arrays_are_shortened_unless_all_is_asked_for() {
    #[derive(ShmLayout)]
    #[repr(C)]
    struct Wide {
        first: [u8; 64],
        rows: [[u16; 100]; 200],
        tail: [u16; 70],
        end: u32,
    }
    let list = |len: usize| vec!["0"; len].join(", ");
    let shm = Wide::create_anonymous().unwrap();
    let rows = &shm.rows;
    assert_eq!(format!("{:?}", shm.first), format!("[{}]", list(64)));
    assert_eq!(
        format!("{:?}", shm.tail),
        format!("[{}, .. 6 more]", list(64))
    );
    assert_eq!(format!("{:?}", &shm.tail[6..]), format!("[{}]", list(64)));
    assert_eq!(
        format!("{:?}", rows[7]),
        format!("[{}, .. 36 more]", list(64))
    );

    // A row takes 65 of the elements that may be shown: itself, and 64 of its own.
    let row = format!("[{}, .. 36 more]", list(64));
    let last = format!(
        "[{}, .. {} more]",
        list(1024 - 15 * 65 - 1),
        100 - (1024 - 15 * 65 - 1)
    );
    let expected = format!("[{}, {last}, .. 184 more]", vec![row; 15].join(", "));
    assert_eq!(format!("{rows:?}"), expected);
    let whole = format!("{shm:?}");
    assert!(
        whole.ends_with(" more], tail: [.. 70 more], end: 0 })"),
        "{whole}"
    );
    assert!(whole.len() < 8192);

    let all = format!("{:#?}", shm.tail);
    assert_eq!(all.matches('0').count(), 70);
    assert_eq!(format!("{rows:#?}").matches('0').count(), 20_000);
}
