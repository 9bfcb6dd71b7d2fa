//! A Dockerfile as stages of instructions.

/// One `FROM`, and what follows it.
#[derive(Debug, Default)]
pub(super) struct Stage {
    /// What it begins with: an image, or an earlier stage.
    pub(super) base: String,
    pub(super) name: String,
    steps: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    instruction: String,
    /// All that follows, on one line.
    rest: String,
}

impl Stage {
    /// What follows each instruction of this kind, in the order of the file.
    pub(super) fn all<'a>(&'a self, instruction: &'a str) -> impl Iterator<Item = &'a str> {
        self.steps
            .iter()
            .filter(move |step| step.instruction == instruction)
            .map(|step| step.rest.as_str())
    }

    /// What follows the last instruction of this kind, the one that counts.
    pub(super) fn last(&self, instruction: &str) -> Option<&str> {
        self.steps
            .iter()
            .rev()
            .find(|step| step.instruction == instruction)
            .map(|step| step.rest.as_str())
    }

    /// The program that it starts, from `ENTRYPOINT ["program"]`.
    pub(super) fn entry(&self) -> Option<String> {
        words(self.last("ENTRYPOINT")?).into_iter().next()
    }

    /// What its health check runs, from `HEALTHCHECK … CMD ["program", …]`.
    pub(super) fn health_check(&self) -> Vec<String> {
        let command = self.last("HEALTHCHECK").and_then(|rest| rest.split_once("CMD "));
        command.map(|(_, command)| words(command)).unwrap_or_default()
    }

    /// The files taken from the tree: every source of a `COPY` without `--from`.
    pub(super) fn sources(&self) -> Vec<&str> {
        let copies = self.all("COPY").filter(|rest| !rest.contains("--from="));
        copies
            .flat_map(|rest| {
                let mut paths: Vec<&str> = rest.split_whitespace().filter(|word| !word.starts_with("--")).collect();
                paths.pop();
                paths
            })
            .collect()
    }

    /// The programs taken from another stage: the last part of each source of a `COPY --from`.
    pub(super) fn programs(&self) -> Vec<&str> {
        let copies = self.all("COPY").filter(|rest| rest.contains("--from="));
        copies
            .filter_map(|rest| rest.split_whitespace().nth(1)?.rsplit('/').next())
            .collect()
    }
}

/// The words of a JSON array of plain strings, as `CMD` and `ENTRYPOINT` take it.
fn words(array: &str) -> Vec<String> {
    array.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The stages, in the order of the file.
pub(super) fn parse(text: &str) -> Vec<Stage> {
    let mut stages: Vec<Stage> = Vec::new();
    for line in logical_lines(text) {
        let (instruction, rest) = line.split_once(char::is_whitespace).unwrap_or((&line, ""));
        let rest = rest.trim().to_owned();
        if instruction == "FROM" {
            stages.push(begun(&rest));
        } else if let Some(stage) = stages.last_mut() {
            stage.steps.push(Step {
                instruction: instruction.to_owned(),
                rest,
            });
        }
    }
    stages
}

fn begun(rest: &str) -> Stage {
    let (base, name) = rest.split_once(" AS ").unwrap_or((rest, ""));
    Stage {
        base: base.trim().to_owned(),
        name: name.trim().to_owned(),
        steps: Vec::new(),
    }
}

/// Lines without comments, joined where a backslash says so.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open = String::new();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        match line.strip_suffix('\\') {
            Some(part) => open.push_str(part),
            None => lines.push(std::mem::take(&mut open) + line),
        }
    }
    lines.retain(|line| !line.is_empty());
    lines
}

#[test]
fn a_dockerfile_falls_into_stages() {
    let stages = parse(
        "# syntax\nFROM rust:1 AS build\nCOPY a b ./\n# aside\nRUN x \\\n    && y\n\nFROM slim AS run\n\
         COPY --from=build /out/tool /bin/tool\nHEALTHCHECK --retries=3 \\\n    CMD [\"tool\", \"ask\"]\nENTRYPOINT [\"tool\"]\n",
    );
    let [build, run] = stages.as_slice() else {
        panic!("{stages:?}")
    };
    assert_eq!((build.name.as_str(), build.base.as_str()), ("build", "rust:1"));
    assert_eq!(build.sources(), ["a", "b"]);
    assert_eq!(build.last("RUN"), Some("x && y"));
    assert_eq!(run.programs(), ["tool"]);
    assert_eq!(run.health_check(), ["tool", "ask"]);
    assert_eq!(run.entry().as_deref(), Some("tool"));
    assert!(run.sources().is_empty() && build.programs().is_empty());
}
