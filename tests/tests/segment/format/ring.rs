//! Rings.

use shm_core::ShmLayout;
use shm_core::sync::Ring;
use shm_tests::poke_word;

use super::{DOCUMENT, bytes_of, decode_py, open, u32_at, u64_at, unique};

#[derive(ShmLayout)]
#[repr(C, align(128))]
struct Jobs {
    jobs: Ring<[u16; 2], 3>,
}

#[test]
fn rings_match_the_format_and_are_decoded() {
    let name = unique("ring");
    let shm = Jobs::create(&name).unwrap();
    let (mut sender, mut receiver) = (shm.jobs.sender().unwrap(), shm.jobs.receiver().unwrap());
    for number in 0..4 {
        sender.send([number, number + 10]).unwrap();
        if number < 2 {
            receiver.recv().unwrap();
        }
    }
    // Message 2 is delivered, and stays.
    let panic = std::panic::AssertUnwindSafe(|| {
        receiver.recv_with(|_, _| std::panic::resume_unwind(Box::new("on purpose")))
    });
    std::panic::catch_unwind(panic)
        .map(|_: Result<(), _>| ())
        .unwrap_err();
    drop(receiver);
    let bytes = bytes_of(&open(&name));
    let payload = &bytes[u64_at(&bytes, 40) as usize..];
    let words = [0, 4, 128, 132, 512, 640].map(|at| u32_at(payload, at));
    assert_eq!(words, [1, 1, 0, 1, 0, 0]);
    assert_eq!((u64_at(payload, 256), u64_at(payload, 384)), (4, 2));
    assert_eq!(u64_at(payload, 136), 2 << 16 | 1);
    // Message 3 is in slot 0, and message 2 in slot 2.
    assert_eq!(
        payload[768..772],
        [3_u16, 13].map(u16::to_ne_bytes).concat()[..]
    );
    assert_eq!(
        payload[776..780],
        [2_u16, 12].map(u16::to_ne_bytes).concat()[..]
    );
    assert!(DOCUMENT.contains("| `ring` |"));
    let shown = format!("{shm:?}");
    for part in [
        "sender: participant 1,",
        "receiver: free,",
        "deliveries: message 2 once,",
    ] {
        assert!(shown.contains(part), "{part:?} is missing in {shown}");
    }

    let Some(stdout) = decode_py(&name) else {
        return;
    };
    for line in [
        "4 jobs.sender_joined: u32 = 1",
        "132 jobs.receiver_joined: u32 = 1",
        "136 jobs.deliveries: message 2 was delivered once",
        "256 jobs.tail: u64 = 4",
        "384 jobs.head: u64 = 2",
        "776 jobs[2]: [u16; 2] = [2, 12]",
        "768 jobs[3]: [u16; 2] = [3, 13]",
    ] {
        assert!(stdout.contains(line), "{line:?} is missing in:\n{stdout}");
    }
    poke_word(&shm.jobs, 384, 9);
    let stdout = decode_py(&name).unwrap();
    assert!(
        stdout.contains("jobs: a ring with -5 messages, and at most 3 fit"),
        "{stdout}"
    );
}
