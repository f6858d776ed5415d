//! All errors, told in the same way.

use std::any::type_name;
use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::Path;

use crate::error::InvalidValue;
use crate::error::ShmError;
use crate::shm_layout::ShmLayout;
use crate::sync::{self, broadcast, ring};
use crate::{InvalidText, VecFull};

/// A message, which need not be `Debug`.
struct Message;

/// The errors that were looked at, by the paths of their types.
#[derive(Default)]
struct Told(BTreeSet<String>);

impl Told {
    #[track_caller]
    fn says<E: Error>(&mut self, name: &str, error: E) {
        let text = error.to_string();
        assert!(text.len() > 20, "{name} says next to nothing: {text}");
        assert_eq!(format!("{error:?}"), format!("{name}: {text}"));
        assert_eq!(format!("{error:#?}"), format!("{name}: {text}"));
        let path = type_name::<E>().split('<').next().unwrap_or_default();
        self.0.insert(path.to_owned());
    }
}

fn refused() -> ShmError {
    ShmError::not_found().named("/t")
}

fn invalid() -> InvalidValue {
    InvalidValue::new(char::LAYOUT, 0xd800)
}

fn all() -> Told {
    let mut told = Told::default();
    told.says("NotFound", refused());
    told.says("InvalidValue", invalid());
    told.says(
        "TooLong",
        InvalidText::TooLong {
            len: 9,
            capacity: 8,
        },
    );
    told.says("Nul", InvalidText::Nul { at: 3 });
    told.says("VecFull", VecFull(Message));
    told.says("TooManyPermits", sync::TooManyPermits);
    told.says("TimedOut", sync::TimedOut);

    told.says("OwnerDied", sync::LockError::OwnerDied(Message));
    told.says("TimedOut", sync::LockError::<Message>::TimedOut);
    told.says("WouldBlock", sync::LockError::<Message>::WouldBlock);
    let unregistered = sync::LockError::<Message>::Unregistered(refused());
    told.says("Unregistered", unregistered);

    told.says("Contended", sync::ReadError::Contended);
    told.says("Invalid", sync::ReadError::Invalid(invalid()));
    told.says("TimedOut", sync::WriteError::TimedOut);
    told.says("WouldBlock", sync::WriteError::WouldBlock);
    told.says("Invalid", sync::WriteError::Invalid(invalid()));
    told.says("Unregistered", sync::WriteError::Unregistered(refused()));
    told.says("Inherited", sync::WriteError::Inherited);

    told.says("Full", sync::BarrierError::Full);
    told.says("Died", sync::BarrierError::Died { seat: 2 });
    told.says("TimedOut", sync::BarrierError::TimedOut);
    told.says("NotOurs", sync::BarrierError::NotOurs);
    told.says("Unregistered", sync::BarrierError::Unregistered(refused()));

    told.says("Taken", ring::EndError::Taken);
    told.says("Unregistered", ring::EndError::Unregistered(refused()));
    told.says("SendError", ring::SendError(Message));
    told.says("Full", ring::TrySendError::Full(Message));
    told.says("Disconnected", ring::TrySendError::Disconnected(Message));
    told.says("Timeout", ring::SendTimeoutError::Timeout(Message));
    let disconnected = ring::SendTimeoutError::Disconnected(Message);
    told.says("Disconnected", disconnected);
    told.says("RecvError", ring::RecvError);
    told.says("Empty", ring::TryRecvError::Empty);
    told.says("Disconnected", ring::TryRecvError::Disconnected);
    told.says("Timeout", ring::RecvTimeoutError::Timeout);
    told.says("Disconnected", ring::RecvTimeoutError::Disconnected);

    told.says("Taken", broadcast::SenderError::Taken);
    let unregistered = broadcast::SenderError::Unregistered(refused());
    told.says("Unregistered", unregistered);
    told.says("SendError", broadcast::SendError);
    told.says("Lagged", broadcast::RecvError::Lagged(7));
    told.says("Invalid", broadcast::RecvError::Invalid(invalid()));
    told.says("Disconnected", broadcast::RecvError::Disconnected);
    told.says("Empty", broadcast::TryRecvError::Empty);
    told.says("Lagged", broadcast::TryRecvError::Lagged(7));
    told.says("Invalid", broadcast::TryRecvError::Invalid(invalid()));
    told.says("Disconnected", broadcast::TryRecvError::Disconnected);
    told.says("Timeout", broadcast::RecvTimeoutError::Timeout);
    told.says("Lagged", broadcast::RecvTimeoutError::Lagged(7));
    told.says("Invalid", broadcast::RecvTimeoutError::Invalid(invalid()));
    let disconnected = broadcast::RecvTimeoutError::Disconnected;
    told.says("Disconnected", disconnected);
    told
}

/// The types that are errors, out of the sources in a folder: by the module and what `impl .. Error for` is written for.
fn errors_in(folder: &Path, module: &str, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("the sources are there") {
        let path = entry.expect("they can be listed").path();
        let name = path.file_stem().expect("it has a name").to_string_lossy();
        let module = match &*name {
            "lib" | "mod" => module.to_owned(),
            name => format!("{module}::{name}"),
        };
        if path.is_dir() {
            errors_in(&path, &module, found);
            continue;
        }
        let source = fs::read_to_string(&path).expect("sources are text");
        for line in source.lines().map(str::trim_start) {
            let Some((_, error)) = line
                .strip_prefix("impl")
                .and_then(|line| line.split_once(" Error for "))
            else {
                continue;
            };
            let error = error.split(['<', ' ']).next().unwrap_or_default();
            found.insert(format!("{module}::{error}"));
        }
    }
}

#[test]
fn what_main_prints_of_any_error_is_its_name_and_its_text() {
    let Told(mut told) = all();
    if cfg!(miri) {
        // It sees no files.
        return;
    }
    let mut errors = BTreeSet::new();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    errors_in(&sources, env!("CARGO_CRATE_NAME"), &mut errors);
    // Two that a macro writes.
    assert!(errors.remove("shm_core::sync::broadcast::error::$error"));
    for name in ["TryRecvError", "RecvTimeoutError"] {
        assert!(told.remove(&format!("shm_core::sync::broadcast::error::{name}")));
    }
    assert_eq!(told, errors);
}
