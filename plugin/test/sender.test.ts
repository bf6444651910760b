import assert from "node:assert/strict";
import { test } from "node:test";
import type { Post } from "../src/post";
import { Queue } from "../src/queue";
import { Sender, type Surroundings } from "../src/sender";

const address = "https://connector.example.com/webhooks/flex/task-complete";

/** A browser whose time stands still until the test moves it. */
class Lab {
  now = Date.parse("2026-01-02T03:04:05Z");
  token: string | undefined = "token-1";
  answers: Array<number | [number, string] | "no answer"> = [];
  sent: Array<{ task: string; token: string; init: RequestInit }> = [];
  warnings: string[] = [];
  locked = false;
  private timers: Array<{ at: number; call: () => void }> = [];
  readonly queue = new Queue(undefined, "WK1", () => this.now);
  readonly sender = new Sender(address, this.queue, this.surroundings());

  private surroundings(): Surroundings {
    return {
      fetch: async (to, init) => {
        assert.equal(to, address);
        const body = JSON.parse(String(init.body)) as Post;
        this.sent.push({ task: String(body.taskSid).slice(-1), token: new Headers(init.headers).get("Authorization") ?? "", init });
        const answer = this.answers.shift() ?? 204;
        if (answer === "no answer") {
          throw new TypeError("Failed to fetch");
        }
        const [status, wait] = typeof answer === "number" ? [answer, ""] : answer;
        return new Response(null, { status, headers: wait === "" ? {} : { "Retry-After": wait } });
      },
      token: () => this.token,
      now: () => this.now,
      after: (delay, call) => void this.timers.push({ at: this.now + delay, call }),
      random: () => 1,
      alone: async (work) => { if (!this.locked) await work(); },
      warn: (message) => void this.warnings.push(message),
    };
  }

  add(...numbers: number[]): void {
    for (const n of numbers) {
      this.queue.add({ v: 1, event: "task-complete", taskSid: `WT${String(n).padStart(32, "0")}`, completedAt: new Date(this.now).toISOString() });
    }
  }

  /** Lets time pass, in steps of a second. */
  async pass(seconds: number): Promise<void> {
    for (let s = 0; s < seconds; s++) {
      this.now += 1000;
      const due = this.timers.filter((t) => t.at <= this.now);
      this.timers = this.timers.filter((t) => t.at > this.now);
      due.forEach((t) => t.call());
      await new Promise((done) => setImmediate(done));
    }
  }

  tasks(): string {
    return this.sent.map((s) => s.task).join("");
  }
}

test("posts go in order, with the token in the header and nowhere else", async () => {
  const lab = new Lab();
  lab.add(1, 2, 3);
  await lab.sender.flush();
  assert.equal(lab.tasks(), "123");
  assert.deepEqual(lab.queue.list(), []);
  for (const { token, init } of lab.sent) {
    assert.equal(token, "Bearer token-1");
    assert.equal(init.keepalive, true);
    assert.equal(init.credentials, "omit");
    assert.ok(!String(init.body).includes("token-1"));
  }
});

for (const answer of ["no answer", 500, 502, 503, 429, 404, 408] as const) {
  test(`${answer} keeps the post, and it is tried again ever more rarely`, async () => {
    const lab = new Lab();
    lab.answers = [answer, answer, answer];
    lab.add(1, 2);
    await lab.sender.flush();
    assert.equal(lab.tasks(), "1");
    await lab.pass(1);
    assert.equal(lab.tasks(), "11");
    await lab.pass(1);
    assert.equal(lab.tasks(), "11");
    await lab.pass(1);
    assert.equal(lab.tasks(), "111");
    await lab.pass(4);
    assert.equal(lab.tasks(), "11112");
    assert.deepEqual(lab.queue.list(), []);
  });
}

test("Retry-After is honoured", async () => {
  const lab = new Lab();
  lab.answers = [[503, "30"]];
  lab.add(1);
  await lab.sender.flush();
  await lab.pass(29);
  assert.equal(lab.tasks(), "1");
  await lab.pass(1);
  assert.equal(lab.tasks(), "11");
});

for (const status of [400, 413, 415]) {
  test(`${status} drops the post and goes on`, async () => {
    const lab = new Lab();
    lab.answers = [status];
    lab.add(1, 2);
    await lab.sender.flush();
    assert.equal(lab.tasks(), "12");
    assert.deepEqual(lab.queue.list(), []);
    assert.equal(lab.warnings.length, 1);
  });
}

for (const status of [401, 403]) {
  test(`after ${status} the post waits for another token`, async () => {
    const lab = new Lab();
    lab.answers = [status];
    lab.add(1, 2);
    await lab.sender.flush();
    assert.equal(lab.tasks(), "1");
    lab.token = "token-2";
    await lab.sender.flush();
    assert.equal(lab.tasks(), "112");
    assert.equal(lab.sent[1]?.token, "Bearer token-2");
  });
}

test("without a token nothing is sent, and with one it is", async () => {
  const lab = new Lab();
  lab.token = undefined;
  lab.add(1);
  await lab.sender.flush();
  assert.equal(lab.tasks(), "");
  lab.token = "token-1";
  await lab.pass(2);
  assert.equal(lab.tasks(), "1");
});

test("the network's return ends the pause", async () => {
  const lab = new Lab();
  lab.answers = ["no answer", "no answer", "no answer", "no answer", "no answer", "no answer"];
  lab.add(1);
  await lab.sender.flush();
  await lab.pass(60);
  assert.equal(lab.warnings.length, 1);
  const before = lab.sent.length;
  await lab.sender.flush();
  assert.equal(lab.sent.length, before);
  await lab.sender.retryNow();
  assert.deepEqual(lab.queue.list(), []);
});

test("while another tab sends, this one waits", async () => {
  const lab = new Lab();
  lab.locked = true;
  lab.add(1);
  await lab.sender.flush();
  assert.equal(lab.tasks(), "");
  lab.locked = false;
  await lab.pass(1);
  assert.equal(lab.tasks(), "1");
});

test("what is added while a post is under way goes out after it", async () => {
  const lab = new Lab();
  lab.add(1);
  const flushing = lab.sender.flush();
  lab.add(2);
  await lab.sender.flush();
  await flushing;
  assert.equal(lab.tasks(), "12");
});
