//! `cargo xtask npm`: the package that goes to npm, in target/npm.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::install::{self, toolchain::Toolchain};
use crate::run::{Workspace, capture, run};

const FOLDER: &str = "bindings-wasm";
const TARGET: &str = "wasm32-unknown-unknown";

/// The modules, each with the features of the crate that it has.
const MODULES: [&str; 3] = ["client", "extra", "cloud"];

/// Smaller code in the place of faster code: what takes time is the host's work. A panic is a trap,
/// which the package turns into an error; nobody sees its text.
const RUSTFLAGS: &str = "-Zunstable-options -Cpanic=immediate-abort -Zlocation-detail=none \
                         -Zfmt-debug=none --cfg sha2_backend_soft=\"compact\"";

/// What wasm-opt may use: WebAssembly as all browsers of the last years have it.
const WASM_FEATURES: [&str; 8] = [
    "--enable-bulk-memory",
    "--enable-bulk-memory-opt",
    "--enable-call-indirect-overlong",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];

/// What wasm-opt does: flat code is put in order anew, and then optimised for size twice. Nothing
/// lies below address 1024 but the last of the stack. What it calls imports and exports is printed,
/// for `build.mjs` to call them so too.
const WASM_PASSES: [&str; 6] = [
    "--flatten",
    "--rereloop",
    "-Oz",
    "-Oz",
    "--low-memory-unused",
    "--minify-imports-and-exports-and-modules",
];

/// Builds the package, once in a run of several steps.
pub(crate) fn npm(workspace: &Workspace) -> Result<Package> {
    static BUILT: OnceLock<Package> = OnceLock::new();
    if let Some(package) = BUILT.get() {
        return Ok(package.clone());
    }
    let package = build(workspace)?;
    Ok(BUILT.get_or_init(|| package).clone())
}

fn build(workspace: &Workspace) -> Result<Package> {
    let tools = Tools::install(workspace)?;
    let out = workspace.target.join("npm");
    let (made, package) = (out.join("build"), out.join("package"));
    fs::create_dir_all(&made)?;
    if package.exists() {
        fs::remove_dir_all(&package)?;
    }
    fs::create_dir_all(&package)?;
    for module in MODULES {
        tools.module(workspace, module, &made)?;
    }
    let version = version(workspace)?;
    tools.types(workspace, &made, &package)?;
    run(Command::new("node")
        .arg("build.mjs")
        .args([&tools.node, &made, &package])
        .arg(&version)
        .current_dir(workspace.root.join(FOLDER)))?;
    let manifest = fs::read_to_string(workspace.root.join(FOLDER).join("package.json"))?;
    let named: Value = serde_json::from_str(&manifest).context("package.json")?;
    ensure!(named["version"] == version.as_str(), "package.json is of another version");
    for file in ["package.json", "README.md", "LICENSE-APACHE", "LICENSE-MIT"] {
        fs::copy(workspace.root.join(FOLDER).join(file), package.join(file))
            .with_context(|| format!("{FOLDER}/{file}"))?;
    }
    run(install::npm(&package).arg("pack").arg("--pack-destination").arg(&out))?;
    let packed = out.join(format!("keyfold-{version}.tgz"));
    let package = Package { packed, tools: tools.node };
    package.sizes(workspace, &out)?;
    Ok(package)
}

/// What was built.
#[derive(Clone)]
pub(crate) struct Package {
    /// The file that goes to npm.
    pub(crate) packed: PathBuf,
    /// The folder of the build tools, TypeScript among them.
    pub(crate) tools: PathBuf,
}

impl Package {
    /// Says what everything weighs, and refuses what is above the ledger.
    fn sizes(&self, workspace: &Workspace, out: &Path) -> Result<()> {
        println!("\n{} ({} bytes)", self.packed.display(), fs::metadata(&self.packed)?.len());
        run(Command::new("node")
            .arg("sizes.mjs")
            .arg(out.join("package"))
            .current_dir(workspace.root.join(FOLDER)))
        .context("the package is larger than its ledger says")
    }
}

/// Programs from npm and crates.io, in folders of keyfold's own.
struct Tools {
    node: PathBuf,
    bindgen: PathBuf,
    toolchain: Toolchain,
}

impl Tools {
    fn install(workspace: &Workspace) -> Result<Self> {
        let toolchain = Toolchain::with_sources(workspace, TARGET)?;
        let node = install::node(workspace, "npm-tools/node", &format!("{FOLDER}/tools"))?;
        Ok(Tools { node, bindgen: install::wasm_bindgen(workspace)?, toolchain })
    }

    /// Compiles one of the modules, with its glue.
    fn module(&self, workspace: &Workspace, name: &str, made: &Path) -> Result<()> {
        let target = workspace.target.join("npm").join("cargo");
        let mut cargo = self.toolchain.cargo(workspace);
        cargo
            .args(["build", "--locked", "--profile", "npm", "--package", "keyfold-wasm"])
            .args(["--no-default-features", "--features", name, "--target", TARGET])
            .args(["-Zbuild-std=std,panic_abort", "-Zbuild-std-features=optimize_for_size"])
            .env("RUSTFLAGS", RUSTFLAGS)
            .env("RUSTC_BOOTSTRAP", "1")
            // All modules have one name: what was built for one is not the other.
            .env("CARGO_TARGET_DIR", target.join(name));
        if let Some(linker) = install::toolchain::wasm_linker(&self.toolchain)? {
            cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
        run(&mut cargo)?;
        let built = target.join(name).join(TARGET).join("npm/keyfold_wasm.wasm");
        run(Command::new(&self.bindgen)
            .args(["--target", "web", "--experimental-reset-state-function"])
            .args(["--omit-default-module-path", "--out-name", name, "--out-dir"])
            .arg(made)
            .arg(built))?;
        let names = fs::File::create(made.join(format!("{name}.names.json")))?;
        run(self
            .program("wasm-opt")
            .stdout(names)
            .args(WASM_PASSES)
            .args(["--strip-debug", "--strip-producers"])
            .args(WASM_FEATURES)
            .arg(made.join(format!("{name}_bg.wasm")))
            .arg("-o")
            .arg(made.join(format!("{name}.wasm"))))?;
        pack(&made.join(format!("{name}.wasm")), &made.join(format!("{name}.deflate")))
    }

    /// Checks the TypeScript, and writes its declarations.
    fn types(&self, workspace: &Workspace, made: &Path, package: &Path) -> Result<()> {
        let source = workspace.root.join(FOLDER);
        let config = serde_json::json!({
            "extends": source.join("tsconfig.json"),
            "compilerOptions": {
                "rootDir": source.join("js"),
                "outDir": package.join("dist"),
                "paths": {
                    "#client": [made.join("client.d.ts")],
                    "#extra": [made.join("extra.d.ts")],
                    "#cloud": [made.join("cloud.d.ts")],
                    "#cloud-engine": [source.join("js/engine.ts")],
                    "#cloud-exchange": [source.join("js/exchange.ts")],
                },
                "typeRoots": [self.node.join("node_modules/@types")],
            },
            "include": [source.join("js")],
        });
        let file = made.join("tsconfig.json");
        fs::write(&file, config.to_string())?;
        run(self.program("tsc").arg("--project").arg(file))
    }

    fn program(&self, name: &str) -> Command {
        program(&self.node, name)
    }
}

/// Compresses a module for its way into the JavaScript. A twentieth less than by zlib, and every
/// host inflates it all the same.
fn pack(module: &Path, to: &Path) -> Result<()> {
    let options = zopfli::Options { maximum_block_splits: 30, ..Default::default() };
    let wasm = fs::read(module)?;
    zopfli::compress(options, zopfli::Format::Deflate, &wasm[..], fs::File::create(to)?)?;
    Ok(())
}

/// A program of an npm package.
pub(crate) fn program(folder: &Path, name: &str) -> Command {
    let name = if cfg!(windows) { format!("{name}.cmd") } else { name.to_owned() };
    Command::new(folder.join("node_modules/.bin").join(name))
}

fn version(workspace: &Workspace) -> Result<String> {
    let mut cargo = workspace.cargo();
    cargo.args(["metadata", "--no-deps", "--format-version", "1"]);
    let metadata: Value = serde_json::from_slice(&capture(&mut cargo)?)?;
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let package = packages.iter().find(|package| package["name"] == "keyfold-wasm");
    match package.and_then(|package| package["version"].as_str()) {
        Some(version) => Ok(version.to_owned()),
        None => bail!("no package keyfold-wasm in this workspace"),
    }
}
