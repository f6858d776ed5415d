//! Puts many changes of a file into one text, each of which is made if its number is asked for.

use std::ops::Range;

/// One change of a file.
#[derive(Debug, Clone)]
pub(super) struct Change {
    /// For example `claim/wait: replace < with <= in SlicedWait::step_at`.
    pub(super) name: String,
    pub(super) file: String,
    /// What the change replaces, and by what, if it is made alone.
    pub(super) place: Range<usize>,
    pub(super) replacement: String,
    pub(super) way: Way,
}

/// How a change is made.
#[derive(Debug, Clone)]
pub(super) enum Way {
    /// Together with others.
    Woven(Woven),
    /// By a build of its own.
    Alone,
    /// Not at all, as the compiler refuses it.
    Refused,
}

/// What to put around a part of the text.
#[derive(Debug, Clone)]
pub(super) struct Woven {
    pub(super) around: Range<usize>,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The function returns the replacement before its body.
    Return,
    /// The expression around is evaluated with the replacement.
    Expression,
    /// The guard is true, or false.
    Guard(bool),
    /// The guard is false, or the arm gets one that is.
    Arm,
    /// The statement is left out.
    Statement,
}

impl Change {
    /// The text with this change alone.
    pub(super) fn apply(&self, text: &str) -> String {
        let mut changed = text.to_owned();
        changed.replace_range(self.place.clone(), &self.replacement);
        changed
    }

    /// What comes before and after the part of the text.
    fn parts(&self, woven: &Woven, number: usize, text: &str) -> (String, &'static str) {
        let is = format!("crate::mutant::is({number})");
        let around = &woven.around;
        match woven.kind {
            Kind::Return => (format!("if {is} {{ return {}; }} ", self.replacement), ""),
            Kind::Expression => {
                let changed = [
                    &text[around.start..self.place.start],
                    &self.replacement,
                    &text[self.place.end..around.end],
                ]
                .concat();
                (format!("(if {is} {{ {changed} }} else {{ "), " })")
            }
            Kind::Guard(true) => (format!("{is} || ("), ")"),
            Kind::Arm if around.is_empty() => (format!(" if !{is}"), ""),
            Kind::Guard(false) | Kind::Arm => (format!("!{is} && ("), ")"),
            Kind::Statement => (format!("if !{is} {{ "), " }"),
        }
    }
}

/// A text with changes.
pub(super) struct Fabric {
    pub(super) text: String,
    /// Where the changes are in the text, by their numbers: what only this change needs, and all that it surrounds.
    regions: Vec<(usize, Range<usize>, Range<usize>)>,
}

impl Fabric {
    /// Weaves the changes, which are given with their numbers, into the text.
    pub(super) fn weave(text: &str, changes: &[(usize, &Change)]) -> Self {
        let mut changes: Vec<(usize, &Change, &Woven)> = changes
            .iter()
            .filter_map(|(number, change)| match &change.way {
                Way::Woven(woven) => Some((*number, *change, woven)),
                Way::Alone | Way::Refused => None,
            })
            .collect();
        // What surrounds others comes first.
        changes.sort_by_key(|(_, _, woven)| {
            let around = &woven.around;
            (
                around.start,
                usize::MAX - around.end,
                woven.kind != Kind::Return,
            )
        });
        let mut fabric = Self {
            text: String::new(),
            regions: Vec::new(),
        };
        // Those that are open: where they end, what comes there, and their place among the regions.
        let mut open: Vec<(usize, &str, usize)> = Vec::new();
        let mut at = 0;
        for (number, change, woven) in changes {
            fabric.close(&mut open, woven.around.start, text, &mut at);
            fabric.text += &text[at..woven.around.start];
            at = woven.around.start;
            let (before, after) = change.parts(woven, number, text);
            let start = fabric.text.len();
            fabric.text += &before;
            open.push((woven.around.end, after, fabric.regions.len()));
            let own = start..fabric.text.len();
            fabric.regions.push((number, own.clone(), own));
        }
        fabric.close(&mut open, text.len(), text, &mut at);
        fabric.text += &text[at..];
        fabric
    }

    /// Ends those that end before `place`, or there.
    fn close(
        &mut self,
        open: &mut Vec<(usize, &str, usize)>,
        place: usize,
        text: &str,
        at: &mut usize,
    ) {
        while let Some((end, after, region)) = open.pop_if(|(end, ..)| *end <= place) {
            self.text += &text[*at..end];
            *at = end;
            self.text += after;
            self.regions[region].2.end = self.text.len();
        }
    }

    /// The innermost change around a place: one whose own text it is in if `own`, or one that only surrounds it.
    pub(super) fn change_at(&self, place: &Range<usize>, own: bool) -> Option<usize> {
        let contains = |range: &Range<usize>| range.start <= place.start && place.end <= range.end;
        self.regions
            .iter()
            .map(|(number, only, all)| (number, if own { only } else { all }))
            .filter(|(_, range)| contains(range))
            .min_by_key(|(_, range)| range.len())
            .map(|(number, _)| *number)
    }
}
