import type { TaskPayload } from "./flex";

/** What happened. */
export type TaskEvent = "task-complete" | "task-wrapup";

/**
 * The body of a post. Fields are picked one by one: a task of the Flex UI also
 * holds the customer's data and live objects, and flexbrevo asks Twilio for
 * everything but these names.
 */
export interface Post {
  v: 1;
  event: TaskEvent;
  taskSid?: string;
  reservationSid?: string;
  workerSid?: string;
  completedAt: string;
}

/**
 * Makes a post of an action's payload, or undefined when it names no task. In the
 * Flex UI a task's `sid`, and the payload's, is the reservation's; the task's is
 * in `taskSid`.
 */
export function makePost(event: TaskEvent, payload: TaskPayload, worker: string, at: Date): Post | undefined {
  const task = sid("WT", payload.task?.taskSid);
  const reservation = sid("WR", payload.task?.sid) ?? sid("WR", payload.sid);
  if (task === undefined && reservation === undefined) {
    return undefined;
  }
  const post: Post = { v: 1, event, completedAt: at.toISOString() };
  if (task !== undefined) {
    post.taskSid = task;
  }
  if (reservation !== undefined) {
    post.reservationSid = reservation;
  }
  const by = sid("WK", worker) ?? sid("WK", payload.task?.workerSid);
  if (by !== undefined) {
    post.workerSid = by;
  }
  return post;
}

/** A name for what a post says, the same however often it is said. */
export function keyOf(post: Post): string {
  return [post.event, post.taskSid ?? "", post.reservationSid ?? ""].join(":");
}

function sid(prefix: string, value: unknown): string | undefined {
  return typeof value === "string" && value.startsWith(prefix) && /^[A-Z]{2}[0-9a-fA-F]{32}$/.test(value) ? value : undefined;
}
