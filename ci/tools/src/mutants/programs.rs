//! The test programs, and which of them may notice a change.

use super::SOURCES;
use super::suite::Program;
use crate::orderings::models_of;

/// The test programs.
pub(super) struct Programs {
    pub(super) unit: Program,
    /// Only if a protocol is changed.
    pub(super) models: Option<Program>,
    pub(super) access: Program,
    pub(super) segment: Program,
    pub(super) system: Program,
    pub(super) claims: Program,
    pub(super) sync: Program,
    pub(super) dynamic: Program,
    pub(super) hostile: Program,
}

/// Tests to run: those of the program whose names begin with one of these, or with none of them.
pub(super) struct Stage<'a>(pub(super) &'a Program, bool, Vec<String>);

impl Programs {
    /// What may notice a change in this file, the quickest first.
    pub(super) fn stages(&self, file: &str) -> Vec<Stage<'_>> {
        let file = file.strip_prefix(SOURCES).unwrap_or(file);
        if let Some(protocol) = file.strip_prefix("protocol/") {
            let protocol = protocol.trim_end_matches(".rs");
            let (own, tests) = (models_of(protocol), vec![format!("{protocol}::")]);
            let models = |is_own| {
                let models = self.models.as_ref()?;
                Some(Stage(models, is_own, own.clone()))
            };
            let stages = [
                Some(all(&self.unit)),
                models(true),
                Some(Stage(&self.sync, true, tests.clone())),
                Some(all(&self.claims)),
                Some(Stage(&self.sync, false, tests)),
                models(false),
            ];
            stages.into_iter().flatten().collect()
        } else if file.starts_with("claim/") {
            let programs = [
                &self.unit,
                &self.claims,
                &self.sync,
                &self.system,
                &self.segment,
            ];
            programs.map(all).into()
        } else {
            self.others().map(all).into()
        }
    }

    /// All but the models.
    fn others(&self) -> [&Program; 8] {
        [
            &self.unit,
            &self.access,
            &self.segment,
            &self.system,
            &self.claims,
            &self.sync,
            &self.dynamic,
            &self.hostile,
        ]
    }

    pub(super) fn all(&self) -> Vec<&Program> {
        self.models.iter().chain(self.others()).collect()
    }
}

/// All tests of the program.
pub(super) fn all(program: &Program) -> Stage<'_> {
    Stage(program, false, Vec::new())
}

impl Stage<'_> {
    pub(super) fn selects(&self, test: &str) -> bool {
        self.2.iter().any(|start| test.starts_with(start)) == self.1
    }
}
