//! The Kotlin and the Java that documents show, as sources that are compiled and run.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::run::Workspace;

const DOCUMENTS: [&str; 2] = ["README.md", "bindings-kotlin/README.md"];

/// Writes them: each snippet is a function of what the tests bring along under these names.
pub(crate) fn write(workspace: &Workspace, out: &Path) -> Result<()> {
    for language in [&KOTLIN, &JAVA] {
        let mut source = language.head.to_owned();
        let mut number = 0;
        for document in DOCUMENTS {
            let text = fs::read_to_string(workspace.root.join(document)).context(document)?;
            for (line, code) in snippets(&text, language.name) {
                let function = language.function.replace('#', &number.to_string());
                write!(
                    source,
                    "\n    // {document}, line {line}\n    {function} {{\n{code}    }}\n"
                )?;
                number += 1;
            }
        }
        ensure!(number > 0, "the documents show no {}", language.name);
        source += "}\n";
        let folder = out.join(language.name).join("io/keyfold/readme");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(language.file), source)?;
    }
    Ok(())
}

struct Language {
    /// As a fence names it, and the folder.
    name: &'static str,
    file: &'static str,
    head: &'static str,
    function: &'static str,
}

const KOTLIN: Language = Language {
    name: "kotlin",
    file: "KotlinSnippets.kt",
    head: "package io.keyfold.readme

import io.keyfold.*
import io.keyfold.http.*
import io.keyfold.kms.*
import io.keyfold.okhttp.*
import java.io.FileOutputStream
import java.nio.ByteBuffer
import java.nio.file.Path
import java.util.concurrent.atomic.AtomicInteger

@Suppress(\"UNUSED_VARIABLE\")
internal class KotlinSnippets : World() {
",
    function: "suspend fun snippet#()",
};

const JAVA: Language = Language {
    name: "java",
    file: "JavaSnippets.java",
    head: "package io.keyfold.readme;

import io.keyfold.*;
import io.keyfold.kms.*;
import java.util.*;
import java.util.concurrent.*;

class JavaSnippets extends World {
",
    function: "void snippet#() throws Exception",
};

/// The snippets in a language, with the line that each begins in.
fn snippets(text: &str, language: &str) -> Vec<(usize, String)> {
    let fence = format!("```{language}");
    let mut snippets = Vec::new();
    let mut open = false;
    for (number, line) in text.lines().enumerate() {
        if line == fence {
            snippets.push((number + 2, String::new()));
            open = true;
        } else if line.starts_with("```") {
            open = false;
        } else if open && let Some((_, code)) = snippets.last_mut() {
            code.push_str(line);
            code.push('\n');
        }
    }
    snippets
}

#[cfg(test)]
mod tests {
    use super::snippets;

    #[test]
    fn only_the_language_counts() {
        let text = "a\n```java\none\n```\n```kotlin\ntwo\n\nthree\n```\nb\n```kotlin\nfour\n```\n";
        let expected = [(6, "two\n\nthree\n".to_owned()), (12, "four\n".to_owned())];
        assert_eq!(snippets(text, "kotlin"), expected);
        assert_eq!(snippets(text, "java"), [(3, "one\n".to_owned())]);
    }
}
