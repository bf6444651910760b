// The parts of the Flex UI that this plugin touches, as @twilio/flex-ui 2.14.0
// declares them (src/core/Manager.d.ts, src/actions/WorkerActions.d.ts,
// src/models/CommonModels.d.ts). They are written down here so that the plugin
// can be built and tested without that package; everything may be missing.

/** A task as the Flex UI shows it. Its `sid` is the reservation's. */
export interface FlexTask {
  sid?: string;
  taskSid?: string;
  workerSid?: string;
  /** The task's attributes, parsed. */
  attributes?: Record<string, unknown>;
}

/** What `CompleteTask` and `WrapupTask` are called with: either of the two. */
export interface TaskPayload {
  task?: FlexTask;
  sid?: string;
}

/** The `Actions` of the Flex UI. */
export interface FlexActions {
  addListener(event: string, listener: (payload: TaskPayload) => void): unknown;
}

/** What `init` is handed first. */
export interface FlexGlobal {
  Actions: FlexActions;
  /** A tab of a task, beside its own. */
  Tab?: unknown;
  TaskCanvasTabs?: { Content: { add(element: unknown, options: { sortOrder: number }): void } };
  /** Gives a component the task that it is shown for, as `task`. */
  withTaskContext?(component: (props: { task?: FlexTask }) => unknown): unknown;
}

/** The parts of React that are used; Flex keeps its own under `window.React`. */
export interface ReactGlobal {
  createElement(type: unknown, props: Record<string, unknown> | null, ...children: unknown[]): unknown;
  useEffect(effect: () => (() => void) | undefined, dependencies: unknown[]): void;
  useRef<T>(initial: T | null): { current: T | null };
}

/** What `init` is handed second. */
export interface FlexManager {
  /** The token changes while the agent is logged in; it is read before every post. */
  user?: { token?: string };
  /** Tells of a new token (`tokenUpdated`). */
  events?: { addListener(event: string, listener: (payload: { token?: string }) => void): unknown };
  workerClient?: { sid?: string } | null | undefined;
  /** Flex configuration as Twilio serves it; customers keep settings in `ui_attributes`. */
  serviceConfiguration?: { ui_attributes?: Record<string, unknown> | null };
}
