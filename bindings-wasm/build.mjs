// Bundles the TypeScript with the modules: called by `cargo xtask npm`, with the folders of
// the build tools, of what wasm-bindgen made, and of the package.
import { readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

const [tools, made, out, version] = process.argv.slice(2);
const { build } = createRequire(join(tools, "package.json"))("esbuild");

/** The glue of a module, with the short names that wasm-opt gave to imports and exports. */
function glue(path) {
  const { imports, exports } = JSON.parse(readFileSync(path.replace(/js$/, "names.json"), "utf8"));
  const shortened = new Map(exports);
  let source = readFileSync(path, "utf8").replace(/\bwasm\.(\w+)/g, (_, name) => {
    if (!shortened.has(name)) throw new Error(`${path} uses ${name}, which is no export`);
    return `wasm.${shortened.get(name)}`;
  });
  for (const [module, name, short] of imports) {
    const parts = source.split(`        ${name}: function(`);
    if (parts.length !== 2) throw new Error(`${path} does not have one ${name}`);
    source = parts
      .join(`        ${short}: function(`)
      .replace(`"${module}": import0`, "a: import0");
  }
  return source;
}

/** The bytes of a module stand in the JavaScript: no bundler has to find a file. */
const inlined = {
  name: "inlined",
  setup(build) {
    // What is of one instance, its engine above all, is there once more for the module of clouds.
    const of = (name, namespace) => (namespace === "cloud" ? name.replace("client", "cloud") : name);
    build.onResolve({ filter: /^#cloud-(engine|exchange)$/ }, ({ path }) => ({
      path: `${path.slice("#cloud-".length)}.ts`,
      namespace: "cloud",
    }));
    build.onLoad({ filter: /.*/, namespace: "cloud" }, ({ path }) => ({
      contents: readFileSync(`js/${path}`, "utf8"),
      loader: "ts",
      resolveDir: resolve("js"),
    }));
    build.onResolve({ filter: /^#(client|extra|cloud)-wasm$/ }, ({ path, namespace }) => ({
      path: join(made, `${of(path, namespace).slice(1, -5)}.deflate`),
      namespace: "wasm",
    }));
    build.onResolve({ filter: /^#(client|extra|cloud)$/ }, ({ path, namespace }) => ({
      path: join(made, `${of(path, namespace).slice(1)}.js`),
    }));
    build.onLoad({ filter: /build[\\/](client|extra|cloud)\.js$/ }, ({ path }) => ({
      contents: glue(path),
      loader: "js",
    }));
    build.onLoad({ filter: /.*/, namespace: "wasm" }, ({ path }) => {
      return { contents: readFileSync(path), loader: "base64" };
    });
  },
};

await build({
  entryPoints: ["js/web.ts", "js/node.ts", "js/worker.ts", "js/files.ts", "js/cloud.ts"],
  outdir: join(out, "dist"),
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "neutral",
  external: ["node:*"],
  target: ["es2022"],
  minify: true,
  legalComments: "none",
  charset: "utf8",
  chunkNames: "[name]-[hash]",
  define: { KEYFOLD_VERSION: JSON.stringify(version), "import.meta.url": "undefined" },
  plugins: [inlined],
});

// Types of what is inside are nobody's.
const dist = join(out, "dist");
const reached = new Set();
function reach(name) {
  if (reached.has(name)) return;
  reached.add(name);
  const source = readFileSync(join(dist, name), "utf8");
  for (const [, next] of source.matchAll(/from "\.\/([^"]+)\.js"/g)) reach(`${next}.d.ts`);
}
reach("index.d.ts");
reach("worker.d.ts");
reach("files.d.ts");
reach("cloud.d.ts");
for (const name of readdirSync(dist)) {
  if (name.endsWith(".d.ts") && !reached.has(name)) rmSync(join(dist, name));
}
// `Disposable` is in no library that a program has by default.
const types = readFileSync(join(dist, "index.d.ts"), "utf8");
writeFileSync(join(dist, "index.d.ts"), `/// <reference lib="esnext.disposable" />\n${types}`);
