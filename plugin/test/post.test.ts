import assert from "node:assert/strict";
import { test } from "node:test";
import { keyOf, makePost } from "../src/post";

const task = "WT00000000000000000000000000000001";
const reservation = "WR00000000000000000000000000000001";
const worker = "WK00000000000000000000000000000001";
const at = new Date("2026-01-02T03:04:05Z");
const common = { v: 1, event: "task-complete", completedAt: "2026-01-02T03:04:05.000Z" };

test("a task's own sid is the reservation's", () => {
  const post = makePost("task-complete", { task: { sid: reservation, taskSid: task, workerSid: worker } }, worker, at);
  assert.deepEqual(post, { ...common, taskSid: task, reservationSid: reservation, workerSid: worker });
});

test("only picked fields travel", () => {
  const full = {
    sid: reservation, taskSid: task, workerSid: worker, queueName: "Support FR",
    attributes: { from: "+33612345678", name: "Zoe" }, complete: () => undefined,
  };
  const post = makePost("task-complete", { task: full, sid: reservation }, worker, at);
  assert.deepEqual(Object.keys(post ?? {}).sort(), ["completedAt", "event", "reservationSid", "taskSid", "v", "workerSid"]);
});

test("a payload may hold the reservation's sid alone", () => {
  assert.deepEqual(makePost("task-wrapup", { sid: reservation }, worker, at),
    { ...common, event: "task-wrapup", reservationSid: reservation, workerSid: worker });
});

test("the worker may come from the task", () => {
  assert.equal(makePost("task-complete", { task: { taskSid: task, workerSid: worker } }, "", at)?.workerSid, worker);
});

for (const payload of [{}, { sid: task }, { task: {} }, { task: { sid: "WR1", taskSid: "wt" } }, { task: { taskSid: `${task}0` } }]) {
  test(`nothing is made of ${JSON.stringify(payload)}`, () => {
    assert.equal(makePost("task-complete", payload, worker, at), undefined);
  });
}

test("wrap-up and completion are two things, a repeat is the same", () => {
  const one = makePost("task-complete", { task: { sid: reservation, taskSid: task } }, worker, at)!;
  const repeat = makePost("task-complete", { task: { sid: reservation, taskSid: task } }, worker, new Date())!;
  const other = makePost("task-wrapup", { task: { sid: reservation, taskSid: task } }, worker, at)!;
  assert.equal(keyOf(one), keyOf(repeat));
  assert.notEqual(keyOf(one), keyOf(other));
});
