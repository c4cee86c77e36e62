//! Programs that run scripts, and how each is told to.

use std::path::Path;

/// A program that runs scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Interpreter {
    pub(super) name: &'static str,
    /// What makes it stop at the first command that fails.
    strict: &'static [&'static str],
    /// The option before a script that is given as text.
    inline: &'static str,
    /// Whether the argument after the script's text is its `$0`.
    named: bool,
}

const fn posix(name: &'static str, strict: &'static [&'static str]) -> Interpreter {
    Interpreter {
        name,
        strict,
        inline: "-c",
        named: true,
    }
}

const fn language(name: &'static str, inline: &'static str) -> Interpreter {
    Interpreter {
        name,
        strict: &[],
        inline,
        named: false,
    }
}

const PIPEFAIL: &[&str] = &["-e", "-o", "pipefail"];

/// The known ones, by name.
pub(super) const INTERPRETERS: &[Interpreter] = &[
    posix("sh", &["-e"]),
    posix("dash", &["-e"]),
    posix("ash", &["-e"]),
    posix("bash", PIPEFAIL),
    posix("zsh", PIPEFAIL),
    posix("ksh", PIPEFAIL),
    language("python3", "-c"),
    language("python", "-c"),
    language("perl", "-e"),
    language("ruby", "-e"),
    language("node", "-e"),
];

/// Linux takes no argument longer than 128 KiB; a longer script needs a file.
const LONGEST_ARGUMENT: usize = 128 * 1024 - 1;

/// How a script is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Launcher {
    /// A name to look up in `PATH`, or a path.
    pub(super) program: String,
    pub(super) interpreter: Option<Interpreter>,
    /// Arguments of its own, from a `#!` line.
    arguments: Vec<String>,
}

/// The arguments of a script, and the text that has to be in a file first, if any.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arguments {
    Inline(Vec<String>),
    /// The script's path comes behind these.
    File(Vec<String>),
}

impl Launcher {
    /// `/bin/sh`.
    pub(super) fn sh() -> Self {
        Self::of("sh", Vec::new())
    }

    /// The one that `shell:` names; `None` when it isn't known.
    pub(super) fn named(program: &str) -> Option<Self> {
        let launcher = Self::of(program, Vec::new());
        launcher.interpreter.is_some().then_some(launcher)
    }

    /// The one that a script's `#!` line asks for.
    pub(super) fn of_shebang(text: &str) -> Option<Self> {
        let line = text.strip_prefix("#!")?.lines().next()?;
        let mut words = line.split_whitespace();
        let mut program = words.next()?;
        if base_name(program) == "env" {
            program = words.find(|word| *word != "-S")?;
        }
        Some(Self::of(program, words.map(str::to_owned).collect()))
    }

    fn of(program: &str, arguments: Vec<String>) -> Self {
        let name = base_name(program);
        let interpreter = INTERPRETERS.iter().copied().find(|i| i.name == name);
        // A path saves the search, and it is the same on every system.
        let program = if program == "sh" { "/bin/sh" } else { program };
        Self {
            program: program.to_owned(),
            interpreter,
            arguments,
        }
    }

    /// Whether it speaks a shell's language and gives its exit codes their meaning.
    pub(super) fn is_shell(&self) -> bool {
        self.interpreter
            .is_some_and(|interpreter| interpreter.named)
    }

    /// How to run a script's text. `name` is what the script sees as its own name; `from_file`
    /// says that the text is a file's, which only shells can't tell from a text of their own.
    pub(super) fn arguments(&self, text: &str, name: &str, from_file: bool) -> Arguments {
        let mut arguments = self.arguments.clone();
        let Some(interpreter) = self.interpreter else {
            return Arguments::File(arguments);
        };
        arguments.extend(interpreter.strict.iter().map(|&flag| flag.to_owned()));
        if text.len() > LONGEST_ARGUMENT || (from_file && !interpreter.named) {
            return Arguments::File(arguments);
        }
        arguments.push(interpreter.inline.to_owned());
        arguments.push(text.to_owned());
        if interpreter.named {
            arguments.push(name.to_owned());
        }
        Arguments::Inline(arguments)
    }
}

fn base_name(program: &str) -> &str {
    Path::new(program)
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shebang_names_the_program_and_its_arguments() {
        for (text, expected) in [
            ("#!/bin/bash\n", Some(("/bin/bash", "bash", ""))),
            ("#!/bin/sh -u\nx", Some(("/bin/sh", "sh", "-u"))),
            ("#! /usr/bin/env python3", Some(("python3", "python3", ""))),
            ("#!/usr/bin/env -S awk -f\n", Some(("awk", "", "-f"))),
            ("echo", None),
            ("#!", None),
            ("#!/usr/bin/env", None),
        ] {
            let found = Launcher::of_shebang(text);
            let found = found.as_ref().map(|launcher| {
                let name = launcher.interpreter.map_or("", |i| i.name);
                (
                    launcher.program.as_str(),
                    name,
                    launcher.arguments.join(" "),
                )
            });
            let found = found.as_ref().map(|(p, n, a)| (*p, *n, a.as_str()));
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn a_script_is_an_argument_unless_it_is_too_long() {
        let bash = Launcher::named("bash").unwrap();
        let Arguments::Inline(arguments) = bash.arguments("ls", "x.sh", true) else {
            panic!("a short script needs no file");
        };
        assert_eq!(arguments, ["-e", "-o", "pipefail", "-c", "ls", "x.sh"]);
        let long = "#".repeat(LONGEST_ARGUMENT + 1);
        assert!(matches!(
            bash.arguments(&long, "x", false),
            Arguments::File(_)
        ));
        let python = Launcher::named("python3").unwrap();
        assert!(matches!(
            python.arguments("1", "x.py", true),
            Arguments::File(_)
        ));
        assert_eq!(Launcher::named("fish"), None);
    }
}
