import assert from "node:assert/strict";
import { test } from "node:test";
import type { Post } from "../src/post";
import { maxAge, maxWaiting, Queue, type Store } from "../src/queue";

const start = Date.parse("2026-01-02T03:04:05Z");

function store(): Store & { held: Map<string, string> } {
  const held = new Map<string, string>();
  return {
    held,
    getItem: (k) => held.get(k) ?? null,
    setItem: (k, v) => void held.set(k, v),
    removeItem: (k) => void held.delete(k),
  };
}

function post(n: number, at = start): Post {
  return { v: 1, event: "task-complete", taskSid: `WT${String(n).padStart(32, "0")}`, completedAt: new Date(at).toISOString() };
}

test("what was added is there after a restart, in its order", () => {
  const s = store();
  const first = new Queue(s, "WK1", () => start);
  first.add(post(1));
  first.add(post(2));
  first.add(post(1, start + 1000));
  assert.deepEqual(new Queue(s, "WK1", () => start).list(), [post(1), post(2)]);
});

test("workers who share a browser have queues of their own", () => {
  const s = store();
  new Queue(s, "WK1", () => start).add(post(1));
  assert.deepEqual(new Queue(s, "WK2", () => start).list(), []);
});

test("two tabs share a queue", () => {
  const s = store();
  const [one, other] = [new Queue(s, "WK1", () => start), new Queue(s, "WK1", () => start)];
  one.add(post(1));
  other.add(post(2));
  one.remove(post(1));
  assert.deepEqual(other.list(), [post(2)]);
  other.remove(post(2));
  assert.equal(s.held.size, 0);
});

test("the oldest go when too many wait, and with their age", () => {
  let now = start;
  const queue = new Queue(store(), "WK1", () => now);
  for (let n = 0; n < maxWaiting + 5; n++) {
    queue.add(post(n));
  }
  assert.equal(queue.list().length, maxWaiting);
  assert.deepEqual(queue.list()[0], post(5));
  now += maxAge;
  assert.deepEqual(queue.list(), []);
});

for (const broken of ["", "{", "null", "5", '[null,5,{"v":2},{"v":1,"event":"x","completedAt":"soon"}]']) {
  test(`a store that holds ${broken} is an empty queue`, () => {
    const s = store();
    s.held.set("flexbrevo.posts.v1.WK1", broken);
    const queue = new Queue(s, "WK1", () => start);
    assert.deepEqual(queue.list(), []);
    queue.add(post(1));
    assert.deepEqual(queue.list(), [post(1)]);
  });
}

test("without storage, memory does", () => {
  const forbidden: Store = {
    getItem: () => { throw new Error("forbidden"); },
    setItem: () => { throw new Error("forbidden"); },
    removeItem: () => { throw new Error("forbidden"); },
  };
  for (const s of [undefined, forbidden]) {
    const queue = new Queue(s, "WK1", () => start);
    queue.add(post(1));
    assert.deepEqual(queue.list(), [post(1)]);
    queue.remove(post(1));
    assert.deepEqual(queue.list(), []);
  }
});
