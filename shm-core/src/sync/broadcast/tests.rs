//! What no test from outside can time.

use super::receiver::receive_available;
use crate::access::ReadWrite;
use crate::primitive::AtomicU64;
use crate::primitive::model::CommitOrder;
use crate::protocol::broadcast::{self as protocol, Correct, Counters, SlotRead};

const SLOTS: usize = 4;

fn send(counters: &Counters, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let sent =
            protocol::send::<Correct, (), ()>(counters, SLOTS, number, CommitOrder::Fenced, |_| {
                Ok(())
            });
        assert_eq!(sent, Ok(()));
    }
}

#[test]
fn a_slice_ends_before_a_loss_which_is_reported_next() {
    let counters = Counters {
        reserved: AtomicU64::new(0),
        tail: AtomicU64::new(0),
    };
    send(&counters, 0..4);
    let mut cursor = 0;
    let received =
        receive_available::<ReadWrite>(&counters, SLOTS, &mut cursor, 3, |index, slot| {
            assert_eq!(index, slot);
            if index == 1 {
                // Message 5 overwrites message 1, which is being copied.
                send(&counters, 4..6);
            }
        });
    assert_eq!((received, cursor), (1, 1));
    let next = protocol::receive::<Correct, _>(&counters, SLOTS, &mut cursor, |_| ());
    assert_eq!((next, cursor), (SlotRead::Lost(1), 2));
    let received = receive_available::<ReadWrite>(&counters, SLOTS, &mut cursor, 9, |_, _| ());
    assert_eq!((received, cursor), (4, 6));
}
