// Every snippet of the READMEs: compiled with `tsc --strict`, and run.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { pathToFileURL } from "node:url";
import { HOST, PROJECT } from "./support.mjs";

const TOOLS = process.env.KEYFOLD_NPM_TOOLS;
const folder = join(process.cwd(), "readme");

const snippets = ["README.md", "bindings-wasm/README.md"].flatMap((file) => {
  const text = readFileSync(join(PROJECT, file), "utf8");
  return [...text.matchAll(/^```ts\n([\s\S]*?)^```/gm)].map(([, code], number) => ({
    name: `${file.replace(/\W/g, "_")}_${number}`,
    code: /from "node:assert/.test(code)
      ? code
      : `import assert from "node:assert/strict";\n${code}`,
  }));
});

test(
  "the READMEs have snippets, all of them right",
  { skip: HOST !== "node" && "one host is enough" },
  async () => {
    assert.ok(snippets.length >= 7);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    for (const { name, code } of snippets) writeFileSync(join(folder, `${name}.ts`), code);
    writeFileSync(
      join(folder, "tsconfig.json"),
      JSON.stringify({
        compilerOptions: {
          target: "es2022",
          lib: ["es2022", "dom", "dom.iterable", "dom.asynciterable"],
          module: "nodenext",
          strict: true,
          noUncheckedIndexedAccess: true,
          exactOptionalPropertyTypes: true,
          skipLibCheck: false,
          types: ["node"],
          typeRoots: [join(TOOLS, "node_modules/@types")],
          outDir: "out",
        },
      }),
    );
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    execFileSync(join(TOOLS, "node_modules/.bin/tsc"), ["--project", folder], { stdio: "inherit" });
    for (const file of readdirSync(join(folder, "out")).filter((name) => name.endsWith(".js"))) {
      await import(pathToFileURL(join(folder, "out", file)));
    }
  },
);
