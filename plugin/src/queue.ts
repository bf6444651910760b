import { keyOf, type Post } from "./post";

/** The part of `localStorage` that is used. */
export interface Store {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/** How many posts wait at most; the oldest go first. */
export const maxWaiting = 200;

/** How long a post is worth sending. By then flexbrevo has found the task by itself. */
export const maxAge = 7 * 24 * 60 * 60 * 1000;

/**
 * Posts that wait, kept in the browser so that a closed laptop loses none. Each
 * worker has a queue of their own: flexbrevo takes a post only with the token of
 * the worker it names, and several may share one browser. No token is kept.
 *
 * Every call reads and writes the store anew, because other tabs do the same.
 * Where the browser forbids storage, memory takes its place.
 */
export class Queue {
  private readonly key: string;
  private memory: string | null = null;

  constructor(
    private readonly store: Store | undefined,
    worker: string,
    private readonly now: () => number,
  ) {
    this.key = `flexbrevo.posts.v1.${worker}`;
  }

  /** Adds a post, unless the same is waiting. */
  add(post: Post): void {
    const waiting = this.list();
    if (waiting.some((w) => keyOf(w) === keyOf(post))) {
      return;
    }
    this.save([...waiting, post].slice(-maxWaiting));
  }

  /** Removes what a post says. */
  remove(post: Post): void {
    this.save(this.list().filter((w) => keyOf(w) !== keyOf(post)));
  }

  /** Lists what waits, the oldest first. What is too old, or not ours, is left out. */
  list(): Post[] {
    let held: unknown;
    try {
      held = JSON.parse(this.load() ?? "[]");
    } catch {
      return [];
    }
    return Array.isArray(held) ? held.filter((p): p is Post => isPost(p) && this.fresh(p)) : [];
  }

  private fresh(post: Post): boolean {
    return this.now() - Date.parse(post.completedAt) < maxAge;
  }

  private load(): string | null {
    try {
      if (this.store !== undefined) {
        return this.store.getItem(this.key);
      }
    } catch {
      // Reading is forbidden here; so was writing.
    }
    return this.memory;
  }

  private save(posts: Post[]): void {
    this.memory = JSON.stringify(posts);
    try {
      if (posts.length === 0) {
        this.store?.removeItem(this.key);
      } else {
        this.store?.setItem(this.key, this.memory);
      }
    } catch {
      // Full or forbidden: memory has it as long as the page lives.
    }
  }
}

function isPost(value: unknown): value is Post {
  const p = value as Partial<Post> | null;
  return typeof p === "object" && p !== null && p.v === 1 && typeof p.event === "string" &&
    typeof p.completedAt === "string" && !Number.isNaN(Date.parse(p.completedAt));
}
