import type { Post } from "./post";
import type { Queue } from "./queue";

/** What a sender needs of its surroundings; all of it is the browser's outside of tests. */
export interface Surroundings {
  fetch(address: string, init: RequestInit): Promise<Response>;
  /** The agent's Flex token as it is now. */
  token(): string | undefined;
  now(): number;
  /** Calls back after a delay in milliseconds. */
  after(delay: number, call: () => void): void;
  /** From 0 to 1. */
  random(): number;
  /** Runs work unless another tab is at it. */
  alone(work: () => Promise<void>): Promise<void>;
  /** Tells whoever looks at the console; never anything private. */
  warn(message: string): void;
}

const firstPause = 1_000;
const longestPause = 5 * 60_000;
const patience = 10_000;

/** What an answer means for the post. */
type Outcome = { kind: "taken" } | { kind: "useless"; status: number } | { kind: "later"; pause: number; status: number };

/** Sends what waits in a queue, one post after the other, until nothing waits. */
export class Sender {
  private failures = 0;
  private notBefore = 0;
  private refused: string | undefined;
  private busy = false;
  private again = false;
  private timer = false;

  constructor(
    private readonly address: string,
    private readonly queue: Queue,
    private readonly s: Surroundings,
  ) {}

  /** Sends now what may be sent now. It never throws and may be called at any time. */
  async flush(): Promise<void> {
    if (this.busy) {
      this.again = true;
      return;
    }
    this.busy = true;
    try {
      do {
        this.again = false;
        await this.s.alone(() => this.pass());
      } while (this.again);
    } finally {
      this.busy = false;
    }
    this.schedule();
  }

  /** Forgets the pause, because something has changed: the network is back. */
  async retryNow(): Promise<void> {
    this.notBefore = 0;
    await this.flush();
  }

  private async pass(): Promise<void> {
    for (const post of this.queue.list()) {
      const token = this.s.token();
      if (token === undefined || token === "") {
        this.pause(0, 0);
        return;
      }
      const changed = this.refused !== undefined && this.refused !== token;
      if (this.s.now() < this.notBefore && !changed) {
        return;
      }
      const outcome = await this.send(post, token);
      if (outcome.kind === "later") {
        this.refused = outcome.status === 401 || outcome.status === 403 ? token : undefined;
        this.pause(outcome.pause, outcome.status);
        return;
      }
      this.failures = 0;
      this.notBefore = 0;
      this.refused = undefined;
      this.queue.remove(post);
      if (outcome.kind === "useless") {
        this.s.warn(`flexbrevo refused a post for good (${outcome.status})`);
      }
    }
  }

  private async send(post: Post, token: string): Promise<Outcome> {
    const ended = new AbortController();
    this.s.after(patience, () => ended.abort());
    try {
      const response = await this.s.fetch(this.address, {
        method: "POST",
        headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
        body: JSON.stringify(post),
        // The post goes on when the tab is closed meanwhile.
        keepalive: true,
        credentials: "omit",
        mode: "cors",
        signal: ended.signal,
      });
      return judge(response);
    } catch {
      return { kind: "later", pause: 0, status: 0 };
    }
  }

  private pause(asked: number, status: number): void {
    const backoff = Math.min(firstPause * 2 ** this.failures, longestPause) * (0.5 + this.s.random() / 2);
    this.failures = Math.min(this.failures + 1, 20);
    this.notBefore = this.s.now() + Math.max(asked, backoff);
    if (this.failures === 5) {
      this.s.warn(`flexbrevo does not take posts (${status || "no answer"}); they are kept and tried again`);
    }
  }

  private schedule(): void {
    if (this.timer || this.queue.list().length === 0) {
      return;
    }
    this.timer = true;
    this.s.after(Math.max(this.notBefore - this.s.now(), firstPause), () => {
      this.timer = false;
      void this.flush();
    });
  }
}

/**
 * Says what to do after an answer. What can never be taken is dropped: bad JSON,
 * a wrong SID, too large. A refused token (401, 403) is no reason to drop: the
 * next one may do, and so may the address once it is right (404).
 */
function judge(response: Response): Outcome {
  const status = response.status;
  if (status >= 200 && status < 300) {
    return { kind: "taken" };
  }
  if (status === 400 || status === 413 || status === 415) {
    return { kind: "useless", status };
  }
  const seconds = Number(response.headers.get("Retry-After") ?? "");
  return { kind: "later", status, pause: Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0) * 1000, longestPause) : 0 };
}
