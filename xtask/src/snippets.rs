//! The Kotlin and the Java that documents show, as sources that are compiled and run.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::run::Workspace;

/// Writes them: each snippet is a function of what the tests bring along under these names.
pub(crate) fn write(workspace: &Workspace, out: &Path) -> Result<()> {
    for source in [&KOTLIN, &JAVA, &ANDROID] {
        let mut text = source.head.to_owned();
        let mut number = 0;
        for document in source.documents {
            let shown = fs::read_to_string(workspace.root.join(document)).context(*document)?;
            for (line, code) in snippets(&shown, source.language) {
                let function = source.function.replace('#', &number.to_string());
                write!(
                    text,
                    "\n    // {document}, line {line}\n    {function} {{\n{code}    }}\n"
                )?;
                number += 1;
            }
        }
        ensure!(number > 0, "{:?} show no {}", source.documents, source.language);
        text += "}\n";
        let file = out.join(source.file);
        fs::create_dir_all(file.parent().context("a file is in a folder")?)?;
        fs::write(file, text)?;
    }
    Ok(())
}

struct Source {
    documents: &'static [&'static str],
    /// As a fence names it.
    language: &'static str,
    file: &'static str,
    head: &'static str,
    function: &'static str,
}

const KOTLIN: Source = Source {
    documents: &["README.md", "bindings-kotlin/README.md"],
    language: "kotlin",
    file: "kotlin/io/keyfold/readme/KotlinSnippets.kt",
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

const JAVA: Source = Source {
    documents: &["bindings-kotlin/README.md"],
    language: "java",
    file: "java/io/keyfold/readme/JavaSnippets.java",
    head: "package io.keyfold.readme;

import io.keyfold.*;
import io.keyfold.http.*;
import io.keyfold.kms.*;
import java.util.*;
import java.util.concurrent.*;

class JavaSnippets extends World {
",
    function: "void snippet#() throws Exception",
};

const ANDROID: Source = Source {
    documents: &["bindings-kotlin/android/README.md"],
    language: "kotlin",
    file: "android/io/keyfold/android/AndroidSnippets.kt",
    head: "package io.keyfold.android

import android.content.Context
import io.keyfold.*

@Suppress(\"UNUSED_VARIABLE\")
internal class AndroidSnippets(private val context: Context) {
",
    function: "suspend fun snippet#()",
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
