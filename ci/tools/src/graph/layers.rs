//! The file that lists the layers.

/// Modules in their order, highest first, and what deviates from it.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    order: Vec<Layer>,
    exceptions: Vec<Exception>,
}

#[derive(Debug)]
struct Layer {
    module: String,
    /// If present, the module may use these only, instead of everything below it.
    only: Option<Vec<String>>,
}

#[derive(Debug)]
pub(super) struct Exception {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) line: usize,
}

impl Layers {
    /// Parses the file. Each line is one of
    ///
    /// ```text
    /// module                          a layer, below those of the lines before it
    /// module: other another           the same; it may use these modules only
    /// allow from -> to: the reason    an arrow that may point up
    /// ```
    ///
    /// `#` begins a comment.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut layers = Self::default();
        for (line, content) in text.lines().enumerate() {
            let line = line + 1;
            let content = content.split('#').next().unwrap_or_default().trim();
            if content.is_empty() {
                continue;
            }
            if let Some(exception) = content.strip_prefix("allow ") {
                let parsed = exception.split_once(':').and_then(|(arrow, reason)| {
                    let (from, to) = arrow.split_once("->")?;
                    let (from, to) = (from.trim(), to.trim());
                    (is_name(from) && is_name(to) && !reason.trim().is_empty()).then(|| Exception {
                        from: from.to_owned(),
                        to: to.to_owned(),
                        line,
                    })
                });
                let parsed =
                    parsed.ok_or(format!("{line}: write `allow from -> to: the reason`"))?;
                layers.exceptions.push(parsed);
            } else {
                let (module, only) = match content.split_once(':') {
                    Some((module, only)) => (module.trim(), Some(only)),
                    None => (content, None),
                };
                let only: Option<Vec<String>> =
                    only.map(|only| only.split_whitespace().map(str::to_owned).collect());
                let names_are_good =
                    is_name(module) && only.iter().flatten().all(|name| is_name(name));
                if !names_are_good {
                    return Err(format!("{line}: write one module a line"));
                }
                if layers.rank(module).is_some() {
                    return Err(format!("{line}: `{module}` is listed twice"));
                }
                layers.order.push(Layer {
                    module: module.to_owned(),
                    only,
                });
            }
        }
        Ok(layers)
    }

    /// The position of a module from the top, if it is listed.
    pub(super) fn rank(&self, module: &str) -> Option<usize> {
        self.order.iter().position(|layer| layer.module == module)
    }

    pub(super) fn modules(&self) -> impl Iterator<Item = &str> {
        self.order.iter().map(|layer| layer.module.as_str())
    }

    /// The only modules that a module may use, if its line lists any.
    pub(super) fn only(&self, module: &str) -> Option<&[String]> {
        let layer = &self.order[self.rank(module)?];
        layer.only.as_deref()
    }

    pub(super) fn exceptions(&self) -> &[Exception] {
        &self.exceptions
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
