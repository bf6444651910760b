// Bundles the plugin as Flex loads it: one script that registers itself with the
// Twilio.Flex global. With --tests it bundles the tests for node instead.
import { readFileSync, readdirSync, rmSync } from "node:fs";
import { build } from "esbuild";

const { name, version, dependencies } = JSON.parse(readFileSync("package.json", "utf8"));

const standIn = process.argv.includes("--stand-in");

if (process.argv.includes("--tests")) {
  rmSync("build/test", { recursive: true, force: true });
  await build({
    entryPoints: readdirSync("test").filter((f) => f.endsWith(".test.ts")).map((f) => `test/${f}`),
    outdir: "build/test",
    outExtension: { ".js": ".mjs" },
    bundle: true,
    platform: "node",
    format: "esm",
    define: placeholders(),
    logLevel: "warning",
  });
} else {
  await build({
    entryPoints: ["src/index.ts"],
    outfile: `build/${name}${standIn ? "-standin" : ""}.js`,
    bundle: true,
    platform: "browser",
    format: "iife",
    target: "es2020",
    minify: true,
    define: placeholders(),
    logLevel: "warning",
    // The bundle for the browser's test asks a stand-in for Sync, see test/sync.ts.
    ...(standIn ? { alias: { "twilio-sync": "./test/sync.ts" } } : {}),
  });
}

// @twilio/flex-plugin has placeholders that Twilio's own build fills; these are
// what it would put there.
function placeholders() {
  const text = JSON.stringify;
  return {
    __FPB_PLUGIN_UNIQUE_NAME: text(name),
    __FPB_PLUGIN_VERSION: text(version),
    __FPB_FLEX_PLUGIN_SCRIPTS_VERSION: text(""),
    __FPB_FLEX_PLUGIN_VERSION: text(dependencies["@twilio/flex-plugin"]),
    __FPB_FLEX_UI_VERSION: text("2"),
    __FPB_REACT_VERSION: text(""),
    __FPB_REACT_DOM_VERSION: text(""),
  };
}
