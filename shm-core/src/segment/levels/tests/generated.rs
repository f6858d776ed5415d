//! Levels of generated structs, and damaged records.

use proptest::prelude::*;

use super::*;

/// The lengths of their nodes in a schema.
const NODES: [u64; 6] = [12, 12, 12, 12, 28, 28];

/// Numbers that a hostile record may hold where a length or a fingerprint belongs.
fn hostile_word() -> impl Strategy<Value = u32> {
    prop_oneof![
        Just(0),
        Just(u32::MAX),
        Just(1 << 31),
        Just(15),
        Just(16),
        Just(4096),
        0_u32..6000,
        any::<u32>(),
    ]
}

/// A version of a struct: the first fields of the trunk, and then others.
#[derive(Clone, Debug)]
struct Version {
    fields: Vec<Field>,
    room: Option<usize>,
}

fn some_fields(longest: usize) -> impl Strategy<Value = Vec<(usize, bool)>> {
    prop::collection::vec((0..KINDS.len(), any::<bool>()), 1..=longest)
}

/// Names the fields, and puts each into the level of the one before it or into the next.
fn continued(before: &[Field], prefix: &str, fields: &[(usize, bool)]) -> Vec<Field> {
    let mut all = before.to_vec();
    for (kind, next) in fields {
        let since = all.last().map_or(0, |last| last.since + u32::from(*next));
        let name = format!("{prefix}{}", all.len());
        all.push(field(&name, *kind, since));
    }
    all
}

fn versions() -> impl Strategy<Value = Vec<Version>> {
    let trunk = some_fields(8);
    let room = prop_oneof![Just(None), (0_usize..3000).prop_map(Some)];
    let version = (0_usize..=8, some_fields(3), 0_u8..4, room);
    (trunk, prop::collection::vec(version, 2..7)).prop_map(|(trunk, versions)| {
        let trunk = continued(&[], "t", &trunk);
        let versions = versions.into_iter().map(|(len, own, forks, room)| {
            // Whole levels, of which there is at least the first.
            let mut len = len.clamp(1, trunk.len());
            while len < trunk.len() && trunk[len].since == trunk[len - 1].since {
                len += 1;
            }
            let fields = match forks {
                0 => continued(&trunk[..len], "own", &own),
                _ => trunk[..len].to_vec(),
            };
            Version { fields, room }
        });
        versions.collect()
    })
}

/// The levels of a version, each as its fields.
fn levels_of(version: &Version) -> Vec<Vec<Field>> {
    let last = version.fields.last().map_or(0, |field| field.since);
    let up_to = |level| {
        let fields = version.fields.iter().filter(|field| field.since <= level);
        fields.cloned().collect()
    };
    (0..=last).map(up_to).collect()
}

/// The bytes that the fields of a version take, and the records of all levels that it or the segment has.
fn needed(version: &Version, levels: &[Vec<Field>]) -> u64 {
    let mut end = 0_u64;
    let mut align = 1;
    for field in &version.fields {
        let kind = KINDS[field.kind];
        align = align.max(kind.align() as u64);
        end = end.next_multiple_of(kind.align() as u64) + kind.size() as u64;
    }
    let records = levels.windows(2).map(|pair| {
        let new = &pair[1][pair[0].len()..];
        let fields: u64 = new
            .iter()
            .map(|field| 2 + field.name.len() as u64 + 8 + NODES[field.kind])
            .sum();
        (16 + fields).next_multiple_of(8) + 16
    });
    end.next_multiple_of(align) + records.sum::<u64>()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn versions_attach_exactly_if_one_is_a_prefix_and_it_fits(
        versions in versions(),
        order in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 1..8),
    ) {
        let layouts: Vec<_> = versions
            .iter()
            .map(|version| layout(&version.fields, version.room))
            .collect();
        let shm = create(layouts[0]);
        let capacity = (shm.mapped_len() - shm.payload_offset()) as u64;
        let mut recorded = levels_of(&versions[0]);
        for (which, writable) in order {
            let which = which.index(versions.len());
            let own = levels_of(&versions[which]);
            let shared = own.len().min(recorded.len());
            let first_difference = (0..shared).find(|level| own[*level] != recorded[*level]);
            let longest = if own.len() > recorded.len() { &own } else { &recorded };
            let needed = needed(&versions[which], longest);
            let before = bytes_of(&shm);
            match (attach_as(file_of(&shm), layouts[which], writable), first_difference) {
                (Ok(handle), None) => {
                    prop_assert!(needed <= capacity, "{} of {}", needed, capacity);
                    if writable && own.len() > recorded.len() {
                        recorded = own;
                    } else {
                        prop_assert_eq!(&bytes_of(&shm), &before);
                    }
                    prop_assert_eq!(handle.level(layouts[which]).unwrap() as usize, recorded.len() - 1);
                }
                (Err(error), difference) => {
                    let expected = match difference {
                        Some(0) => Mismatch::Type,
                        Some(level) => Mismatch::Level { level: level as u32 },
                        None => {
                            prop_assert!(needed > capacity, "{error}");
                            Mismatch::Room { lacking: needed - capacity }
                        }
                    };
                    prop_assert_eq!(mismatch(error), expected);
                    prop_assert_eq!(&bytes_of(&shm), &before);
                }
                (Ok(_), Some(level)) => {
                    prop_assert!(false, "level {} differs", level);
                }
            }
        }
    }

    #[test]
    fn damaged_records_are_errors_or_harmless(
        changes in prop::collection::vec((0_u64..40, hostile_word()), 1..5),
        count in prop_oneof![0_u32..6, any::<u32>()],
        writable in any::<bool>(),
    ) {
        let shm = create(layout(&trunk(), None));
        let payload = shm.payload_offset()..shm.payload_offset() + layout(&trunk(), None).size();
        let before = bytes_of(&shm);
        let end = before.len() as u64;
        for (word, value) in changes {
            file::write_at(shm.file(), &value.to_ne_bytes(), end - 4 - 4 * word).unwrap();
        }
        file::write_at(shm.file(), &count.to_ne_bytes(), LEVELS_OFFSET as u64).unwrap();
        for len in [1, 2, 4, 5] {
            // Either is right, as long as it ends and nothing but records is written.
            let _ = attach_as(file_of(&shm), layout(&trunk()[..len], None), writable);
            let _ = shm.level(layout(&trunk()[..len], None));
        }
        let after = bytes_of(&shm);
        prop_assert_eq!(&after[payload.clone()], &before[payload]);
        prop_assert_eq!(&after[..LEVELS_OFFSET], &before[..LEVELS_OFFSET]);
    }
}
