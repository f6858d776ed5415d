//! The `Debug` of every error: its text, then its fields.

use std::any::type_name;
use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::Path;

use crate::collections::{InsertError, InvalidText, VecFull};
use crate::dynamic::{DynError, DynValue};
use crate::error::InvalidValue;
use crate::error::ShmError;
use crate::shm_layout::ShmLayout;
use crate::sync::{self, Owner, broadcast, ring};
use crate::sys::{Errno, SysError};

/// A message without `Debug`.
struct Message;

/// The errors that were checked, by the paths of their types.
#[derive(Default)]
struct Checked(BTreeSet<String>);

impl Checked {
    /// Checks an error of which `derive` would print `fields`.
    #[track_caller]
    fn prints<E: Error>(&mut self, fields: &str, error: E) {
        let text = error.to_string();
        assert!(text.len() > 20, "{fields} says next to nothing: {text}");
        assert!(error.source().is_none(), "{fields} prints its source");
        let printed = format!("{error:?}");
        assert_eq!(printed, format!("{text} ({fields})"));
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

fn all() -> Checked {
    let mut all = Checked::default();
    // Errors that contain one of these print its text once.
    let refusal = r#"NotFound { name: "/t" }"#;
    let value = r#"InvalidValue { path: "", found: 55296, type_name: "char" }"#;
    all.prints(refusal, refused());
    all.prints(
        r#"PermissionDenied { name: "/t", call: "fchown", source: Os { code: 1, kind: PermissionDenied, message: "Operation not permitted" } }"#,
        ShmError::from(SysError::new("fchown", Errno::EPERM)).named("/t"),
    );
    all.prints(
        r#"TooLarge { name: "/t", reason: "its schema is too long" }"#,
        ShmError::too_large("its schema is too long").named("/t"),
    );
    all.prints(value, invalid());
    let path = || "a[1]".to_owned();
    all.prints(
        r#"InvalidPath { path: "a[1]", at: 3, reason: "why" }"#,
        DynError::InvalidPath {
            path: path(),
            at: 3,
            reason: "why".to_owned(),
        },
    );
    all.prints(
        r#"NoSuchPart { path: "a[1]", reason: "why" }"#,
        DynError::NoSuchPart {
            path: path(),
            reason: "why".to_owned(),
        },
    );
    all.prints(&format!("Invalid({value})"), DynError::Invalid(invalid()));
    all.prints(
        r#"WrongValue { path: "a[1]", reason: "why" }"#,
        DynError::WrongValue {
            path: path(),
            reason: "why".to_owned(),
        },
    );
    all.prints(
        r#"NotSettable { path: "a[1]", reason: "why" }"#,
        DynError::NotSettable {
            path: path(),
            reason: "why",
        },
    );
    all.prints(
        r#"TooLarge { path: "a[1]" }"#,
        DynError::TooLarge { path: path() },
    );
    all.prints(
        r#"Contended { path: "a[1]" }"#,
        DynError::Contended { path: path() },
    );
    all.prints(
        r#"Os { path: "a[1]", source: Os { code: 5, kind: Uncategorized, message: "Input/output error" } }"#,
        DynError::Os {
            path: path(),
            source: SysError::new("pread", Errno::EIO).io(),
        },
    );
    all.prints(
        &format!(
            r#"Locked {{ path: "a[1]", owner: {:?} }}"#,
            Owner::example(7)
        ),
        DynError::Locked {
            path: path(),
            owner: Owner::example(7),
        },
    );
    all.prints(
        r#"WouldDeadlock { path: "a[1]" }"#,
        DynError::WouldDeadlock { path: path() },
    );
    all.prints(
        &format!("Unregistered({refusal})"),
        DynError::Unregistered(Box::new(refused())),
    );
    all.prints(
        r#"ParseValueError { at: 1, reason: "this is not a number" }"#,
        "[1x]".parse::<DynValue>().unwrap_err(),
    );
    all.prints(
        "TooLong { len: 9, capacity: 8 }",
        InvalidText::TooLong {
            len: 9,
            capacity: 8,
        },
    );
    all.prints("Nul { at: 3 }", InvalidText::Nul { at: 3 });
    all.prints("VecFull(..)", VecFull(Message));
    all.prints("Full(..)", InsertError::Full(Message));
    all.prints("OutOfBounds(..)", InsertError::OutOfBounds(Message));
    all.prints("TooManyPermits", sync::TooManyPermits);
    all.prints("TimedOut", sync::TimedOut);

    all.prints("OwnerDied(..)", sync::LockError::OwnerDied(()));
    let owner = sync::Owner::example(4711);
    let owned = "(Owner { pid: Some(4711), state: Alive })";
    all.prints(
        &format!("TimedOut{owned}"),
        sync::LockError::<()>::TimedOut(owner),
    );
    all.prints(
        &format!("WouldBlock{owned}"),
        sync::LockError::<()>::WouldBlock(owner),
    );
    all.prints("WouldDeadlock", sync::LockError::<()>::WouldDeadlock);
    all.prints(
        &format!("Unregistered({refusal})"),
        sync::LockError::<()>::Unregistered(Box::new(refused())),
    );

    all.prints("Contended", sync::ReadError::Contended);
    all.prints(
        &format!("Invalid({value})"),
        sync::ReadError::Invalid(invalid()),
    );
    all.prints(
        &format!("TimedOut{owned}"),
        sync::WriteError::TimedOut(owner),
    );
    all.prints(
        &format!("WouldBlock{owned}"),
        sync::WriteError::WouldBlock(owner),
    );
    all.prints("WouldDeadlock", sync::WriteError::WouldDeadlock);
    all.prints(
        &format!("Invalid({value})"),
        sync::WriteError::Invalid(invalid()),
    );
    all.prints(
        &format!("Unregistered({refusal})"),
        sync::WriteError::Unregistered(Box::new(refused())),
    );
    all.prints("Inherited", sync::WriteError::Inherited);

    all.prints("Full", sync::BarrierError::Full);
    all.prints("Died { seat: 2 }", sync::BarrierError::Died { seat: 2 });
    all.prints(
        &format!("TimedOut {{ seat: 2, owner: Some{owned} }}"),
        sync::BarrierError::TimedOut {
            seat: 2,
            owner: Some(owner),
        },
    );
    all.prints(
        "TimedOut { seat: 2, owner: None }",
        sync::BarrierError::TimedOut {
            seat: 2,
            owner: None,
        },
    );
    all.prints("NotOwner", sync::BarrierError::NotOwner);
    all.prints(
        &format!("Unregistered({refusal})"),
        sync::BarrierError::Unregistered(Box::new(refused())),
    );

    all.prints(&format!("Taken{owned}"), sync::ClaimError::Taken(owner));
    all.prints(
        &format!("Unregistered({refusal})"),
        sync::ClaimError::Unregistered(Box::new(refused())),
    );
    all.prints("SendError(..)", ring::SendError(Message));
    all.prints("Full(..)", ring::TrySendError::Full(Message));
    all.prints(
        "Disconnected(..)",
        ring::TrySendError::Disconnected(Message),
    );
    all.prints("Timeout(..)", ring::SendTimeoutError::Timeout(Message));
    all.prints(
        "Disconnected(..)",
        ring::SendTimeoutError::Disconnected(Message),
    );
    all.prints("RecvError", ring::RecvError);
    all.prints("Empty", ring::TryRecvError::Empty);
    all.prints("Disconnected", ring::TryRecvError::Disconnected);
    all.prints("Timeout", ring::RecvTimeoutError::Timeout);
    all.prints("Disconnected", ring::RecvTimeoutError::Disconnected);

    all.prints("SendError", broadcast::SendError);
    all.prints("Lagged(7)", broadcast::RecvError::Lagged(7));
    all.prints(
        &format!("Invalid({value})"),
        broadcast::RecvError::Invalid(invalid()),
    );
    all.prints("Disconnected", broadcast::RecvError::Disconnected);
    all.prints("Empty", broadcast::TryRecvError::Empty);
    all.prints("Lagged(7)", broadcast::TryRecvError::Lagged(7));
    all.prints(
        &format!("Invalid({value})"),
        broadcast::TryRecvError::Invalid(invalid()),
    );
    all.prints("Disconnected", broadcast::TryRecvError::Disconnected);
    all.prints("Timeout", broadcast::RecvTimeoutError::Timeout);
    all.prints("Lagged(7)", broadcast::RecvTimeoutError::Lagged(7));
    all.prints(
        &format!("Invalid({value})"),
        broadcast::RecvTimeoutError::Invalid(invalid()),
    );
    all.prints("Disconnected", broadcast::RecvTimeoutError::Disconnected);
    all
}

/// Collects the error types of the sources in a folder: by their module and what `impl .. Error for` is written for.
fn errors_in(folder: &Path, module: &str, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("sources exist") {
        let path = entry.expect("entry").path();
        let name = path.file_stem().expect("name").to_string_lossy();
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
fn debug_of_every_error_is_its_text_and_then_its_fields() {
    let Checked(mut checked) = all();
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
        assert!(checked.remove(&format!("shm_core::sync::broadcast::error::{name}")));
    }
    assert_eq!(checked, errors);
}
