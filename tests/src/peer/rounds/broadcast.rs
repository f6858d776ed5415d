//! Rounds of the ends of a broadcast.

use shm_core::sync::Broadcast;
use shm_core::{Access, Shm};

use super::{IN_VAIN, nothing, tried};
use crate::driver::DEADLINE;
use crate::peer::broadcast::SLOTS;
use crate::peer::{Answer, other};
use crate::segments::SmallValue;

type Queue = Broadcast<SmallValue, SLOTS>;

/// Claims the sender, sends the next message by each call, and leaves.
pub(in crate::peer) fn send(shm: &Shm<Queue>, way: &str) -> Answer {
    // Joined before it, so that there are messages to receive.
    let mut receiver = shm.receiver();
    tried(|| {
        let sender = match way {
            // Another process holds the role, and leaves.
            "come" => shm.sender_timeout(DEADLINE),
            _ => shm.sender(),
        };
        let mut sender = sender.map_err(other)?;
        let number = sender.position() + 1;
        let sent = match way {
            "copy" => sender.send([number; 8]),
            "place" => sender.send_with(|slot| slot.iter().for_each(|word| word.set(number))),
            "come" => sender.send_from(&[number; 8]),
            way => return Err(other(format!("there is no round `{way}`"))),
        };
        sent.map_err(other)?;
        drop(sender);
        let _ = receiver.recv_timeout(IN_VAIN);
        let _ = receiver.wait_for_sender_timeout(IN_VAIN);
        nothing()
    })
}

/// Receives by each call, with either kind of handle.
pub(in crate::peer) fn receive<A: Access>(shm: &Shm<Queue, A>, way: &str) -> Answer {
    let mut receiver = shm.receiver();
    tried(|| {
        match way {
            // There are at least three messages.
            "oldest" => {
                let mut oldest = shm.receiver_from_oldest();
                let first = oldest.position() + 1;
                let mut second = [0; 8];
                let one = oldest.recv().map_err(other)?;
                oldest
                    .recv_into_timeout(&mut second, DEADLINE)
                    .map_err(other)?;
                let third = oldest.recv_boxed().map_err(other)?;
                let mut again = shm.receiver_from_oldest();
                let in_place = again.recv_with(|slot| slot.load()).map_err(other)?;
                // All that are left, which may be none.
                let _ = oldest.try_recv_slice(&mut [[0; 8]; 5]);
                let found = [one, second, *third, in_place];
                if found != [first, first + 1, first + 2, first].map(|number| [number; 8]) {
                    return Err(other("torn"));
                }
                let _ = oldest.try_recv_with(|slot| slot.load());
                while oldest.try_recv().is_ok() {}
            }
            // There are no messages, and the sender sends none.
            "in-vain" => {
                let _ = receiver.try_recv();
                let _ = receiver.recv_timeout(IN_VAIN);
                let _ = receiver.wait_for_sender_timeout(IN_VAIN);
            }
            // Another process sends.
            "await" => drop(receiver.recv().map_err(other)?),
            "await-into" => receiver.recv_into(&mut [0; 8]).map_err(other)?,
            "await-slice" => drop(receiver.recv_slice(&mut [[0; 8]; 3]).map_err(other)?),
            "await-with" => drop(receiver.recv_with(|slot| slot.load()).map_err(other)?),
            "await-next" => drop(shm.receiver().reconnecting().recv().map_err(other)?),
            "await-boxed" => drop(receiver.recv_boxed().map_err(other)?),
            // Another process becomes the sender.
            "await-sender" => receiver.wait_for_sender(),
            way => return Err(other(format!("there is no round `{way}`"))),
        }
        nothing()
    })
}
