import assert from "node:assert/strict";
import { test } from "node:test";
import { readSettings } from "../src/settings";

const read = (flexbrevo: unknown) => readSettings({ serviceConfiguration: { ui_attributes: { flexbrevo } } })?.address;

for (const [given, want] of [
  [{ url: "https://connector.example.com" }, "https://connector.example.com/webhooks/flex/task-complete"],
  [{ url: "https://connector.example.com/" }, "https://connector.example.com/webhooks/flex/task-complete"],
  [{ url: "https://example.com/flexbrevo/", connector: "" }, "https://example.com/flexbrevo/webhooks/flex/task-complete"],
  [{ url: "https://example.com", connector: "paris" }, "https://example.com/c/paris/webhooks/flex/task-complete"],
  [{ url: "https://example.com", connector: "a/b" }, "https://example.com/c/a%2Fb/webhooks/flex/task-complete"],
  [{ url: "http://127.0.0.1:8080" }, "http://127.0.0.1:8080/webhooks/flex/task-complete"],
  [{ url: "http://connector.example.com" }, undefined],
  [{ url: "ftp://connector.example.com" }, undefined],
  [{ url: "https://user:password@example.com" }, undefined],
  [{ url: "https://example.com/?a=b" }, undefined],
  [{ url: "connector.example.com" }, undefined],
  [{ url: 5 }, undefined],
  [{}, undefined],
  [null, undefined],
  ["https://connector.example.com", undefined],
] as const) {
  test(JSON.stringify(given), () => assert.equal(read(given), want));
}

test("a Flex configuration without anything", () => {
  assert.equal(readSettings({}), undefined);
  assert.equal(readSettings({ serviceConfiguration: { ui_attributes: null } }), undefined);
});
