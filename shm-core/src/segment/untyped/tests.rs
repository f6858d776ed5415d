//! The limits of what is read, and waiting for a name.

use std::time::Duration;

use super::*;
use crate::layout::FieldLayout;
use crate::segment::{ShmOptions, create};
use crate::shm_layout::ShmLayout;
use crate::sys::shm;
use crate::sys::test_support::TestName;

fn settings() -> Settings {
    ShmOptions::<u64>::new().settings
}

/// A struct whose schema has a multiple of 8 bytes, as records have.
fn counters() -> &'static TypeLayout {
    static FIELDS: &[FieldLayout] = &[FieldLayout::at("beat", 0, u64::LAYOUT)];
    static LAYOUT: TypeLayout = TypeLayout::structure("Counters", 0, 8, 8, FIELDS);
    assert_eq!(LAYOUT.schema_len() % 8, 0);
    &LAYOUT
}

#[test]
fn joined_bytes_are_split_up_to_the_longest() {
    let schema = schema::encode(counters());
    let joined = |len: usize| {
        let level = Recorded {
            body: vec![0; len - schema.len() - 16],
            fingerprint: 1,
        };
        let bytes = SchemaBytes {
            schema: schema.clone(),
            levels: vec![level],
            order: ByteOrder::Native,
        };
        bytes.join()
    };
    let longest = LONGEST_SCHEMA as usize;
    for (len, fits) in [(longest - 8, true), (longest, true), (longest + 8, false)] {
        let bytes = joined(len);
        assert_eq!(bytes.len(), len);
        assert_eq!(SchemaBytes::split(&bytes).is_some(), fits, "{len}");
    }
}

#[test]
fn a_schema_and_its_records_are_read_up_to_the_longest() {
    const LEN: u64 = 4 << 20;
    const PAYLOAD: u64 = 2 << 20;
    let shm = create::anonymous(&settings(), counters(), 0).unwrap();
    let mut start = [0; HEADER_LEN];
    file::read_at(shm.file(), &mut start, 0).unwrap();
    let mut header = header::parse(&start, shm.mapped_len() as u64).unwrap();
    header.frozen.total_len = LEN;
    header.frozen.payload_offset = PAYLOAD;
    let schema_offset = header.frozen.schema_offset;
    // The schema, and the record of one level, if there is one.
    let mut read = |schema: u64, record: u64, len: u64| {
        let file = shm::open_unnamed().unwrap();
        file::set_len(&file, len).unwrap();
        header.frozen.schema_len = schema;
        header.mutable.levels = u32::from(record > 0);
        if record > 0 {
            let len = (record - 16) as u32;
            file::write_at(&file, &len.to_ne_bytes(), LEN - 16).unwrap();
        }
        with_schema(&file, header, ByteOrder::Native)
    };
    let schema = counters().schema_len() as u64;
    let longest = LONGEST_SCHEMA - schema;
    let described = read(schema, longest, LEN).unwrap();
    assert_eq!(described.schema.levels[0].body.len() as u64, longest - 16);
    assert_eq!(described.capacity(), LEN - longest - PAYLOAD);
    for record in [longest + 8, longest + 16] {
        let refused = read(schema, record, LEN).unwrap_err().to_string();
        assert!(refused.contains("the records of its levels"), "{refused}");
    }
    assert!(read(LONGEST_SCHEMA, 0, LEN).is_ok());
    let refused = read(LONGEST_SCHEMA + 1, 0, LEN).unwrap_err().to_string();
    assert!(
        refused.contains("its schema has 1048577 bytes"),
        "{refused}"
    );
    assert!(read(schema, 0, schema_offset + schema).is_ok());
    let refused = read(schema, 0, schema_offset + schema - 1)
        .unwrap_err()
        .to_string();
    assert!(refused.contains("ends inside its schema"), "{refused}");
}

#[test]
fn attaching_without_the_type_waits_for_the_name() {
    let name = TestName::new("untyped-wait");
    let waiting = |wait| Untyped {
        settings: ShmOptions::<u64>::new().wait(wait).settings,
        len: None,
    };
    let attach = |untyped: &Untyped| untyped.attach(name.as_str(), false, &|_| Ok(u64::LAYOUT));
    let missing = attach(&waiting(Duration::ZERO));
    assert!(matches!(missing, Err(ShmError::NotFound { .. })));
    let untyped = waiting(Duration::MAX);
    // The name does not exist when the other thread looks first, in most of the rounds.
    for _ in 0..50 {
        std::thread::scope(|scope| {
            let (ready, is_ready) = std::sync::mpsc::channel();
            let (attach, untyped) = (&attach, &untyped);
            let waiting = scope.spawn(move || {
                ready.send(()).unwrap();
                attach(untyped)
            });
            is_ready.recv().unwrap();
            let owner = ShmOptions::<u64>::new().create(name.as_str()).unwrap();
            let attached = waiting.join().unwrap().unwrap();
            drop((attached, owner));
        });
    }
}
