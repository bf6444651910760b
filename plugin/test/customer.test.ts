import assert from "node:assert/strict";
import { test } from "node:test";
import { keyOf } from "../src/customer";
import { Customers, read, type Sight } from "../src/customers";
import { readPanelSettings } from "../src/settings";

for (const [attributes, phone, identity] of [
  [{ from: "+33612345678", direction: "inbound" }, "+33612345678", undefined],
  [{ customerAddress: "whatsapp:+33612345678" }, "+33612345678", undefined],
  [{ customerAddress: "zoe", customers: { phone: "+33 6 12 34 56 78" } }, "+33612345678", "zoe"],
  [{ direction: "outbound", outbound_to: "+33612345678", from: "+33187000000" }, "+33612345678", undefined],
  [{ outbound_to: "+33612345678", from: "+33187000000" }, "+33612345678", undefined],
  [{ customerAddress: "jane@example.com", identity: "jane" }, undefined, "jane"],
  [{ from: "anonymous" }, undefined, undefined],
  [{ from: "0612345678", customers: null }, undefined, undefined],
  [{}, undefined, undefined],
] as const) {
  test(`the customer of ${JSON.stringify(attributes)}`, () => {
    assert.equal(keyOf({ attributes }, "phone"), phone);
    assert.equal(keyOf({ attributes }, "identity"), identity);
  });
}

test("a task without attributes", () => assert.equal(keyOf(undefined, "phone"), undefined));

test("which objects are shown", () => {
  const of = (sync: unknown) => readPanelSettings({ serviceConfiguration: { ui_attributes: { flexbrevo: { sync } } } });
  assert.deepEqual(of({ map: "customers" }), { map: "customers", key: "phone" });
  assert.deepEqual(of({ documents: "customer.", key: "identity" }), { documents: "customer.", key: "identity" });
  for (const nothing of [undefined, null, "customers", {}, { map: "" }, { map: 5 }]) {
    assert.equal(of(nothing), undefined);
  }
  assert.equal(readPanelSettings({}), undefined);
});

test("what stands in Sync is read with care", () => {
  for (const wrong of [null, undefined, 5, "x", [], {}, { v: 2 }]) {
    assert.equal(read(wrong).kind, "failed");
  }
  assert.deepEqual(read({ v: 1, metrics: null, fields: [null, { value: 1 }], events: "x" }), {
    kind: "known", customer: { metrics: {}, fields: [], events: [] },
  });
});

/** Watches with a client and gives what was shown, by kind. */
async function watched(client: unknown, stopAt?: number): Promise<string[]> {
  const kinds: string[] = [];
  let stop = (): void => undefined;
  const customers = new Customers({ map: "m", key: "phone" }, () => client as never);
  stop = customers.watch("+33612345678", (sight: Sight) => {
    kinds.push(sight.kind);
    if (kinds.length === stopAt) {
      queueMicrotask(() => stop());
    }
  });
  await new Promise((done) => setTimeout(done, 10));
  return kinds;
}

const map = (get: () => Promise<unknown>) => ({ map: async () => ({ get, close: () => undefined }) });

test("a customer is shown, is missing, or could not be read", async () => {
  assert.deepEqual(await watched(map(async () => ({ data: { v: 1 } }))), ["loading", "known"]);
  assert.deepEqual(await watched(map(() => Promise.reject({ status: 404 }))), ["loading", "nobody"]);
  assert.deepEqual(await watched(map(() => Promise.reject(new Error("connection")))), ["loading", "failed"]);
  assert.deepEqual(await watched(map(async () => ({ data: { v: 1 } })), 1), ["loading"]);
});
